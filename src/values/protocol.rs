//! Node's `secureProtocol` names.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, ErrorKind};
use super::version::{ProtocolVersion, VersionRange};

/// A method of libssl by name, as Node's option `secureProtocol` takes it, such as `TLSv1_2_method`.
///
/// For settings that come from Node or from C programs; new programs give a [`VersionRange`]. A method stands
/// for a range of versions and for a side. libssl 4.0 has removed the methods of one version, so the range is
/// what a configuration applies, on every libssl.
///
/// | name (also with `_client_method`, `_server_method`) | lowest version | highest version |
/// | --- | --- | --- |
/// | `SSLv23_method` | the default lowest | TLS 1.2 |
/// | `TLS_method` | the lowest that libssl allows, even below the default | TLS 1.3 |
/// | `TLSv1_2_method` | TLS 1.2 | TLS 1.2 |
/// | `TLSv1_1_method` | TLS 1.1 | TLS 1.1 |
/// | `TLSv1_method` | TLS 1.0 | TLS 1.0 |
/// | `SSLv3_method` | SSL 3.0 | SSL 3.0 |
///
/// # Security
///
/// `TLS_method` lowers the minimum below the default and so allows TLS 1.0 where the security level does;
/// `SSLv23_method` keeps TLS 1.3 away. Both are what Node does. Prefer a range of versions.
///
/// # Examples
///
/// ```
/// use patina_tls::{MethodSide, ProtocolVersion, SecureProtocol};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let method = SecureProtocol::parse("TLSv1_2_client_method")?;
/// assert_eq!(method.side(), MethodSide::Client);
/// assert_eq!(method.versions(ProtocolVersion::TLSv1_2), ProtocolVersion::TLSv1_2.into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "secureProtocol")]
pub struct SecureProtocol {
    name: &'static str,
    family: Family,
    side: MethodSide,
}

/// The side of a connection that a method is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MethodSide {
    /// Client and server.
    Any,
    /// Clients only; in Node a server with it is accepted and then fails in every handshake.
    Client,
    /// Servers only; in Node a client with it is accepted and then fails in every handshake.
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Family {
    /// `SSLv23`: Node caps it at TLS 1.2.
    Sslv23,
    /// `TLS`: whatever the library has.
    Tls,
    Fixed(ProtocolVersion),
}

const METHODS: &[SecureProtocol] = &{
    use Family::{Fixed, Sslv23, Tls};
    use MethodSide::{Any, Client, Server};
    use ProtocolVersion::{SSLv3, TLSv1_0, TLSv1_1, TLSv1_2};
    const fn row(name: &'static str, family: Family, side: MethodSide) -> SecureProtocol {
        SecureProtocol { name, family, side }
    }
    [
        row("SSLv23_method", Sslv23, Any),
        row("SSLv23_client_method", Sslv23, Client),
        row("SSLv23_server_method", Sslv23, Server),
        row("TLS_method", Tls, Any),
        row("TLS_client_method", Tls, Client),
        row("TLS_server_method", Tls, Server),
        row("TLSv1_2_method", Fixed(TLSv1_2), Any),
        row("TLSv1_2_client_method", Fixed(TLSv1_2), Client),
        row("TLSv1_2_server_method", Fixed(TLSv1_2), Server),
        row("TLSv1_1_method", Fixed(TLSv1_1), Any),
        row("TLSv1_1_client_method", Fixed(TLSv1_1), Client),
        row("TLSv1_1_server_method", Fixed(TLSv1_1), Server),
        row("TLSv1_method", Fixed(TLSv1_0), Any),
        row("TLSv1_client_method", Fixed(TLSv1_0), Client),
        row("TLSv1_server_method", Fixed(TLSv1_0), Server),
        row("SSLv3_method", Fixed(SSLv3), Any),
        row("SSLv3_client_method", Fixed(SSLv3), Client),
        row("SSLv3_server_method", Fixed(SSLv3), Server),
    ]
};

impl SecureProtocol {
    /// Every method, the names without a side before those with one.
    pub fn all() -> impl Iterator<Item = SecureProtocol> {
        METHODS.iter().copied()
    }

    /// Reads the name of a method; upper and lower case differ, as in Node.
    ///
    /// `SSLv3_method` is read: whether it can be used is for the libssl in use to say, when a configuration
    /// is built. See [`parse_as_node`](SecureProtocol::parse_as_node) for Node's answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the code `ERR_TLS_INVALID_PROTOCOL_METHOD` for SSL 2.0 ("SSLv2 methods
    /// disabled"), which no supported libssl has, and for any other text ("Unknown method: NAME").
    pub fn parse(name: &str) -> Result<SecureProtocol, Error> {
        if let Some(method) = METHODS.iter().find(|m| m.name == name) {
            return Ok(*method);
        }
        Err(match name {
            "SSLv2_method" | "SSLv2_client_method" | "SSLv2_server_method" => {
                invalid("SSLv2 methods disabled")
            }
            _ => invalid(format!("Unknown method: {name}")),
        })
    }

