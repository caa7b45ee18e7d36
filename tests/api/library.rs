//! What libssl can do: what is told is there, and what is not there is refused with the version that has it.

use std::sync::{Arc, Mutex};

use patina_tls::{
    Capability, CertificateCompression, ConfigBuilder, Error, ErrorKind, ProtocolVersion, Server,
    load_provider, openssl,
};

use crate::support::libssl;
use crate::support::pair::{client, engines, server};

/// Whether a step works. Where it does not, the error must be `Unsupported` and say so in words that have `needs` in them.
fn works(outcome: Result<(), Error>, needs: &str) -> bool {
    let Err(error) = outcome else { return true };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains(needs), "{error}");
    false
}

fn shakes(server: ConfigBuilder<Server>, client: ConfigBuilder<patina_tls::Client>) -> Result<(), Error> {
    engines(&client.build()?, "localhost", &server.build()?).shake()
}

#[test]
fn the_version_is_told_as_number_and_as_text() {
    let found = openssl();
    assert_eq!(found.number(), ::openssl::version::number().unsigned_abs());
    assert_eq!(found.compiled_for(), found.number());
    assert!(found.text().starts_with(&format!("OpenSSL {} ", found.version())), "{}", found.text());
    let major = found.version().split('.').next().unwrap();
    assert_eq!(u64::from_str_radix(major, 16).unwrap(), found.number() >> 28);
    for text in [found.built_on(), found.compiler(), found.platform(), found.directory()] {
        assert!(!text.is_empty() && !text.contains(": "), "{text}");
    }
    let is_3 = libssl::is_at_least("3.0");
    assert_eq!(found.modules_directory().is_some_and(|path| path.starts_with('/')), is_3);
    assert_eq!(found.cpu().is_some(), is_3);
    assert!(found.engines_directory().is_none_or(|path| path.starts_with('/')));
}

#[test]
fn the_default_provider_is_active_where_there_are_providers() {
    let providers = openssl().providers();
    let default = providers.iter().find(|provider| provider.name() == "default");
    assert_eq!(default.is_some(), openssl().has(Capability::Providers));
    if let Some(default) = default {
        assert_eq!(default.description(), "OpenSSL Default Provider");
        assert_eq!((default.version(), default.build()), (openssl().version(), openssl().version()));
    }
}

/// `ci/matrix` shows what this prints.
#[test]
fn what_libssl_can_do_is_there_and_what_it_cannot_do_is_refused() {
    println!("capabilities of {}:", openssl().text());
    for (capability, has) in openssl().capabilities() {
        let needs = if has { String::new() } else { format!("  (needs {})", capability.needs()) };
        println!("  {capability:<24} {}{needs}", if has { "yes" } else { "no" });
        if let Some(shown) = shown(capability) {
            assert_eq!(shown, has, "{capability}");
        }
    }
    println!("  groups: {}", openssl().groups().join(" "));
    println!("  certificate compression: {:?}", openssl().certificate_compression());
}

/// Whether the library's own use of the capability works; `None` where it has none.
fn shown(capability: Capability) -> Option<bool> {
    let version = |version: ProtocolVersion, needs: &str| {
        let (server, client) = (server().versions(version), client().versions(version));
        works(shakes(server.security_level(0), client.security_level(0)), needs)
    };
    let ciphers = |list: &str| match client().cipher_list(list).security_level(0).build() {
        Ok(config) => config.cipher_suites().iter().any(|suite| suite.name().contains(list)),
        Err(error) => {
            assert_eq!((error.option(), error.code()), (Some("cipher_list"), "ERR_SSL_NO_CIPHER_MATCH"));
            false
        }
    };
    Some(match capability {
        Capability::SslV3 => version(ProtocolVersion::SSLv3, "enable-ssl3"),
        Capability::TlsV1_0 => version(ProtocolVersion::TLSv1_0, "TLS 1.0"),
        Capability::TlsV1_1 => version(ProtocolVersion::TLSv1_1, "TLS 1.1"),
        Capability::TlsV1_3 => version(ProtocolVersion::TLSv1_3, "TLS 1.3"),
        Capability::Rc4 => ciphers("RC4"),
        Capability::Idea => ciphers("IDEA"),
        Capability::Seed => ciphers("SEED"),
        Capability::Camellia => ciphers("CAMELLIA"),
        Capability::Psk => ciphers("PSK"),
        Capability::Srp => ciphers("SRP"),
        Capability::Npn => works(client().npn(["h2"]).build().map(drop), "enable-nextprotoneg"),
        Capability::PostQuantum => works(client().groups("X25519MLKEM768").build().map(drop), "OpenSSL 3.5"),
        Capability::Engines => {
            // There is none of this name: where there are engines, that is a mistake in the configuration.
            let error = client().client_cert_engine("no-such-engine").build().unwrap_err();
            error.kind() == ErrorKind::Config || works(Err(error), "no-such-engine")
        }
        Capability::Providers => works(load_provider("default"), "OpenSSL 3.0"),
        Capability::LegacyProvider => match load_provider("legacy") {
            Err(error) if openssl().has(Capability::Providers) => {
                assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("load_provider")));
                false
            }
            outcome => works(outcome, "OpenSSL 3.0"),
        },
        Capability::CertificateCompression => {
            let takes = |algorithm: &CertificateCompression| {
                let client = client().certificate_compression([*algorithm]).build();
                let taken = works(client.map(drop), &format!("OpenSSL 3.2 or newer, built with {algorithm}"));
                assert_eq!(taken, openssl().certificate_compression().contains(algorithm), "{algorithm}");
                taken
            };
            CertificateCompression::ALL.iter().filter(|algorithm| takes(algorithm)).count() > 0
        }
        Capability::Trace => {
            let trace = Arc::new(Mutex::new(String::new()));
            let sink = Arc::clone(&trace);
            let client = client().message_trace(move |text: &str| sink.lock().unwrap().push_str(text));
            shakes(server(), client).unwrap();
            let trace = trace.lock().unwrap();
            assert!(trace.contains("ClientHello"), "{trace}");
            trace.contains("cipher_suites")
        }
        _ => return None,
    })
}

#[test]
fn a_key_is_agreed_on_with_ml_kem_and_named_or_the_error_says_which_version_has_it() {
    for (group, size) in [("X25519MLKEM768", 768), ("SecP256r1MLKEM768", 768), ("SecP384r1MLKEM1024", 1024)] {
        let client = client().groups(format!("{group}:X25519")).build();
        if !openssl().groups().contains(&group) {
            assert!(!libssl::is_at_least("3.5"), "{group} is in 3.5");
            let error = client.unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Unsupported, Some("groups")));
            assert!(error.message().contains("OpenSSL 3.5") && error.message().contains(group), "{error}");
            continue;
        }
        let mut both = engines(
            &client.unwrap(),
            "localhost",
            &server().groups(format!("{group}:P-256")).build().unwrap(),
        );
        both.shake().unwrap();
        for facts in [both.client.negotiated(), both.server.negotiated()] {
            let key = facts.ephemeral_key().unwrap();
            assert_eq!((key.kind(), key.name(), key.size()), ("KEM", Some(group), size));
        }
    }
}
