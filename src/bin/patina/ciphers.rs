//! `patina ciphers`: the suites that a cipher string selects.

use std::collections::HashMap;
use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use patina_ciphers::{Explanation, Generation, Library, Outcome, ParseError, Profile, Suite, by_id, suites};
use patina_tls::ServerConfig;
use serde_json::{Map, Value, json};

use crate::args::{CiphersArgs, Evaluator, Format};
use crate::failure::Failure;
use crate::output::{note, write};

/// The two strings that libssl takes; `None` is its default.
struct Strings {
    tls13: Option<String>,
    /// For TLS 1.2 and older; empty for a list of TLS 1.3 alone.
    legacy: Option<String>,
}

/// One suite of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    id: u16,
    name: String,
    standard_name: String,
    version: String,
    bits: u32,
}

pub(crate) fn run(args: &CiphersArgs) -> Result<(), Failure> {
    let format = if args.json { Format::Json } else { args.format };
    if args.table {
        return print(&suites().iter().map(Row::of).collect::<Vec<_>>(), format);
    }
    let strings = strings(args)?;
    let generation = Generation::from_version_number(openssl::version::number().cast_unsigned())
        .ok_or_else(|| Failure::Other(format!("{} is too old", openssl::version::version())))?;
    let library = match args.evaluator {
        Evaluator::Pure => Library::upstream(generation),
        Evaluator::Libssl | Evaluator::Both => Library::detect(generation, |string| {
            let strings = Strings { tls13: None, legacy: Some(string.to_owned()) };
            let rows = by_libssl(&strings).ok()?;
            Some(rows.into_iter().filter(|row| row.version != "TLSv1.3").map(|row| row.name).collect())
        }),
    };
    let pure = || by_crate(&library, &strings);
    let rows = match args.evaluator {
        Evaluator::Pure => pure().map_err(|error| refusal(&strings, &error))?,
        Evaluator::Libssl => by_libssl(&strings).map_err(|text| match pure() {
            Err(error) => refusal(&strings, &error),
            Ok(_) => Failure::Usage(text),
        })?,
        Evaluator::Both => compare(&strings, pure(), by_libssl(&strings))?,
    };
    if let Some(legacy) = strings.legacy.as_deref().filter(|legacy| !legacy.is_empty()) {
        let explanation = library.explain(legacy).map_err(|error| refusal(&strings, &error))?;
        for warning in explanation.warnings() {
            note(&warning.render(legacy));
        }
        if args.explain {
            return explain(&rows, &explanation, format);
        }
    } else if args.explain {
        let explanation = library.explain("DEFAULT").map_err(|error| refusal(&strings, &error))?;
        return explain(&rows, &explanation, format);
    }
    print(&rows, format)
}

fn strings(args: &CiphersArgs) -> Result<Strings, Failure> {
    let Some(name) = &args.profile else {
        return Ok(Strings { tls13: args.ciphersuites.clone(), legacy: args.string.clone() });
    };
    let profile = Profile::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Profile::ALL.iter().map(Profile::name).collect();
        Failure::Usage(format!("--profile: {name:?} is no profile; there are {}", names.join(", ")))
    })?;
    Ok(Strings { tls13: Some(profile.tls13().to_owned()), legacy: Some(profile.legacy().to_owned()) })
}

/// What libssl makes of the strings.
fn by_libssl(strings: &Strings) -> Result<Vec<Row>, String> {
    let (tls13, legacy) = (strings.tls13.clone(), strings.legacy.clone());
    let only_tls13 = legacy.as_ref().is_some_and(|legacy| legacy.is_empty()) && tls13.is_some();
    // As libssl takes them: the library's own options would look for TLS 1.3 names in the string.
    let config = ServerConfig::builder().with_openssl(move |context| {
        if let Some(tls13) = tls13 {
            context.set_ciphersuites(&tls13)?;
        }
        match legacy {
            Some(legacy) if !only_tls13 => context.set_cipher_list(&legacy),
            _ => Ok(()),
        }
    });
    let config = config.build().map_err(|error| format!("libssl: {} ({})", error.message(), error.code()))?;
    let rows = config.cipher_suites().into_iter().map(|suite| Row {
        id: suite.id(),
        name: suite.name().to_owned(),
        standard_name: suite.standard_name().to_owned(),
        version: suite.version().to_owned(),
        bits: suite.bits(),
    });
    Ok(rows.filter(|row| !only_tls13 || row.version == "TLSv1.3").collect())
}

/// What the crate `patina-ciphers` makes of the strings.
fn by_crate(library: &Library, strings: &Strings) -> Result<Vec<Row>, ParseError> {
    let suites = match (strings.tls13.as_deref(), strings.legacy.as_deref()) {
        (Some(tls13), Some("")) => library.ciphersuites(tls13)?,
        (tls13, legacy) => library.evaluate_both(tls13, legacy.unwrap_or("DEFAULT"))?,
    };
    Ok(suites.into_iter().map(Row::of).collect())
}

/// Points at what libssl refuses.
fn refusal(strings: &Strings, error: &ParseError) -> Failure {
    // The place belongs to the string that was refused: that of TLS 1.3 when it alone is bad.
    let empty = String::new();
    let legacy = strings.legacy.as_ref().unwrap_or(&empty);
    let source = match &strings.tls13 {
        Some(tls13) if error.message().contains("TLS 1.3") => tls13,
        _ => legacy,
    };
    Failure::Pointed(error.render(source))
}

