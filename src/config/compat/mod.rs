//! Settings in other programs' words: Node's `tls` options, under Node's names and with Node's meaning, and OpenSSL's
//! configuration commands ([`SslConf`]).
//!
//! For settings that come from a Node program: [`SecureContextOptions`] reads the options object of `tls.connect`,
//! `tls.createServer` or `tls.createSecureContext` from JSON, or is built in Rust; [`ProcessDefaults`] stands for what
//! Node keeps for the whole process. Together they give a [`ConfigBuilder`](crate::ConfigBuilder). Needs the feature `serde`.
//!
//! ```
//! use patina_tls::compat::{ProcessDefaults, SecureContextOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let json = r#"{ "minVersion": "TLSv1.3", "ciphers": "TLS_AES_128_GCM_SHA256", "ca": [], "rejectUnauthorized": false }"#;
//! let options: SecureContextOptions = serde_json::from_str(json)?;
//! let config = options.client(&ProcessDefaults::new())?.build()?;
//!
//! let error = SecureContextOptions::new().ciphers("NO-SUCH-CIPHER").client(&ProcessDefaults::new()).unwrap_err();
//! assert_eq!((error.option(), error.code()), (Some("ciphers"), "ERR_SSL_NO_CIPHER_MATCH"));
//! # Ok(())
//! # }
//! ```
//!
//! Options are applied in Node's order, and the first failure is the one that is told: with Node's code
//! ([`Error::code`](crate::Error::code)) and Node's name of the option ([`Error::option`](crate::Error::option)).
//!
//! # What differs from Node
//!
//! Where Node fails late, crashes, or tells nothing, this module does not follow:
//!
//! | case | Node 20 | here |
//! | --- | --- | --- |
//! | an unknown option | ignored | error that names the nearest option |
//! | `minVersion` above `maxVersion`; only versions below TLS 1.2 at a security level above 0; only TLS 1.3 suites under a maximum of TLS 1.2; a `_client_method` for a server | accepted, every handshake fails | error when the configuration is made |
//! | `sigalgs` with an unknown name, `sessionIdContext` of more than 32 bytes, a wrong pass phrase of `pfx` | error without code | `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ERR_OSSL_PKCS12_MAC_VERIFY_FAILURE` |
//! | `secureOptions` of a wrong type with `honorCipherOrder` | taken for 0 | `ERR_INVALID_ARG_TYPE` |
//! | `secureOptions` below 0 (`1 << 31` in JavaScript) | sign-extended to 64 bits | its 32 bits |
//! | `ALPNProtocols` with an empty name | aborts a client process | `ERR_OUT_OF_RANGE` |
//! | `crl` texts with several lists | the first of each text | all |
//! | archives encrypted with RC2 | error, or a flag of the process | read where the legacy provider can be loaded |
//! | `allowPartialTrustChain` of a server | ignored | applied |
//! | `dhparam` with the name of a group | ignored | the group of RFC 7919 or RFC 3526 |
//! | `pskIdentityHint` | up to 256 bytes, checked at each connection | up to 128 bytes (RFC 4279), checked at once |
//! | renegotiation that a server asks of a client | without limit | as for servers: 3 in 600 s |
//! | the reneg limit, `handshakeTimeout` | tell, and leave the connection open | end the connection |
//! | an engine that is not there | libcrypto's code | `ERR_CRYPTO_ENGINE_UNKNOWN` |
//! | `pfx` as a JSON string | cannot be | base64 |
//!
//! What Node passes over in silence it still passes over here (an unreadable `ca`, `dhparam` or `session`, a certificate
//! without key), but [`SecureContextOptions::warnings`] tells it.

mod context_options;
mod draft;
mod fill;
mod node_error;
mod option_name;
mod process_defaults;
mod process_flag;
mod ssl_conf;
mod value;

pub use context_options::SecureContextOptions;
pub use process_defaults::{
    CLIENT_RENEG_LIMIT, CLIENT_RENEG_WINDOW, DEFAULT_CIPHERS, DEFAULT_ECDH_CURVE, DEFAULT_MAX_VERSION,
    DEFAULT_MIN_VERSION, ProcessDefaults, node_ciphers,
};
pub use ssl_conf::SslConf;
