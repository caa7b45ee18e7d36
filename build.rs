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
    println!("cargo:rustc-check-cfg=cfg(ossl_trace)");
    if has_trace() {
        println!("cargo:rustc-cfg=ossl_trace");
    }
    for conf in env::var("DEP_OPENSSL_CONF").unwrap_or_default().split(',').filter(|c| !c.is_empty()) {
        println!("cargo:rustc-cfg=osslconf=\"{conf}\"");
    }
}

/// Whether libssl was built with `SSL_trace`. `openssl-sys` does not tell, so the generated header is asked: it lies
/// beside the others, or in a folder of the target's name (Debian). Not found means not built.
fn has_trace() -> bool {
    let Some(include) = env::var_os("DEP_OPENSSL_INCLUDE").map(PathBuf::from) else { return false };
    let mut folders = vec![include.clone()];
    folders.extend(fs::read_dir(&include).into_iter().flatten().flatten().map(|entry| entry.path()));
    let headers: Vec<String> = folders
        .iter()
        .flat_map(|folder| ["configuration.h", "opensslconf.h"].map(|name| folder.join("openssl").join(name)))
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let generated =
        headers.iter().any(|text| text.contains("OPENSSL_NO_") && text.contains("OPENSSL_THREADS"));
    generated && !headers.iter().any(|text| text.contains("define OPENSSL_NO_SSL_TRACE"))
}
