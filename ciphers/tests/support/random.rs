//! Random strings of the language, and of what lies just beside it.

/// A small generator (SplitMix64), so that the same seed gives the same strings everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }
}

/// Words that some libssl knows or knew, or that look as if one should.
pub(crate) const ODD_WORDS: &[&str] = &[
    "kGOST",
    "kGOST18",
    "aGOST",
    "aGOST01",
    "aGOST12",
    "GOST",
    "GOST12",
    "GOST94",
    "GOST89MAC",
    "FIPS",
    "SSLv3",
    "CBC",
    "kSRP",
    "aSRP",
    "SEED",
    "IDEA",
    "RC2",
    "RC4",
    "3DES",
    "CAMELLIA",
    "kgost",
    "fips",
    "DEFAULT",
    "SUITEB128",
    "SUITEB192",
    "kECDHr",
    "kECDHe",
    "aECDH",
    "aDH",
    "kDHr",
    "kDHd",
    "EXPORT",
    "EXP",
    "eFZA",
    "DES",
    "TLSv1.1",
    "TLSv1.3",
    "LOW",
    "GOST2012-GOST8912-GOST8912",
    "EDH-RSA-DES-CBC3-SHA",
    "EDH-DSS-DES-CBC3-SHA",
    "TLS_AES_128_GCM_SHA256",
    "TLS_FALLBACK_SCSV",
    "PROFILE=SYSTEM",
    "FOO",
    "SSLv2",
    "AES-GCM",
    "sha",
    "high",
    "aes128-sha",
    "tls_rsa_with_aes_128_cbc_sha",
    "Default",
    "SECLEVEL=2",
    "STRENGTH",
    "ALLx",
    "-",
    "=",
    ".",
];

/// Beginnings that mean something only there.
const BEGINNINGS: &[&str] = &[
    "DEFAULT",
    "DEFAULT:",
    "DEFAULT,",
    "DEFAULT+",
    "DEFAULT-",
    "DEFAULTS:",
    "default:",
    "DEFAULT:DEFAULT:",
    "SUITEB128",
    "SUITEB128:",
    "SUITEB128ONLY",
    "SUITEB128C2:",
    "SUITEB192",
    "SUITEB1",
    "suiteb128",
    ":DEFAULT:",
    "!DEFAULT:",
];

const COMMANDS: &[&str] =
    &["@STRENGTH", "@STRENGTH", "@SECLEVEL=0", "@SECLEVEL=1", "@SECLEVEL=2", "@SECLEVEL=5"];

const ODD_COMMANDS: &[&str] = &[
    "@STRENGTHS",
    "@SECLEVEL=6",
    "@SECLEVEL=",
    "@SECLEVEL=10",
    "@SECLEVEL",
    "@FOO",
    "@",
    "@strength",
    "@seclevel=3",
    "@STRENGTH+AES",
    "@SECLEVEL=1!AES",
    "@STRENGTH#?",
    "@SECLEVEL=-",
];

/// Bytes that are no part of the language.
const JUNK: &[&str] =
    &["#", "_", "é", "*", "!!", "+-", "+", "@!", "\u{1F980}", "/", "\"", "[", "%", "\x0B", "~"];

/// A string for `SSL_CTX_set_cipher_list`, from the words that one libssl knows.
pub(crate) fn string(random: &mut Random, words: &[&str]) -> String {
    let mut result = String::new();
    if random.percent(18) {
        result.push_str(random.pick(BEGINNINGS));
    }
    let long = random.percent(10);
    let items = 1 + random.below(if long { 24 } else { 6 });
    for index in 0..items {
        if index > 0 {
            result.push_str(match random.below(100) {
                0..80 => ":",
                80..86 => ",",
                86..91 => " ",
                91..95 => ";",
                95..98 => "::",
                _ => "",
            });
        }
        item(random, words, &mut result);
    }
    result
}

fn item(random: &mut Random, words: &[&str], result: &mut String) {
    match random.below(200) {
        0..14 => return result.push_str(random.pick(COMMANDS)),
        14..16 => return result.push_str(random.pick(ODD_COMMANDS)),
        16..18 => return result.push_str(random.pick(JUNK)),
        18 => return,
        _ => {}
    }
    result.push_str(match random.below(100) {
        0..58 => "",
        58..72 => "!",
        72..85 => "-",
        _ => "+",
    });
    let count = match random.below(100) {
        0..60 => 1,
        60..85 => 2,
        85..95 => 3,
        _ => 4,
    };
    for index in 0..count {
        if index > 0 {
            result.push('+');
        }
        word(random, words, result);
    }
}

fn word(random: &mut Random, words: &[&str], result: &mut String) {
    // The words begin with the aliases, which say more than the suites' names do.
    let aliases = words.len().min(70);
    let word = match random.below(100) {
        0..64 => words[random.below(aliases)],
        64..93 => words[random.below(words.len())],
        _ => random.pick(ODD_WORDS),
    };
    match random.below(300) {
        0 => result.push_str(&word.to_lowercase()),
        1 => result.push_str(&word[..word.len() / 2]),
        2 => result.extend([word, random.pick(JUNK)]),
        3 => result.extend([random.pick(JUNK), word]),
        4 => result.extend([word, "X"]),
        _ => result.push_str(word),
    }
}

/// A list for `SSL_CTX_set_ciphersuites`.
pub(crate) fn tls13(random: &mut Random, names: &[&str]) -> String {
    const ODD: &[&str] =
        &["", " ", "TLS_FOO", "AES128-SHA", "tls_aes_128_gcm_sha256", "!TLS_AES_128_GCM_SHA256", "HIGH"];
    let count = random.below(5);
    let list: Vec<String> = (0..count)
        .map(|_| {
            let name = if random.percent(15) { random.pick(ODD) } else { names[random.below(names.len())] };
            match random.below(20) {
                0 => format!(" {name} "),
                _ => name.to_owned(),
            }
        })
        .collect();
    list.join(":")
}
