//! Turns the version and the build options of libssl, which `openssl-sys` found, into `cfg`s for `src/sys/compat.rs`.

#![allow(clippy::expect_used, reason = "a build script fails by panicking")]

use std::path::PathBuf;
use std::{env, fs};

/// The versions at which libssl gained something that the library uses, as `openssl-sys` numbers them.
const VERSIONS: &[(&str, u64)] = &[
    ("ossl300", 0x3000_0000),
    ("ossl320", 0x3020_0000),
    ("ossl330", 0x3030_0000),
    ("ossl340", 0x3040_0000),
    ("ossl350", 0x3050_0000),
    ("ossl360", 0x3060_0000),
    ("ossl400", 0x4000_0000),
];

/// What a build of libssl can leave out, of which `openssl-sys` does not tell: the name of the `cfg`, the first version that
/// has it, and the macro that is defined where it was left out.
const SWITCHES: &[(&str, u64, &str)] = &[
    ("ossl_trace", FLOOR, "OPENSSL_NO_SSL_TRACE"),
    ("ossl_ktls", 0x3000_0000, "OPENSSL_NO_KTLS"),
    ("ossl_ech", 0x4000_0000, "OPENSSL_NO_ECH"),
];

/// The first version that the library supports.
const FLOOR: u64 = 0x1010_1000;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for (name, _) in VERSIONS {
        println!("cargo:rustc-check-cfg=cfg({name})");
    }
    println!("cargo:rustc-check-cfg=cfg(osslconf, values(any()))");

    for other in ["LIBRESSL_VERSION_NUMBER", "BORINGSSL", "AWSLC"] {
        if env::var_os(format!("DEP_OPENSSL_{other}")).is_some() {
            panic!("patina-tls needs OpenSSL's libssl; this is another library ({other})");
        }
    }
    let version = env::var("DEP_OPENSSL_VERSION_NUMBER").expect("openssl-sys tells the version of libssl");
    let version = u64::from_str_radix(&version, 16).expect("openssl-sys tells the version in hexadecimal");
    if version < FLOOR {
        panic!("patina-tls needs OpenSSL 1.1.1 or newer; this is {version:#x}");
    }
    for (name, at) in VERSIONS {
        if version >= *at {
            println!("cargo:rustc-cfg={name}");
        }
    }
    println!("cargo:rustc-env=PATINA_LIBSSL_HEADERS={version:x}");
    let off = switched_off();
    for (name, since, switch) in SWITCHES {
        println!("cargo:rustc-check-cfg=cfg({name})");
        if version >= *since && off.as_ref().is_some_and(|off| !off.iter().any(|one| one == switch)) {
            println!("cargo:rustc-cfg={name}");
        }
    }
    for conf in env::var("DEP_OPENSSL_CONF").unwrap_or_default().split(',').filter(|c| !c.is_empty()) {
        println!("cargo:rustc-cfg=osslconf=\"{conf}\"");
    }
}

/// The `OPENSSL_NO_` macros of the generated header, which lies beside the others, or in a folder of the target's name
/// (Debian). `None` where there is no such header: then nothing is taken to be there.
fn switched_off() -> Option<Vec<String>> {
    let include = env::var_os("DEP_OPENSSL_INCLUDE").map(PathBuf::from)?;
    let mut folders = vec![include.clone()];
    folders.extend(fs::read_dir(&include).into_iter().flatten().flatten().map(|entry| entry.path()));
    let headers: Vec<String> = folders
        .iter()
        .flat_map(|folder| ["configuration.h", "opensslconf.h"].map(|name| folder.join("openssl").join(name)))
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let generated =
        headers.iter().any(|text| text.contains("OPENSSL_NO_") && text.contains("OPENSSL_THREADS"));
    let defined = |line: &str| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("define")?;
        rest.split_whitespace().next().filter(|name| name.starts_with("OPENSSL_NO_")).map(str::to_owned)
    };
    generated.then(|| headers.iter().flat_map(|text| text.lines()).filter_map(defined).collect())
}
