//! Plain values: no libssl type, no I/O.

pub(crate) mod address;
pub(crate) mod alert;
pub(crate) mod alpn;
pub(crate) mod certificate_compression;
pub(crate) mod clock;
pub(crate) mod early_data;
pub(crate) mod error;
pub(crate) mod hello;
pub(crate) mod limit;
pub(crate) mod name_pattern;
pub(crate) mod nearest;
pub(crate) mod options;
pub(crate) mod protocol;
pub(crate) mod psk;
pub(crate) mod record_edge;
pub(crate) mod record_sizing;
pub(crate) mod secret;
pub(crate) mod ticket_key;
pub(crate) mod verify_code;
pub(crate) mod version;
