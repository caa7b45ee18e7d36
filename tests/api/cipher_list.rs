//! What is said about a cipher list: where libssl refuses it, and what libssl passes over in silence.

use openssl::ssl::{SslContext, SslMethod};
use patina_tls::{ClientConfig, Error, ErrorKind, ServerConfig};

use crate::support::pair::client;

/// What a refused list is told: the column, the word, and the text.
fn refusal(list: &str) -> (usize, String, String) {
    let error = client().cipher_list(list).build().expect_err(list);
    assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("cipher_list")), "{error:?}");
    pointed(list, &error)
}

fn pointed(list: &str, error: &Error) -> (usize, String, String) {
    let span = error.span().unwrap_or_else(|| panic!("{error} points nowhere in {list:?}"));
    let column = list[..span.start].chars().count() + 1;
    let text = error.message().strip_prefix(&format!("column {column}: "));
    let text = text.unwrap_or_else(|| panic!("{error} has not the column {column}"));
    (column, list[span].to_owned(), text.to_owned())
}

/// The warnings of a list that is taken, without what stands before each column.
fn warnings(list: &str) -> Vec<String> {
    let config = client().cipher_list(list).build().expect(list);
    let text = |warning: &str| warning.strip_prefix("cipher_list: column ").unwrap_or(warning).to_owned();
    config.warnings().map(text).collect()
}

#[test]
fn the_error_points_at_the_word_that_is_to_blame() {
    const TYPO: &str = "ECHDE-RSA-AES128-SHA";
    for (list, column) in [
        (TYPO.to_owned(), 1),
        (format!("TLS_AES_128_GCM_SHA256:{TYPO}"), 24),
        (format!("::{TYPO}:TLS_AES_128_GCM_SHA256"), 3),
        (format!("!aNULL:-kRSA, +AESGCM;@STRENGTH {TYPO}"), 33),
        (format!("aRSA+{TYPO}"), 6),
    ] {
        let (found, word, text) = refusal(&list);
        assert_eq!((found, &*word), (column, TYPO), "{list}");
        assert!(text.contains(&format!("{TYPO:?}")), "{text}");
        assert!(text.contains("did you mean ECDHE-RSA-AES128-SHA?"), "{text}");
        assert!(text.contains("no cipher match"), "libssl's own words stay: {text}");
    }
}

#[test]
fn the_error_points_at_what_breaks_the_grammar_at_every_operator() {
    for (list, column, word, says) in [
        ("HIGH:@STRENTH", 6, "@STRENTH", "did you mean @STRENGTH?"),
        ("HIGH:@SECLEVEL=9", 6, "@SECLEVEL=9", "one digit from 0 to 5"),
        ("HIGH:@SECLEVEL", 6, "@SECLEVEL", "the level is missing"),
        ("HIGH:!", 6, "!", "a word is missing"),
        ("HIGH:-:AES", 6, "-", "a word is missing"),
        ("HIGH:+", 6, "+", "a word is missing"),
        ("AES+:HIGH", 1, "AES+", "a word is missing"),
        ("HIGH:!!AES", 7, "!", "one operator is enough"),
        ("[AES128-SHA|AES256-SHA]", 1, "[", "BoringSSL"),
        ("HIGH:é", 6, "é", "cannot stand here"),
        ("TLS_AES_128_GCM_SHA256:HIGH::@X", 30, "@X", "there is no command"),
    ] {
        let (found, at, text) = refusal(list);
        assert_eq!((found, &*at), (column, word), "{list}");
        assert!(text.contains(says) && text.contains("invalid command"), "{list}: {text}");
    }
}

#[test]
fn a_list_that_selects_nothing_is_meant_as_a_whole() {
    for list in ["ALL:!ALL", "!ALL", "@SECLEVEL=1", "kRSA+ECDHE"] {
        let (column, word, text) = refusal(list);
        assert_eq!((column, &*word), (1, list));
        assert!(text.contains("selects no suite"), "{text}");
    }
    let (_, word, text) = refusal("PROFILE=SYSTEM:HIHG");
    assert_eq!(word, "PROFILE=SYSTEM");
    assert!(text.contains("Fedora"), "{text}");
}

