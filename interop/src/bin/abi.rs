//! Checks what the library declares of libssl against the headers of libssl, with a C compiler.
//!
//! `abi [--complete] NAME=INCLUDE...`: for each a line, with how many functions and constants it has and were compared.
//! With `--complete`, each declaration must be in one of them.
//!
//! The Rust sources are read. For each declaration a C compiler is asked whether the header's type is the one that the
//! declaration means, and for each constant whether the header's value is the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use patina_interop::abi::{Declarations, Source, names};
use patina_interop::trouble::{Result, Trouble};

/// Headers that every version has.
const HEADERS: &[&str] = &[
    "asn1", "bio", "conf", "crypto", "dh", "ec", "err", "evp", "objects", "pem", "ssl", "store", "ui",
    "x509", "x509_vfy", "x509v3",
];

/// Functions whose type differs between versions in `const` alone. What Rust gives away may be written through; what it is
/// given, by a callback, it does not write to.
const CONST_DIFFERS: &[&str] = &[
    "OCSP_basic_verify",                   // const from 4.0 on
    "OCSP_resp_get0_signer",               // const from 4.0 on
    "X509_LOOKUP_meth_set_get_by_subject", // const from 3.0 on
    "X509_STORE_CTX_get0_param",           // const from 3.0 on
    "X509_STORE_CTX_get1_issuer",          // const from 4.0 on
    "X509_check_ca",                       // const from 4.0 on
    "i2d_OCSP_REQUEST",                    // const from 3.0 on
];

/// Headers of 3.0 and newer.
const HEADERS_3: &[&str] = &["core", "core_dispatch", "params", "provider"];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("abi: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let mut declared = Declarations::default();
    for path in rust_files(&root.join("src"))? {
        let text = std::fs::read_to_string(&path)?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        declared.read(&Source::parse(name, &text)?)?;
    }
    declared.names(names());
    if declared.functions().count() == 0 {
        return Err(Trouble::new("no declaration was found"));
    }

    let folder = std::env::temp_dir().join(format!("patina-abi-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut good = true;
    let mut missing: Option<BTreeSet<String>> = None;
    println!(
        "{:<8} {:>9} {:>9} {:>11} {:>6}  result",
        "libssl", "functions", "constants", "but const", "wrong"
    );
    let (flags, versions): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|it| it == "--complete");
    for argument in versions {
        let (name, include) =
            argument.split_once('=').ok_or_else(|| Trouble::new(format!("{argument}: not NAME=INCLUDE")))?;
        let seen = compare(&declared, include, &folder.join(format!("{name}.c")))?;
        let result = if seen.wrong.is_empty() { "ok" } else { "FAILED" };
        println!(
            "{name:<8} {:>9} {:>9} {:>11} {:>6}  {result}",
            seen.functions.len(),
            seen.constants.len(),
            seen.const_alone,
            seen.wrong.len()
        );
        for line in &seen.wrong {
            println!("  {line}");
        }
        good &= seen.wrong.is_empty();
        let absent =
            declared.all().filter(|one| !seen.functions.contains(one) && !seen.constants.contains(one));
        let absent: BTreeSet<String> = absent.collect();
        missing = Some(match missing {
            Some(before) => before.intersection(&absent).cloned().collect(),
            None => absent,
        });
    }
    std::fs::remove_dir_all(&folder)?;
    for name in missing.filter(|_| !flags.is_empty()).unwrap_or_default() {
        println!("  {name} is in none of them");
        good = false;
    }
    Ok(good)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)?),
            false if path.extension().is_some_and(|it| it == "rs") => files.push(path),
            false => {}
        }
    }
    files.sort();
    Ok(files)
}

/// What one version has, and what of it is not what was declared.
struct Seen {
    functions: BTreeSet<String>,
    constants: BTreeSet<String>,
    const_alone: usize,
    wrong: Vec<String>,
}

/// Compares with the headers of one version.
fn compare(declared: &Declarations, include: &str, file: &Path) -> Result<Seen> {
    let mut text = String::new();
    for header in HEADERS {
        let _ = writeln!(text, "#include <openssl/{header}.h>");
    }
    text += "#ifndef OPENSSL_NO_OCSP\n# include <openssl/ocsp.h>\n#endif\n";
    text += "#ifndef OPENSSL_NO_ENGINE\n# include <openssl/engine.h>\n#endif\n#if OPENSSL_VERSION_NUMBER >= 0x30000000L\n";
    for header in HEADERS_3 {
        let _ = writeln!(text, "# include <openssl/{header}.h>");
    }
    text += "#endif\n#include <stdint.h>\n";
    text += &declared.to_c();
    std::fs::write(file, &text)?;

    // What is left of the checks tells which of the declarations this version has.
    let preprocessed = compiler(include).args(["-E", "-P"]).arg(file).output()?;
    if !preprocessed.status.success() {
        return Err(Trouble::new(String::from_utf8_lossy(&preprocessed.stderr).into_owned()));
    }
    let preprocessed = String::from_utf8_lossy(&preprocessed.stdout).into_owned();
    let marked = |mark: &str| {
        let names = preprocessed.lines().filter_map(|line| line.trim().strip_prefix(mark));
        names.map(|rest| rest.split([' ', '(', ';']).next().unwrap_or(rest).to_owned()).collect()
    };
    let mut seen = Seen {
        functions: marked("struct abi_function_"),
        constants: marked("struct abi_constant_"),
        const_alone: 0,
        wrong: Vec::new(),
    };
    let strict = errors(compiler(include).args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(file))?;
    // Without any `const`, neither in the headers nor in what was declared.
    let loose =
        errors(compiler(include).args(["-w", "-fno-builtin", "-Dconst=", "-fsyntax-only"]).arg(file))?;
    for error in strict {
        let may_differ = CONST_DIFFERS.iter().any(|name| error.contains(&format!(": {name} ")));
        if loose.contains(&error) || !may_differ {
            seen.wrong.push(error);
        } else {
            seen.const_alone += 1;
        }
    }
    Ok(seen)
}

/// What the compiler complains about.
fn errors(command: &mut Command) -> Result<BTreeSet<String>> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut errors = BTreeSet::new();
    for line in said.lines().filter(|line| line.contains(" error: ")) {
        let error = line.split_once(" error: ").map_or(line, |(_, error)| error);
        errors.insert(error.trim_start_matches("static assertion failed: ").trim_matches('"').to_owned());
    }
    match output.status.success() == errors.is_empty() {
        true => Ok(errors),
        false => Err(Trouble::new(said)),
    }
}

fn compiler(include: &str) -> Command {
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-Wno-deprecated-declarations", "-fmax-errors=0"]);
    command.arg(format!("-I{include}"));
    command
}
