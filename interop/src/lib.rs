//! Real peers against each other.
