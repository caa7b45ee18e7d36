//! The flags of the command line.

use openssl::base64;

use patina_tls::EarlyDataStatus;

use super::{Refusal, Result, failed, unimplemented};

/// How a client of TLS 1.2 and older takes a server that renegotiates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Renegotiate {
    #[default]
    Never,
    Once,
    Freely,
}

/// What a configuration is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parameters {
    // who
    pub(super) server: bool,
    pub(super) key_file: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) trust_cert: Option<String>,
    pub(super) host_name: Option<String>,
    pub(super) psk: Option<Vec<u8>>,
    pub(super) psk_identity: Option<Vec<u8>>,
    pub(super) client_ca_list: Option<String>,
    // parameters
    pub(super) min_version: Option<u16>,
    pub(super) max_version: Option<u16>,
    pub(super) no_versions: Vec<u16>,
    pub(super) cipher: Option<String>,
    pub(super) curves: Vec<u16>,
    pub(super) signing_prefs: Vec<u16>,
    pub(super) verify_prefs: Vec<u16>,
    pub(super) no_ticket: bool,
    pub(super) use_ticket_callback: bool,
    pub(super) renew_ticket: bool,
    pub(super) server_preference: bool,
    pub(super) fallback_scsv: bool,
    pub(super) max_cert_list: Option<usize>,
    pub(super) max_send_fragment: Option<usize>,
    pub(super) advertise_alpn: Option<Vec<u8>>,
    pub(super) select_alpn: Option<Vec<u8>>,
    pub(super) reject_alpn: bool,
    pub(super) advertise_npn: Option<Vec<u8>>,
    pub(super) select_next_proto: Option<Vec<u8>>,
    pub(super) require_client_certificate: bool,
    pub(super) verify_peer: bool,
    pub(super) verify_fail: bool,
    pub(super) enable_early_data: bool,
    pub(super) renegotiate: Renegotiate,
    pub(super) enable_ocsp_stapling: bool,
    pub(super) ocsp_response: Option<Vec<u8>>,
    // callbacks
    /// The hooks take their time, and the bytes come one by one.
    pub(super) asynchronous: bool,
    pub(super) certificate_callback: bool,
    pub(super) fail_certificate_callback: bool,
    pub(super) ocsp_callback: bool,
    pub(super) decline_ocsp_callback: bool,
    pub(super) use_early_callback: bool,
    pub(super) fail_early_callback: bool,
    pub(super) install_ddos_callback: bool,
    pub(super) fail_ddos_callback: bool,
    pub(super) expect_advertised_alpn: Option<Vec<u8>>,
    pub(super) expect_hrr: Option<bool>,
}

/// What one connection is to be, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) parameters: Parameters,
    // where
    pub(super) port: u16,
    pub(super) ipv6: bool,
    pub(super) shim_id: Option<u64>,
    pub(super) asks_for_handshaker: bool,
    pub(super) resume_count: usize,
    // behaviour
    pub(super) implicit_handshake: bool,
    pub(super) shim_writes_first: bool,
    pub(super) shim_shuts_down: bool,
    pub(super) check_close_notify: bool,
    pub(super) read_size: Option<usize>,
    pub(super) write_different_record_sizes: bool,
    pub(super) key_update: bool,
    pub(super) export_keying_material: usize,
    pub(super) export_label: String,
    pub(super) export_context: Vec<u8>,
    pub(super) use_export_context: bool,
    pub(super) tls_unique: bool,
    pub(super) use_exporter_between_reads: bool,
    // expectations
    pub(super) expect_version: Option<u16>,
    pub(super) expect_server_name: Option<String>,
    pub(super) expect_alpn: Option<Vec<u8>>,
    pub(super) expect_next_proto: Option<Vec<u8>>,
    pub(super) expect_session_miss: bool,
    pub(super) expect_no_session: bool,
    pub(super) expect_ticket_renewal: bool,
    pub(super) expect_session_id: bool,
    pub(super) expect_no_session_id: bool,
    pub(super) expect_extended_master_secret: bool,
    pub(super) expect_secure_renegotiation: Option<bool>,
    pub(super) expect_total_renegotiations: usize,
    pub(super) expect_ticket_supports_early_data: bool,
    pub(super) expect_early_data: Option<EarlyDataStatus>,
    pub(super) expect_peer_signature_algorithm: Option<u16>,
    pub(super) expect_curve: Option<u16>,
    pub(super) expect_cipher: Option<u16>,
    pub(super) expect_peer_cert_file: Option<String>,
    pub(super) expect_client_ca_list: Option<String>,
    pub(super) expect_ocsp_response: Option<Vec<u8>>,
}

