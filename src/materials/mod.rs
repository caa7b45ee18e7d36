//! What a configuration is made of and what a connection tells.
