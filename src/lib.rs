//! TLS over the system's libssl, for Rust and tokio.

mod materials;
mod sys;
mod values;

pub use materials::certificate::Certificate;
pub use materials::distinguished_name::DistinguishedName;
pub use materials::public_key::PublicKeyType;
pub use materials::server_identity::check_server_identity;
pub use values::alert::Alert;
pub use values::alpn::AlpnProtocols;
pub use values::error::{Error, ErrorKind};
pub use values::hello::ClientHello;
pub use values::limit::RenegotiationPolicy;
pub use values::name_pattern::ServerNamePattern;
pub use values::options::SecureOptions;
pub use values::protocol::{MethodSide, SecureProtocol};
pub use values::secret::Secret;
pub use values::verify_code::VerifyCode;
pub use values::version::{ProtocolVersion, VersionRange};