fn compare(
    strings: &Strings,
    pure: Result<Vec<Row>, ParseError>,
    libssl: Result<Vec<Row>, String>,
) -> Result<Vec<Row>, Failure> {
    let differ = |text: String| Err(Failure::Other(format!("the evaluators differ: {text}")));
    match (pure, libssl) {
        (Ok(pure), Ok(libssl)) => match differences(&pure, &libssl) {
            differences if differences.is_empty() => Ok(libssl),
            differences => differ(differences.join("; ")),
        },
        (Err(error), Err(_)) => Err(refusal(strings, &error)),
        (Ok(_), Err(text)) => differ(format!("only libssl refuses; {text}")),
        (Err(error), Ok(_)) => differ(format!("only the crate refuses; {error}")),
    }
}

/// The places at which two lists differ.
fn differences(pure: &[Row], libssl: &[Row]) -> Vec<String> {
    let name = |rows: &[Row], place: usize| rows.get(place).map_or("-".to_owned(), |row| row.name.clone());
    (0..pure.len().max(libssl.len()))
        .filter(|place| pure.get(*place).map(|row| row.id) != libssl.get(*place).map(|row| row.id))
        .map(|place| {
            format!("at {} pure has {}, libssl {}", place + 1, name(pure, place), name(libssl, place))
        })
        .collect()
}

/// Prints why each suite is in or out: those of TLS 1.3 first, then as the crate orders them.
fn explain(rows: &[Row], explanation: &Explanation, format: Format) -> Result<(), Failure> {
    let tls13: HashMap<u16, usize> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.version == "TLSv1.3")
        .map(|(place, row)| (row.id, place))
        .collect();
    let mut text = String::new();
    let mut verdicts: Vec<_> = explanation.verdicts().iter().collect();
    verdicts.sort_by_key(|verdict| tls13.get(&verdict.suite().id()).copied().unwrap_or(usize::MAX));
    for verdict in verdicts {
        let suite = verdict.suite();
        let listed = tls13.get(&suite.id());
        let why = match (verdict.outcome(), listed) {
            (Outcome::Tls13, Some(place)) => {
                format!("{suite} is in at {}: the list of TLS 1.3 suites has it", place + 1)
            }
            (Outcome::Tls13, None) => format!("{suite} is out: the list of TLS 1.3 suites lacks it"),
            (Outcome::Selected { place, .. }, _) => {
                let own = format!(" is in at {}:", place + 1);
                verdict.to_string().replacen(&own, &format!(" is in at {}:", place + 1 + tls13.len()), 1)
            }
            _ => verdict.to_string(),
        };
        match format {
            Format::Json => {
                let selected = verdict.is_selected() || listed.is_some();
                text.push_str(
                    &json!({"name": suite.openssl_name(), "selected": selected, "why": why}).to_string(),
                );
            }
            Format::Names | Format::Table => text.push_str(&why),
        }
        text.push('\n');
    }
    write(&text)
}

fn print(rows: &[Row], format: Format) -> Result<(), Failure> {
    let text: String = match format {
        Format::Names => rows.iter().map(|row| format!("{}\n", row.name)).collect(),
        Format::Json => rows.iter().map(|row| format!("{}\n", Value::Object(row.to_json()))).collect(),
        Format::Table => format!("{}\n", table(rows)),
    };
    write(&text)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(match std::io::stdout().is_terminal() {
        true => ContentArrangement::Dynamic,
        false => ContentArrangement::Disabled,
    });
    table.set_header([
        "#",
        "name",
        "id",
        "since",
        "exchange",
        "signature",
        "encryption",
        "bits",
        "mac",
        "IANA's name",
    ]);
    for (place, row) in rows.iter().enumerate() {
        let [exchange, signature, encryption, mac] = row.parts();
        table.add_row([
            (place + 1).to_string(),
            row.name.clone(),
            format!("{:#06x}", row.id),
            row.version.clone(),
            exchange.to_owned(),
            signature.to_owned(),
            encryption.to_owned(),
            row.bits.to_string(),
            mac.to_owned(),
            row.standard_name.clone(),
        ]);
    }
    table
}

impl Row {
    fn of(suite: &'static Suite) -> Row {
        Row {
            id: suite.id(),
            name: suite.openssl_name().to_owned(),
            standard_name: suite.iana_name().unwrap_or("-").to_owned(),
            version: suite.min_protocol().name().to_owned(),
            bits: suite.strength_bits().into(),
        }
    }

    /// Key exchange, authentication, encryption and MAC, where the suite is a known one.
    fn parts(&self) -> [&'static str; 4] {
        by_id(self.id).map_or(["-"; 4], |suite| {
            [
                suite.key_exchange().name(),
                suite.authentication().name(),
                suite.encryption().name(),
                suite.mac().name(),
            ]
        })
    }

    fn to_json(&self) -> Map<String, Value> {
        let [exchange, authentication, encryption, mac] = self.parts();
        let value = json!({
            "name": self.name,
            "standard_name": self.standard_name,
            "version": self.version,
            "id": format!("{:#06x}", self.id),
            "key_exchange": exchange,
            "authentication": authentication,
            "encryption": encryption,
            "mac": mac,
            "bits": self.bits,
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}