impl Parameters {
    /// Whether the server's ClientHello is looked at, by a hook of its own for each connection.
    pub(super) fn looks_at_hello(&self) -> bool {
        self.use_early_callback
            || self.fail_early_callback
            || self.install_ddos_callback
            || self.fail_ddos_callback
            || self.expect_advertised_alpn.is_some()
    }
}

impl Flags {
    /// Takes the flag `name`, with the words that follow it.
    fn take(&mut self, name: &str, words: &mut impl Iterator<Item = Vec<u8>>) -> Result<()> {
        let mut bytes = || words.next().map_or_else(|| failed(format!("{name} needs a value")), Ok);
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).or_else(|_| failed(format!("{name} has a value that is no text")))
        };
        macro_rules! number {
            () => {
                text(bytes()?)?
                    .parse()
                    .or_else(|_| failed(format!("{name} has a value that is no number")))?
            };
        }
        match name {
            "-port" => self.port = number!(),
            "-ipv6" => self.ipv6 = true,
            "-shim-id" => self.shim_id = Some(number!()),
            "-is-handshaker-supported" => self.asks_for_handshaker = true,
            "-resume-count" => self.resume_count = number!(),
            "-server" => self.parameters.server = true,
            "-key-file" => self.parameters.key_file = Some(text(bytes()?)?),
            "-cert-file" => self.parameters.cert_file = Some(text(bytes()?)?),
            "-trust-cert" => self.parameters.trust_cert = Some(text(bytes()?)?),
            "-host-name" => self.parameters.host_name = Some(text(bytes()?)?),
            "-psk" => self.parameters.psk = Some(bytes()?),
            "-psk-identity" => self.parameters.psk_identity = Some(bytes()?),
            "-use-client-ca-list" => self.parameters.client_ca_list = Some(text(bytes()?)?),
            "-min-version" => self.parameters.min_version = Some(number!()),
            "-max-version" => self.parameters.max_version = Some(number!()),
            "-no-ssl3" => self.parameters.no_versions.push(0x0300),
            "-no-tls1" => self.parameters.no_versions.push(0x0301),
            "-no-tls11" => self.parameters.no_versions.push(0x0302),
            "-no-tls12" => self.parameters.no_versions.push(0x0303),
            "-no-tls13" => self.parameters.no_versions.push(0x0304),
            "-cipher" => self.parameters.cipher = Some(text(bytes()?)?),
            "-curves" => self.parameters.curves.push(number!()),
            "-signing-prefs" => self.parameters.signing_prefs.push(number!()),
            "-verify-prefs" => self.parameters.verify_prefs.push(number!()),
            "-no-ticket" => self.parameters.no_ticket = true,
            "-use-ticket-callback" => self.parameters.use_ticket_callback = true,
            "-renew-ticket" => self.parameters.renew_ticket = true,
            "-server-preference" => self.parameters.server_preference = true,
            "-fallback-scsv" => self.parameters.fallback_scsv = true,
            "-max-cert-list" => self.parameters.max_cert_list = Some(number!()),
            "-max-send-fragment" => self.parameters.max_send_fragment = Some(number!()),
            "-advertise-alpn" => self.parameters.advertise_alpn = Some(bytes()?),
            "-select-alpn" => self.parameters.select_alpn = Some(bytes()?),
            // A server without a list of its own does not answer the extension.
            "-decline-alpn" => self.parameters.select_alpn = None,
            "-reject-alpn" => self.parameters.reject_alpn = true,
            "-advertise-npn" => self.parameters.advertise_npn = Some(bytes()?),
            "-select-next-proto" => self.parameters.select_next_proto = Some(bytes()?),
            "-require-any-client-certificate" => self.parameters.require_client_certificate = true,
            "-verify-peer" => self.parameters.verify_peer = true,
            "-verify-fail" => self.parameters.verify_fail = true,
            "-renegotiate-once" => self.parameters.renegotiate = Renegotiate::Once,
            "-renegotiate-freely" => self.parameters.renegotiate = Renegotiate::Freely,
            "-use-early-callback" => self.parameters.use_early_callback = true,
            "-fail-early-callback" => self.parameters.fail_early_callback = true,
            "-install-ddos-callback" => self.parameters.install_ddos_callback = true,
            "-fail-ddos-callback" => self.parameters.fail_ddos_callback = true,
            "-enable-ocsp-stapling" => self.parameters.enable_ocsp_stapling = true,
            "-ocsp-response" => self.parameters.ocsp_response = Some(decoded(name, &text(bytes()?)?)?),
            "-use-ocsp-callback" => self.parameters.ocsp_callback = true,
            // A response comes by a hook in any case.
            "-set-ocsp-in-callback" => {}
            "-decline-ocsp-callback" => self.parameters.decline_ocsp_callback = true,
            "-expect-ocsp-response" => self.expect_ocsp_response = Some(decoded(name, &text(bytes()?)?)?),
            "-async" => self.parameters.asynchronous = true,
            "-use-old-client-cert-callback" => self.parameters.certificate_callback = true,
            "-fail-cert-callback" => self.parameters.fail_certificate_callback = true,
            "-implicit-handshake" => self.implicit_handshake = true,
            "-shim-writes-first" => self.shim_writes_first = true,
            "-shim-shuts-down" => self.shim_shuts_down = true,
            "-check-close-notify" => self.check_close_notify = true,
            "-read-size" => self.read_size = Some(number!()),
            "-write-different-record-sizes" => self.write_different_record_sizes = true,
            "-key-update" => self.key_update = true,
            // What the library always does: take part of a write, and shake hands once.
            "-partial-write" | "-handshake-twice" | "-no-op-extra-handshake" => {}
            "-export-keying-material" => self.export_keying_material = number!(),
            "-export-label" => self.export_label = text(bytes()?)?,
            "-export-context" => self.export_context = bytes()?,
            "-use-export-context" => self.use_export_context = true,
            "-tls-unique" => self.tls_unique = true,
            "-use-exporter-between-reads" => self.use_exporter_between_reads = true,
            "-expect-version" => self.expect_version = Some(number!()),
            "-expect-server-name" => self.expect_server_name = Some(text(bytes()?)?),
            "-expect-alpn" => self.expect_alpn = Some(bytes()?),
            "-expect-advertised-alpn" => self.parameters.expect_advertised_alpn = Some(bytes()?),
            "-expect-hrr" => self.parameters.expect_hrr = Some(true),
            "-expect-no-hrr" => self.parameters.expect_hrr = Some(false),
            "-expect-next-proto" => self.expect_next_proto = Some(bytes()?),
            "-expect-session-miss" => self.expect_session_miss = true,
            "-expect-no-session" => self.expect_no_session = true,
            "-expect-ticket-renewal" => self.expect_ticket_renewal = true,
            "-enable-early-data" => self.parameters.enable_early_data = true,
            "-expect-ticket-supports-early-data" => self.expect_ticket_supports_early_data = true,
            "-expect-accept-early-data" => self.expect_early_data = Some(EarlyDataStatus::Accepted),
            "-expect-reject-early-data" => self.expect_early_data = Some(EarlyDataStatus::Rejected),
            "-expect-no-offer-early-data" => self.expect_early_data = Some(EarlyDataStatus::NotSent),
            "-expect-early-data-reason" => match &*text(bytes()?)? {
                "accept" | "accepted" => self.expect_early_data = Some(EarlyDataStatus::Accepted),
                // libssl does not tell.
                other => return unimplemented(format!("{name} {other}")),
            },
            "-expect-session-id" => self.expect_session_id = true,
            "-expect-no-session-id" => self.expect_no_session_id = true,
            "-expect-extended-master-secret" => self.expect_extended_master_secret = true,
            "-expect-secure-renegotiation" => self.expect_secure_renegotiation = Some(true),
            "-expect-no-secure-renegotiation" => self.expect_secure_renegotiation = Some(false),
            "-expect-total-renegotiations" => self.expect_total_renegotiations = number!(),
            "-expect-peer-signature-algorithm" => self.expect_peer_signature_algorithm = Some(number!()),
            "-expect-curve-id" => self.expect_curve = Some(number!()),
            "-expect-cipher" => self.expect_cipher = Some(number!()),
            // One of the two holds, by whether the processor has AES; libssl does not choose by that.
            "-expect-cipher-aes" | "-expect-cipher-no-aes" => return unimplemented(name),
            "-expect-peer-cert-file" => self.expect_peer_cert_file = Some(text(bytes()?)?),
            "-expect-client-ca-list" => self.expect_client_ca_list = Some(text(bytes()?)?),
            _ => return unimplemented(name),
        }
        Ok(())
    }
}

