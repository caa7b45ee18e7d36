//! Every public type can go to another thread, be shared, and be printed; secrets are not printed.

use std::fmt::Debug;

use patina_tls::*;

fn shared<T: Debug + Send + Sync>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// The same without `Debug`.
fn secret<T: Send + Sync>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap_or_default()
}

type Io = tokio::io::DuplexStream;

/// The names that `lib.rs` exports, with the traits, functions and aliases left out.
fn exported() -> Vec<String> {
    let source = include_str!("../../src/lib.rs");
    let mut names = Vec::new();
    for statement in source.split(';') {
        let Some((_, path)) = statement.rsplit_once("pub use ") else { continue };
        let list = path.rsplit_once("::").map_or(path, |(_, last)| last);
        let list = path.split_once('{').map_or(list, |(_, list)| list);
        names.extend(list.split([',', '{', '}']).map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()));
    }
    names.retain(|name| name.starts_with(char::is_uppercase));
    names
}

#[test]
fn every_public_type_is_debug_send_and_sync() {
    let mut known = vec![
        shared::<AdoptedBuilder<Server>>(),
        shared::<AdoptedContext>(),
        shared::<Alert>(),
        shared::<AlpnMismatch>(),
        shared::<AlpnProtocols>(),
        shared::<BlockingStream<std::net::TcpStream>>(),
        shared::<Capability>(),
        shared::<Certificate>(),
        shared::<ChainVerifier>(),
        shared::<CipherPreference>(),
        shared::<CipherSuite>(),
        shared::<Client>(),
        shared::<ClientAuth>(),
        shared::<ClientHello>(),
        shared::<Config<Server>>(),
        shared::<ConnectOptions>(),
        shared::<CrlCheck>(),
        shared::<DhChoice>(),
        shared::<DhParameters>(),
        shared::<DistinguishedName>(),
        shared::<EarlyDataStatus>(),
        shared::<EarlyHandshake<Io>>(),
        shared::<EngineEvent>(),
        shared::<EphemeralKey>(),
        shared::<Error>(),
        shared::<ErrorKind>(),
        shared::<Identity>(),
        shared::<KeyLogFile>(),
        shared::<MemorySessionStore>(),
        shared::<MethodSide>(),
        shared::<Negotiated<'_>>(),
        shared::<OcspCache>(),
        shared::<OcspEntry>(),
        shared::<OcspRequest>(),
        shared::<OcspResponse>(),
        shared::<OcspStatus>(),
        shared::<OcspVerifier>(),
        shared::<OpenSsl>(),
        shared::<ProtocolVersion>(),
        shared::<RecordSizing>(),
        shared::<Provider>(),
        shared::<PskHash>(),
        shared::<PskIdentity>(),
        shared::<PublicKeyType>(),
        shared::<Purpose>(),
        shared::<AlpnOffer>(),
        shared::<StartHandshake<Io>>(),
        shared::<CertificateCompression>(),
        shared::<CertificateQuery>(),
        shared::<PeerIdentity>(),
        shared::<KeyUpdate>(),
        shared::<RenegotiateOptions>(),
        shared::<TlsControl>(),
        shared::<RenegotiationPolicy>(),
        shared::<RevocationReason>(),
        shared::<SecureOptions>(),
        shared::<SecureProtocol>(),
        shared::<Selection>(),
        shared::<Server>(),
        shared::<ServerHandle>(),
        shared::<ServerNamePattern>(),
        shared::<ServerVerification>(),
        shared::<Session>(),
        shared::<SessionCache>(),
        shared::<StapleVerdict>(),
        shared::<TicketKeys>(),
        shared::<TicketRenewal>(),
        shared::<TicketRotation>(),
        shared::<TlsAcceptor>(),
        shared::<TlsConnector>(),
        shared::<TlsServer>(),
        shared::<TlsStream<Io>>(),
        shared::<TrustStore>(),
        shared::<UnknownName>(),
        shared::<UnknownPskIdentity>(),
        shared::<VerifyCode>(),
        shared::<VerifyFlags>(),
        shared::<VersionRange>(),
        secret::<PreSharedKey>(),
        secret::<Secret>(),
        secret::<TicketKey>(),
    ];
    #[cfg(feature = "redis")]
    known.push(shared::<RedisSessionStore>());
    #[cfg(not(feature = "redis"))]
    known.push("RedisSessionStore");
    // Those that own a hook of the application, or its future, which need not be shared.
    known.extend(["ConfigBuilder", "TlsEngine"]);
    let traits = [
        "AlpnResolver",
        "CertificateResolver",
        "PeerVerifier",
        "SessionStore",
        "SessionListener",
        "ReplayGuard",
        "TicketKeyResolver",
        "HookResult",
        "ConfigResolver",
        "HookFuture",
        "IdentityCheck",
        "KeyLog",
        "OcspSource",
        "Side",
        "TraceSink",
        "PskResolver",
        "PskSource",
    ];
    let aliases = ["ClientConfig", "ServerConfig"];
    let missing: Vec<String> = exported()
        .into_iter()
        .filter(|name| ![&known[..], &traits, &aliases].iter().any(|list| list.contains(&name.as_str())))
        .collect();
    assert!(missing.is_empty(), "not in this list: {missing:?}");
}

#[test]
fn secrets_are_not_in_what_is_printed() {
    let identity = Identity::self_signed(["localhost"]).unwrap();
    let text = format!("{identity:?}");
    assert!(text.len() < 2000 && !text.contains("PRIVATE"), "{text}");
}
