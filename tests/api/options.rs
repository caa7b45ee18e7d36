//! Options of libssl: what is asked for arrives, and nothing else.

use std::sync::{Arc, Mutex};

use openssl::ssl::{SslContextBuilder, SslOptions};
use patina_tls::{CipherPreference, ConfigBuilder, RenegotiationPolicy, SecureOptions, Side};

use crate::support::libssl;
use crate::support::pair::{client, server};

fn bits(options: SecureOptions) -> SslOptions {
    SslOptions::from_bits_retain(options.bits() as _)
}

/// The options that a configuration has when all of ours are applied.
fn seen<S: Side>(builder: ConfigBuilder<S>) -> SslOptions {
    let slot = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&slot);
    let step = move |ctx: &mut SslContextBuilder| {
        *seen.lock().unwrap() = Some(ctx.options());
        Ok(())
    };
    builder.with_openssl(step).build().unwrap();
    let options = slot.lock().unwrap().take();
    options.unwrap()
}

#[test]
fn every_option_with_a_name_arrives_in_libssl() {
    let before = seen(client());
    for (name, option) in SecureOptions::names() {
        // Bits that this libssl does not know stay, too: they mean nothing to it. 1.1.1 keeps 32 bits.
        let kept = if libssl::is_at_least("3.0") { u64::MAX } else { u32::MAX.into() };
        let mut expected = before | bits(option & SecureOptions::from_bits_retain(kept));
        if option == SecureOptions::ALLOW_CLIENT_RENEGOTIATION {
            expected.remove(bits(SecureOptions::NO_RENEGOTIATION));
        }
        assert_eq!(seen(client().secure_options(option)), expected, "{name}");
    }
}

#[test]
fn several_calls_add_up_and_numbers_are_kept_bit_by_bit() {
    let options = seen(
        client()
            .secure_options(SecureOptions::NO_TICKET)
            .secure_options(SecureOptions::parse("SSL_OP_LEGACY_SERVER_CONNECT|no_compression").unwrap())
            .secure_options(SecureOptions::from_bits_retain(0x0000_0001)),
    );
    for wanted in
        [SecureOptions::NO_TICKET, SecureOptions::LEGACY_SERVER_CONNECT, SecureOptions::NO_COMPRESSION]
    {
        assert!(options.contains(bits(wanted)), "{wanted:?}");
    }
    assert!(options.contains(SslOptions::from_bits_retain(1)));
}

#[test]
fn options_that_libssl_sets_by_itself_can_be_taken_away() {
    let default = seen(client());
    assert!(default.contains(bits(SecureOptions::NO_COMPRESSION)), "libssl sets it: {default:?}");
    let options = seen(client().without_secure_options(SecureOptions::NO_COMPRESSION));
    assert!(!options.contains(bits(SecureOptions::NO_COMPRESSION)));
    assert_eq!(options | bits(SecureOptions::NO_COMPRESSION), default);
}

#[test]
fn what_is_asked_for_and_taken_away_is_not_there() {
    let options = seen(
        client().without_secure_options(SecureOptions::NO_TICKET).secure_options(SecureOptions::NO_TICKET),
    );
    assert!(!options.contains(bits(SecureOptions::NO_TICKET)));
}

#[test]
fn the_order_of_ciphers_is_the_server_s_unless_said_otherwise() {
    let preference = bits(SecureOptions::CIPHER_SERVER_PREFERENCE);
    assert!(seen(server()).contains(preference));
    let clients = seen(server().cipher_preference(CipherPreference::Client));
    assert!(!clients.contains(preference));
    assert!(!seen(client()).contains(preference));
}

#[test]
fn renegotiation_is_off_until_a_policy_or_an_option_allows_it() {
    let (off, on) = (bits(SecureOptions::NO_RENEGOTIATION), bits(SecureOptions::ALLOW_CLIENT_RENEGOTIATION));
    let options = seen(server());
    assert!(options.contains(off) && !options.contains(on));
    let options = seen(server().renegotiation(RenegotiationPolicy::limit(3)));
    assert!(!options.contains(off) && options.contains(on));
}