/// The flags of the first connection and of those that resume its session.
#[derive(Debug)]
pub(super) struct Tests {
    pub(super) initial: Flags,
    pub(super) resume: Flags,
    /// Of a client whose early data the server has not taken.
    pub(super) retry: Flags,
}

impl Tests {
    pub(super) fn parse(words: Vec<Vec<u8>>) -> Result<Tests> {
        let mut tests =
            Tests { initial: Flags::default(), resume: Flags::default(), retry: Flags::default() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let name = String::from_utf8_lossy(&word).into_owned();
            // Newer runners write two dashes.
            let name = name.strip_prefix("--").map_or_else(|| name.clone(), |rest| format!("-{rest}"));
            let name = name.strip_prefix("-on-shim").map_or_else(|| name.clone(), str::to_owned);
            if let Some(name) = name.strip_prefix("-on-initial") {
                tests.initial.take(name, &mut words)?;
            } else if let Some(name) = name.strip_prefix("-on-resume") {
                tests.resume.take(name, &mut words)?;
            } else if let Some(name) = name.strip_prefix("-on-retry") {
                tests.retry.take(name, &mut words)?;
            } else {
                // All take the same words.
                tests.initial.take(&name, &mut words.clone())?;
                tests.retry.take(&name, &mut words.clone())?;
                tests.resume.take(&name, &mut words)?;
            }
        }
        tests.initial.complete()?;
        tests.resume.complete()?;
        tests.retry.complete()?;
        Ok(tests)
    }
}

