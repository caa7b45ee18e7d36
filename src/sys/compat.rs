//! Everything that depends on the version of libssl: no other module of the crate has a version `cfg`.
