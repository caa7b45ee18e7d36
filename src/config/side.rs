//! The one type axis of a configuration: which side it is for.

use std::fmt;

/// A side of a connection: [`Client`] or [`Server`].
pub trait Side: sealed::Sealed + fmt::Debug + Clone + Copy + Send + Sync + 'static {
    #[doc(hidden)]
    const ROLE: Role;
}

/// The side that connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client;

/// The side that accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server;

/// The same as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Role {
    Client,
    Server,
}

impl Side for Client {
    const ROLE: Role = Role::Client;
}

impl Side for Server {
    const ROLE: Role = Role::Server;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Server {}
}
