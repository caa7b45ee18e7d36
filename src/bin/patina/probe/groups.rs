//! The groups that a server exchanges keys with.

use patina_tls::{ClientConfig, ProtocolVersion};

use super::choice::Choices;
use super::dialer::Dialer;
use super::flight::ExchangeKey;
use super::suites::client_hello;
use crate::failure::Report;

/// IANA's numbers, and the names that libssl takes.
const GROUPS: &[(u16, &str)] = &[
    (0x11ec, "X25519MLKEM768"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (0x001d, "X25519"),
    (0x0017, "P-256"),
    (0x001e, "X448"),
    (0x0018, "P-384"),
    (0x0019, "P-521"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x001f, "brainpoolP256r1tls13"),
    (0x0020, "brainpoolP384r1tls13"),
    (0x0021, "brainpoolP512r1tls13"),
    (0x001a, "brainpoolP256r1"),
    (0x001b, "brainpoolP384r1"),
    (0x001c, "brainpoolP512r1"),
    (0x0016, "secp256k1"),
    (0x0015, "secp224r1"),
    (0x0014, "secp224k1"),
    (0x0013, "prime192v1"),
    (0x0012, "secp192k1"),
    (0x0011, "secp160r2"),
    (0x0010, "secp160r1"),
    (0x000f, "secp160k1"),
    (0x000e, "sect571r1"),
    (0x000d, "sect571k1"),
    (0x000c, "sect409r1"),
    (0x000b, "sect409k1"),
    (0x000a, "sect283r1"),
    (0x0009, "sect283k1"),
    (0x0008, "sect239k1"),
    (0x0007, "sect233r1"),
    (0x0006, "sect233k1"),
    (0x0005, "sect193r2"),
    (0x0004, "sect193r1"),
    (0x0003, "sect163r2"),
    (0x0002, "sect163r1"),
    (0x0001, "sect163k1"),
];

/// The name of a group, or its number.
pub(super) fn group_name(id: u16) -> String {
    GROUPS
        .iter()
        .find(|(other, _)| *other == id)
        .map_or_else(|| format!("group {id:#06x}"), |(_, name)| (*name).to_owned())
}

/// The group of a curve by OpenSSL's name, which differs for those of NIST.
pub(super) fn by_curve(name: &str) -> Option<u16> {
    let name = match name {
        "prime256v1" => "P-256",
        "secp384r1" => "P-384",
        "secp521r1" => "P-521",
        other => other,
    };
    GROUPS.iter().find(|(_, other)| *other == name).map(|(id, _)| *id)
}

/// With which suites a server of TLS 1.2 or older is asked for its groups.
#[derive(Debug, Clone, Copy)]
pub(super) enum Along {
    /// Those that are signed with RSA, or not at all.
    Free,
    /// All: the key in its certificate is on this curve, which has to be offered with every other (RFC 8422 section 5.1).
    Curve(u16),
}

impl Along {
    fn suites(self) -> &'static str {
        match self {
            Along::Free => "kECDHE+aRSA:kECDHE+aNULL:@SECLEVEL=0",
            Along::Curve(_) => "kECDHE:@SECLEVEL=0",
        }
    }

    fn anchor(self) -> Option<u16> {
        match self {
            Along::Free => None,
            Along::Curve(id) => Some(id),
        }
    }
}

/// Asks for all groups of a version.
pub(super) async fn explore(dialer: &Dialer, version: ProtocolVersion, along: Along) -> Choices<u16, ()> {
    let all: Vec<u16> = GROUPS
        .iter()
        .filter(|(_, name)| ClientConfig::builder().groups(*name).build().is_ok())
        .map(|(id, _)| *id)
        .collect();
    // libssl leaves out what is not for the version.
    let offered = offering(dialer, version, along, &all)
        .and_then(|config| client_hello(&config, dialer.options.clone()).map_err(|error| Report::of(&error)));
    let mut offered = match offered {
        Ok(hello) => hello.groups(),
        Err(report) => return Choices { broken: Some(report), ..Choices::default() },
    };
    offered.retain(|id| all.contains(id) && (version == ProtocolVersion::TLSv1_3 || !is_finite_field(*id)));
    let choices = Choices::explore(
        offered,
        |_| false,
        async |left: &[u16]| {
            dialer.progress.asking("groups");
            let mut offer = left.to_vec();
            if version < ProtocolVersion::TLSv1_3 {
                offer.extend(along.anchor().filter(|id| !left.contains(id)));
            }
            let attempt = dialer.attempt(&offering(dialer, version, along, &offer)?).await?;
            let version_is_ours =
                attempt.flight.hello.as_ref().is_some_and(|hello| hello.version == version.code());
            let place = match attempt.flight.key() {
                Some(ExchangeKey::Group(id)) if version_is_ours => left.iter().position(|other| *other == id),
                _ => None,
            };
            attempt.close().await;
            Ok(place.map(|place| (place, ())))
        },
    )
    .await;
    dialer.progress.answered();
    choices
}

fn offering(
    dialer: &Dialer,
    version: ProtocolVersion,
    along: Along,
    groups: &[u16],
) -> Result<ClientConfig, Report> {
    let names: Vec<String> = groups.iter().map(|id| group_name(*id)).collect();
    let builder = dialer.builder(version).groups(names.join(":"));
    let builder = match version {
        ProtocolVersion::TLSv1_3 => builder,
        // An exchange without a curve would say nothing.
        _ => builder.cipher_list(along.suites()),
    };
    builder.build().map_err(|error| Report::of(&error))
}

/// Those of RFC 7919. In TLS 1.2 they belong to other suites.
fn is_finite_field(id: u16) -> bool {
    (0x0100..=0x01ff).contains(&id)
}