    /// Reads the name of a method and refuses those that Node refuses.
    ///
    /// # Errors
    ///
    /// As [`parse`](SecureProtocol::parse), and for SSL 3.0 "SSLv3 methods disabled" with the same code.
    pub fn parse_as_node(name: &str) -> Result<SecureProtocol, Error> {
        match SecureProtocol::parse(name)? {
            method if method.is_disabled_in_node() => Err(invalid("SSLv3 methods disabled")),
            method => Ok(method),
        }
    }

    /// The name, such as `TLSv1_2_server_method`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The side that the method is made for.
    pub const fn side(self) -> MethodSide {
        self.side
    }

    /// Whether Node refuses the method although libssl may have it: those of SSL 3.0.
    pub fn is_disabled_in_node(self) -> bool {
        self.family == Family::Fixed(ProtocolVersion::SSLv3)
    }

    /// The versions that the method allows, given the lowest version that is the default otherwise.
    ///
    /// The range is [empty](VersionRange::is_empty) for `SSLv23_method` when the default is above TLS 1.2.
    pub fn versions(self, default_min: ProtocolVersion) -> VersionRange {
        match self.family {
            Family::Sslv23 => VersionRange::new(Some(default_min), Some(ProtocolVersion::TLSv1_2)),
            Family::Tls => VersionRange::new(None, Some(ProtocolVersion::TLSv1_3)),
            Family::Fixed(version) => version.into(),
        }
    }
}

impl fmt::Display for SecureProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl fmt::Debug for SecureProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureProtocol({})", self.name)
    }
}

impl FromStr for SecureProtocol {
    type Err = Error;

    /// See [`SecureProtocol::parse`].
    fn from_str(name: &str) -> Result<SecureProtocol, Error> {
        SecureProtocol::parse(name)
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message).with_code("ERR_TLS_INVALID_PROTOCOL_METHOD")
}

#[cfg(test)]
mod tests {
    use super::ProtocolVersion::{SSLv3, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3};
    use super::*;

    fn bounds(name: &str) -> (Option<ProtocolVersion>, Option<ProtocolVersion>) {
        let range = SecureProtocol::parse(name).unwrap().versions(TLSv1_1);
        (range.min(), range.max())
    }

    #[test]
    fn each_method_stands_for_the_versions_that_node_sets() {
        assert_eq!(bounds("SSLv23_method"), (Some(TLSv1_1), Some(TLSv1_2)));
        assert_eq!(bounds("TLS_server_method"), (None, Some(TLSv1_3)), "the default minimum is ignored");
        assert_eq!(bounds("TLSv1_method"), (Some(TLSv1_0), Some(TLSv1_0)));
        assert_eq!(bounds("TLSv1_1_client_method"), (Some(TLSv1_1), Some(TLSv1_1)));
        assert_eq!(bounds("TLSv1_2_method"), (Some(TLSv1_2), Some(TLSv1_2)));
        assert_eq!(bounds("SSLv3_method"), (Some(SSLv3), Some(SSLv3)));
        assert!(SecureProtocol::parse("SSLv23_method").unwrap().versions(TLSv1_3).is_empty());
    }

    #[test]
    fn the_name_tells_the_side_and_is_read_back() {
        for method in SecureProtocol::all() {
            let side = match method.name() {
                n if n.ends_with("_client_method") => MethodSide::Client,
                n if n.ends_with("_server_method") => MethodSide::Server,
                _ => MethodSide::Any,
            };
            assert_eq!(method.side(), side, "{method}");
            assert_eq!(method.to_string().parse::<SecureProtocol>().unwrap(), method);
            let siblings = SecureProtocol::all().filter(|m| m.family == method.family);
            assert_eq!(siblings.count(), 3, "{method}: one for each side");
        }
        assert_eq!(SecureProtocol::all().count(), 18);
    }

    #[test]
    fn ssl_2_is_refused_and_ssl_3_only_where_node_is_followed() {
        for side in ["", "_client", "_server"] {
            let error = SecureProtocol::parse(&format!("SSLv2{side}_method")).unwrap_err();
            assert_eq!(error.message(), "SSLv2 methods disabled");
            let name = format!("SSLv3{side}_method");
            assert!(SecureProtocol::parse(&name).unwrap().is_disabled_in_node());
            let error = SecureProtocol::parse_as_node(&name).unwrap_err();
            assert_eq!(error.message(), "SSLv3 methods disabled");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_TLS_INVALID_PROTOCOL_METHOD"));
        }
        let accepted = SecureProtocol::all().filter(|m| SecureProtocol::parse_as_node(m.name()).is_ok());
        assert_eq!(accepted.count(), 15);
    }

    #[test]
    fn anything_else_is_an_unknown_method_by_its_name() {
        for name in
            ["", "TLSv1_3_method", "DTLS_method", "DTLSv1_2_method", "tls_method", "%s%n", "TLS_method "]
        {
            let error = SecureProtocol::parse(name).unwrap_err();
            assert_eq!(error.message(), format!("Unknown method: {name}"));
            assert_eq!(error.code(), "ERR_TLS_INVALID_PROTOCOL_METHOD");
        }
    }
}
