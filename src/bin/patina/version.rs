//! `patina version`: the program, the libssl that it uses, and what that can do.

use patina_tls::{OpenSsl, openssl};
use serde_json::{Map, Value, json};

use crate::args::VersionArgs;
use crate::failure::Failure;
use crate::output::write;

pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let text = if args.json { format!("{}\n", json()) } else { text() };
    write(&text)
}

fn json() -> Value {
    let found = openssl();
    let providers: Vec<Value> = found
        .providers()
        .iter()
        .map(|it| {
            json!({
                "name": it.name(), "description": it.description(), "version": it.version(), "build": it.build(),
            })
        })
        .collect();
    let capabilities: Map<String, Value> =
        found.capabilities().map(|(it, has)| (it.name().to_owned(), has.into())).collect();
    json!({
        "patina": env!("CARGO_PKG_VERSION"),
        "openssl": {
            "version": found.version(),
            "number": found.number(),
            "text": found.text(),
            "compiled_for": found.compiled_for(),
            "built_on": found.built_on(),
            "platform": found.platform(),
            "compiler": found.compiler(),
            "directory": found.directory(),
            "engines_directory": found.engines_directory(),
            "modules_directory": found.modules_directory(),
            "cpu": found.cpu(),
        },
        "providers": providers,
        "capabilities": capabilities,
        "groups": found.groups(),
        "certificate_compression": compression(found),
    })
}

fn text() -> String {
    let found = openssl();
    let mut text = format!("patina {}\n{}\n", env!("CARGO_PKG_VERSION"), found.text());
    for (name, value) in [
        ("built on", Some(found.built_on())),
        ("platform", Some(found.platform())),
        ("compiler", Some(found.compiler())),
        ("directory", Some(found.directory())),
        ("engines", found.engines_directory()),
        ("modules", found.modules_directory()),
        ("processor", found.cpu()),
    ] {
        if let Some(value) = value {
            text += &format!("{name}: {value}\n");
        }
    }
    for it in found.providers() {
        text += &format!("provider {}: {} {}\n", it.name(), it.description(), it.version());
    }
    for (capability, has) in found.capabilities() {
        text += &match has {
            true => format!("{capability:<24} yes\n"),
            false => format!("{capability:<24} no, needs {}\n", capability.needs()),
        };
    }
    text += &format!("groups: {}\n", found.groups().join(" "));
    match &compression(found)[..] {
        [] => text,
        names => text + &format!("certificate compression: {}\n", names.join(" ")),
    }
}

fn compression(found: &OpenSsl) -> Vec<&'static str> {
    found.certificate_compression().iter().map(|algorithm| algorithm.name()).collect()
}