impl Flags {
    /// Refuses what goes together with nothing that the library can do.
    fn complete(&mut self) -> Result<()> {
        if self.parameters.verify_fail && self.parameters.server {
            return unimplemented("a server that refuses a certificate of its own accord, with an alert");
        }
        if self.parameters.verify_fail && !self.parameters.verify_peer {
            return unimplemented("a client whose verification fails and does not count");
        }
        if self.parameters.ocsp_callback && !self.parameters.server {
            return unimplemented("a client that judges an OCSP response within the handshake");
        }
        match &self.parameters.cipher {
            Some(list) if list.contains('[') => unimplemented("suites of equal preference"),
            _ => Ok(()),
        }
    }
}

/// A list in wire form: each name after its length.
pub(super) fn names(wire: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut rest = wire;
    let mut names = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let Some((name, tail)) = after.split_at_checked(length.into()) else {
            return Err(Refusal::Failed("a list of protocols is cut short".to_owned()));
        };
        names.push(name.to_vec());
        rest = tail;
    }
    Ok(names)
}

/// Base64 without line ends, as the runner writes it.
fn decoded(name: &str, text: &str) -> Result<Vec<u8>> {
    base64::decode_block(text).or_else(|_| failed(format!("{name} has a value that is not in base64")))
}

/// Names in hexadecimal, with commas between them; `<EMPTY>` and `<NULL>` stand for none.
pub(super) fn ders(list: &str) -> Result<Vec<Vec<u8>>> {
    if matches!(list, "<EMPTY>" | "<NULL>" | "") {
        return Ok(Vec::new());
    }
    let byte =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let der = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    list.split(',').map(|hex| der(hex).map_or_else(|| failed("a name is not in hexadecimal"), Ok)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Tests> {
        Tests::parse(words.iter().map(|word| word.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_flag_is_for_all_connections_unless_it_says_otherwise() {
        let tests = parse(&[
            "-port",
            "4433",
            "-server",
            "-on-initial-max-version",
            "771",
            "-on-resume-max-version",
            "772",
            "-on-resume-expect-session-miss",
            "-on-retry-expect-version",
            "772",
            "-curves",
            "29",
            "-curves",
            "23",
        ])
        .unwrap();
        assert_eq!((tests.initial.port, tests.resume.port), (4433, 4433));
        assert_eq!(
            (tests.initial.parameters.max_version, tests.resume.parameters.max_version),
            (Some(771), Some(772))
        );
        assert!(tests.initial.parameters.server && tests.resume.parameters.server);
        assert!(!tests.initial.expect_session_miss && tests.resume.expect_session_miss);
        assert_eq!(tests.resume.parameters.curves, [29, 23]);
    }

    #[test]
    fn an_unknown_flag_is_not_implemented_and_a_bad_value_is_a_failure() {
        assert!(matches!(parse(&["-dtls"]), Err(Refusal::Unimplemented(_))));
        assert!(matches!(parse(&["-on-resume-quic"]), Err(Refusal::Unimplemented(_))));
        assert!(matches!(parse(&["-cipher", "[A|B]"]), Err(Refusal::Unimplemented(_))));
        assert!(matches!(parse(&["-port"]), Err(Refusal::Failed(_))));
        assert!(matches!(parse(&["-port", "many"]), Err(Refusal::Failed(_))));
    }

    #[test]
    fn lists_are_read_from_the_wire_and_from_hexadecimal() {
        assert_eq!(names(b"\x03foo\x01a").unwrap(), [b"foo".to_vec(), b"a".to_vec()]);
        assert!(names(b"\x03fo").is_err());
        assert_eq!(ders("3000,3003").unwrap(), [vec![0x30, 0], vec![0x30, 3]]);
        assert!(ders("<EMPTY>").unwrap().is_empty() && ders("zz").is_err());
    }
}