#[test]
fn what_libssl_ignores_is_a_warning_with_its_column_at_every_operator() {
    for (list, expected) in [
        (
            "HIGH:ECHDE-RSA-AES128-SHA",
            "6: unknown word \"ECHDE-RSA-AES128-SHA\" is ignored (did you mean ECDHE-RSA-AES128-SHA?)",
        ),
        ("HIGH:!aNUL", "7: unknown word \"aNUL\" is ignored (did you mean aNULL?)"),
        ("HIGH:-AESGMC", "7: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("HIGH:+CAMELIA", "7: unknown word \"CAMELIA\" is ignored (did you mean CAMELLIA?)"),
        ("HIGH:kRSA+AESGMC", "11: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("HIGH, AESGMC", "7: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("TLS_AES_128_GCM_SHA256::HIGH:!aNUL", "31: unknown word \"aNUL\" is ignored (did you mean aNULL?)"),
        ("HIGH:!kRSA+ECDHE", "6: no suite can be kRSA+ECDHE: libssl ignores it"),
        (
            "HIGH:DEFAULT",
            "6: unknown word \"DEFAULT\" is ignored (DEFAULT counts at the very beginning only)",
        ),
        ("HIGH:@STRENGTH/x", "15: libssl skips \"/x\""),
        ("HIGH:FOO!aNULL", "6: unknown word \"FOO\" is ignored"),
        ("SUITEB128:HIGH", "10: libssl skips \":HIGH\" (a Suite B word stands for the whole string)"),
    ] {
        let found = warnings(list);
        assert_eq!(found.first().map(String::as_str), Some(expected), "{list}");
    }
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    let is_fedora_s = context.set_cipher_list("PROFILE=SYSTEM").is_ok();
    assert_eq!(warnings("PROFILE=SYSTEM:HIGH").is_empty(), is_fedora_s);
    assert_eq!(warnings("HIGH:FOO!aNULL")[1], "9: libssl skips \"!aNULL\"");
    let several = warnings("HIHGH:HIGH:!aNUL:AESGMC");
    assert_eq!(several.len(), 3, "{several:?}");
}

#[test]
fn what_is_known_or_forbids_what_is_gone_is_no_warning() {
    for list in [
        "HIGH",
        "DEFAULT:@SECLEVEL=1",
        "ECDHE+AESGCM:-kRSA:+SHA1:!aNULL:@STRENGTH",
        "TLS_AES_128_GCM_SHA256:HIGH",
        "TLS_AES_128_GCM_SHA256",
        "HIGH:!EXPORT:!LOW:!RC4:-SEED:!SSLv2:!KRB5:!DES:+IDEA",
    ] {
        assert_eq!(warnings(list), [""; 0], "{list}");
    }
    // Two of the names in it are no libssl's.
    let node = patina_ciphers::Profile::by_name("node-default").unwrap();
    assert_eq!(warnings(&format!("{}:{}", node.tls13(), node.legacy())), [""; 0]);
    assert_eq!(
        warnings("ECDHE+AES:DHE-RSA-AES256-SHA384").len(),
        1,
        "in a string of one's own they are told"
    );
    assert_eq!(ServerConfig::builder().build().unwrap().warnings().count(), 0);
}

#[test]
fn names_of_tls_1_3_are_pointed_at_in_both_lists() {
    let bad = "TLS_AES_129_GCM_SHA256";
    let (column, word, text) = refusal(&format!("HIGH:{bad}"));
    assert_eq!((column, &*word), (6, bad));
    assert!(text.contains("did you mean TLS_AES_128_GCM_SHA256?"), "{text}");

    let error = client().cipher_suites(bad).build().unwrap_err();
    assert_eq!((error.option(), error.code()), (Some("cipher_suites"), "ERR_SSL_NO_CIPHER_MATCH"));
    assert_eq!(pointed(bad, &error).1, bad);

    let beside = client().cipher_suites(format!("TLS_AES_256_GCM_SHA384:{bad}")).build().unwrap();
    let expected = "cipher_suites: column 24: \"TLS_AES_129_GCM_SHA256\" is no suite of TLS 1.3: libssl ignores it \
                    (did you mean TLS_AES_128_GCM_SHA256?)";
    assert_eq!(beside.warnings().collect::<Vec<_>>(), [expected]);
    let operator = warnings("TLS_AES_256_GCM_SHA384:HIGH:!TLS_AES_128_GCM_SHA256");
    assert_eq!(operator.len(), 1, "{operator:?}");
    assert!(
        operator[0].starts_with("29: \"!TLS_AES_128_GCM_SHA256\"") && operator[0].contains("no operators")
    );
}

#[test]
fn libssl_alone_decides_what_is_refused() {
    let words = ["HIGH", "aNULL", "RC4", "AESGMC", "DEFAULT", "é", ""];
    let (mut taken, mut refused) = (0, 0);
    for first in words {
        for operator in ["", "!", "-", "+", "@"] {
            for second in words {
                for separator in [":", ",", "+", "/"] {
                    let list = format!("{first}{separator}{operator}{second}");
                    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
                    // Nothing but what Node's split takes away differs: empty items, and a list without items.
                    let items: Vec<&str> = list.split(':').filter(|item| !item.is_empty()).collect();
                    let judged = !items.is_empty() && context.set_cipher_list(&items.join(":")).is_ok();
                    let ours = ClientConfig::builder()
                        .trust(patina_tls::TrustStore::empty())
                        .cipher_list(&*list)
                        .build();
                    match &ours {
                        Ok(config) => {
                            taken += 1;
                            assert!(config.warnings().count() < 4);
                        }
                        Err(error) => {
                            refused += 1;
                            let span = error.span().unwrap_or_default();
                            assert!(
                                list.is_char_boundary(span.start) && list.is_char_boundary(span.end),
                                "{list}"
                            );
                        }
                    }
                    assert_eq!(ours.is_ok(), judged, "{list:?}: {:?}", ours.err());
                }
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}
