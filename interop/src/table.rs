//! The table of the cases: `cases.tsv`.
//!
//! One row a case, tab-separated; `-` is nothing. The columns:
//!
//! | column | meaning |
//! | --- | --- |
//! | group, name | What it is called |
//! | both, client, server | Settings, `key=value;key=value`; those of a side win over those of both |
//! | exchange | `echo`, `bulk:BYTES`, `resume`, `listen`, `half-close`, `server-half-close`, `renegotiate:SIDE:TIMES`, `update-keys:SIDE`, `authenticate`, `cut-by-server`, `cut-by-client` |
//! | expect | `ok`, or `side:CODE/alert` for each side that fails (see below) |
//! | facts | `fact=value;side.fact=value`: what must be told by whoever can |
//! | except | `skip client>server: reason;fails client>server: reason` |
//!
//! An expectation is for any peers, or for some: `side@client>server:CODE`, where `*` is any and the most exact one
//! counts. `A|B` is either, where the peers race. The alert is compared with peers that always know it.
//!
//! What is otherwise with single peers stands in `differences.tsv`: `cases`, a name or the beginning of one with a `*`;
//! `pair`; and either `client` or `server` with that side's outcome, or `skip` or `fails` with the reason.
//!
//! The settings: `versions=A..B`, `ciphers`, `suites`, `groups`, `sigalgs`, `cert=a+b` (or `none`),
//! `chain=no`, `trust`, `crl`, `verify=never|report|require`, `alpn=a,b`, `alpn-mismatch=ignore`, `npn=a,b`, `dh`, `sni`, `name=PATTERN:CERT`,
//! `psk=IDENTITY:HEX`, `renegotiations=LIMIT`, `options=NAME,NAME` (of libssl), `legacy=yes` (no RFC 5746), `tickets=no`,
//! `staple=good|revoked` (servers), `asks-staple=yes` and `post-handshake-auth=yes` (clients).

use patina_tls::ProtocolVersion;

use crate::case::{Case, Exchange, Setup, Side, Traffic, Verify};
use crate::expectation::{Except, ExceptKind, Expectation, ExpectedFact, Pair};
use crate::seen::Fact;
use crate::trouble::{Result, Trouble};

const COLUMNS: [&str; 9] =
    ["group", "name", "both", "client", "server", "exchange", "expect", "facts", "except"];

/// The cases of this crate.
///
/// # Errors
/// When a row is malformed: the line is named.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = parse(include_str!("../cases.tsv"))?;
    add_differences(&mut cases, include_str!("../differences.tsv"))?;
    Ok(cases)
}

const DIFFERENCE_COLUMNS: [&str; 4] = ["cases", "pair", "what", "value"];

/// The rows of a table with these columns, each with its line.
fn rows<'a>(text: &'a str, columns: &[&str]) -> Result<impl Iterator<Item = (usize, &'a str)>> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut rows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match rows.next() {
        Some((_, head)) if head.split('\t').eq(columns.iter().copied()) => Ok(rows),
        _ => Err(Trouble::new(format!("the first row must be {columns:?}"))),
    }
}

/// Adds the rows of `differences.tsv` to the cases.
fn add_differences(cases: &mut [Case], text: &str) -> Result<()> {
    for (number, line) in rows(text, &DIFFERENCE_COLUMNS)? {
        let at = |why: &str| Trouble::new(format!("differences.tsv, line {number}: {why}"));
        let fields: Vec<&str> = line.split('\t').collect();
        let [names, pair, what, value] = fields[..] else { return Err(at("it must have four columns")) };
        let mut meant = 0;
        for case in cases.iter_mut().filter(|case| fits(names, &case.to_string())) {
            meant += 1;
            if let Some(side) = read_side(what) {
                let pair = Pair::parse(pair).ok_or_else(|| at("the pair is malformed"))?;
                case.expected.push(Expectation { side, pair, outcome: value.into() });
            } else {
                case.except
                    .push(read_except(&format!("{what} {pair}:{value}")).map_err(|e| at(&e.to_string()))?);
            }
        }
        if meant == 0 {
            return Err(at("there is no such case"));
        }
    }
    Ok(())
}

/// Whether a pattern, where `*` stands for anything, is for this name.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
        }),
    }
}

/// Reads a table.
///
/// # Errors
/// When a row is malformed, or stands there twice: the line is named.
pub fn parse(text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in rows(text, &COLUMNS)? {
        let at = |e: Trouble| e.context(format_args!("cases.tsv, line {number}"));
        let case = row(line).map_err(at)?;
        if cases.iter().any(|c| c.group == case.group && c.name == case.name) {
            return Err(at(Trouble::new(format!("{case} stands there twice"))));
        }
        cases.push(case);
    }
    Ok(cases)
}

fn row(line: &str) -> Result<Case> {
    let fields: Vec<&str> = line.split('\t').map(|f| if f == "-" { "" } else { f }).collect();
    let [group, name, both, client, server, exchange, expect, facts, except] = fields[..] else {
        return Err(Trouble::new(format!("{} columns instead of {}", fields.len(), COLUMNS.len())));
    };
    let mut setups = Side::BOTH.map(Setup::new);
    for (setup, own) in setups.iter_mut().zip([client, server]) {
        for item in items(both).chain(items(own)) {
            set(setup, item)?;
        }
    }
    let [client, server] = setups;
    Ok(Case {
        group: group.into(),
        name: name.into(),
        client,
        server,
        exchange: read_exchange(exchange)?,
        expected: read_expected(expect)?,
        facts: items(facts).map(read_fact).collect::<Result<_>>()?,
        except: items(except).map(read_except).collect::<Result<_>>()?,
        traffic: Traffic::default(),
    })
}

fn items(field: &str) -> impl Iterator<Item = &str> {
    field.split(';').map(str::trim).filter(|item| !item.is_empty())
}

fn list(value: &str, separator: char) -> Vec<String> {
    value.split(separator).map(str::to_owned).collect()
}

fn set(setup: &mut Setup, item: &str) -> Result<()> {
    let bad = || Trouble::new(format!("{item:?} is no setting"));
    let (key, value) = item.split_once('=').ok_or_else(bad)?;
    let text = || Some(value.to_owned());
    match key {
        "versions" => {
            let (low, high) = value.split_once("..").unwrap_or((value, value));
            setup.versions = (low.parse::<ProtocolVersion>()?, high.parse::<ProtocolVersion>()?);
        }
        "ciphers" => setup.ciphers = text(),
        "suites" => setup.suites = text(),
        "groups" => setup.groups = text(),
        "sigalgs" => setup.sigalgs = text(),
        "cert" if value == "none" => setup.identities.clear(),
        "cert" => setup.identities = list(value, '+'),
        "chain" if value == "no" => setup.chain = false,
        "trust" => setup.trust = text(),
        "crl" => setup.crl = text(),
        "verify" => {
            setup.verify = match value {
                "never" => Verify::Never,
                "report" => Verify::Report,
                "require" => Verify::Require,
                _ => return Err(bad()),
            }
        }
        "alpn" => setup.alpn = list(value, ','),
        "alpn-mismatch" if value == "ignore" => setup.alpn_ignore = true,
        "npn" => setup.npn = list(value, ','),
        "staple" if matches!(value, "good" | "revoked") => setup.staple = text(),
        "asks-staple" if value == "yes" => setup.asks_staple = true,
        "post-handshake-auth" if value == "yes" => setup.post_handshake_auth = true,
        "dh" => setup.dh = text(),
        "sni" => setup.server_name = value.into(),
        "name" => {
            let (pattern, certificate) = value.split_once(':').ok_or_else(bad)?;
            setup.names.push((pattern.into(), certificate.into()));
        }
        "psk" => {
            let (identity, key) = value.split_once(':').ok_or_else(bad)?;
            setup.psk = Some((identity.into(), key.into()));
        }
        "renegotiations" => setup.renegotiations = Some(value.parse().map_err(|_| bad())?),
        "options" => setup.options = text(),
        "legacy" if value == "yes" => setup.legacy = true,
        "tickets" if value == "no" => setup.tickets = false,
        _ => return Err(bad()),
    }
    Ok(())
}

fn read_exchange(text: &str) -> Result<Exchange> {
    Ok(match text {
        "echo" => Exchange::Echo,
        "resume" => Exchange::Resume,
        "listen" => Exchange::Listen,
        "half-close" => Exchange::HalfClose,
        "server-half-close" => Exchange::ServerHalfClose,
        "authenticate" => Exchange::Authenticate,
        "cut-by-server" => Exchange::CutByServer,
        "cut-by-client" => Exchange::CutByClient,
        _ => {
            let bulk = || Some(Exchange::Bulk(text.strip_prefix("bulk:")?.parse().ok()?));
            let renegotiate = || {
                let (side, times) = text.strip_prefix("renegotiate:")?.split_once(':')?;
                Some(Exchange::Renegotiate(read_side(side)?, times.parse().ok()?))
            };
            let update = || Some(Exchange::UpdateKeys(read_side(text.strip_prefix("update-keys:")?)?));
            let exchange = bulk().or_else(renegotiate).or_else(update);
            exchange.ok_or_else(|| Trouble::new(format!("{text:?} is no exchange")))?
        }
    })
}

fn read_side(text: &str) -> Option<Side> {
    Side::BOTH.into_iter().find(|side| side.name() == text)
}

fn read_expected(text: &str) -> Result<Vec<Expectation>> {
    if text == "ok" {
        return Ok(vec![]);
    }
    let read = |item: &str| {
        let (who, outcome) = item.split_once(':')?;
        let (side, pair) = who.split_once('@').unwrap_or((who, "*>*"));
        Some(Expectation { side: read_side(side)?, pair: Pair::parse(pair)?, outcome: outcome.into() })
    };
    let expected: Vec<Expectation> = text
        .split_whitespace()
        .map(|item| read(item).ok_or_else(|| Trouble::new(format!("{item:?} is no expectation"))))
        .collect::<Result<_>>()?;
    if expected.is_empty() {
        return Err(Trouble::new("nothing is expected"));
    }
    Ok(expected)
}

fn read_fact(item: &str) -> Result<ExpectedFact> {
    let bad = || Trouble::new(format!("{item:?} is no fact"));
    let (name, value) = item.split_once('=').ok_or_else(bad)?;
    let (side, name) = match name.split_once('.') {
        Some((side, name)) => (Some(read_side(side).ok_or_else(bad)?), name),
        None => (None, name),
    };
    Ok(ExpectedFact { side, fact: Fact::named(name).ok_or_else(bad)?, value: value.into() })
}

fn read_except(item: &str) -> Result<Except> {
    let read = || {
        let (what, reason) = item.split_once(':')?;
        let (kind, pair) = what.split_once(' ')?;
        let kind = match kind {
            "skip" => ExceptKind::Skip,
            "fails" => ExceptKind::Fails,
            _ => return None,
        };
        let reason = reason.trim();
        (!reason.is_empty()).then_some(Except { kind, pair: Pair::parse(pair)?, reason: reason.into() })
    };
    read().ok_or_else(|| {
        Trouble::new(format!("{item:?} is no exception: it needs a kind, a pair and a reason"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(column: &str, value: &str) -> Result<Case> {
        let good = ["g", "n", "-", "-", "-", "echo", "ok", "-", "-"];
        let fields: Vec<&str> = COLUMNS
            .iter()
            .zip(good)
            .map(|(name, field)| if *name == column { value } else { field })
            .collect();
        row(&fields.join("\t"))
    }

    #[test]
    fn settings_of_a_side_win_over_those_of_both() {
        let head = COLUMNS.join("\t");
        let cases =
            parse(&format!("{head}\ng\tn\tversions=TLSv1.2;alpn=h2\tversions=TLSv1\t-\techo\tok\t-\t-\n"));
        let case = &cases.unwrap()[0];
        assert_eq!(case.client.versions, (ProtocolVersion::TLSv1_0, ProtocolVersion::TLSv1_0));
        assert_eq!(case.server.versions, (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_2));
        assert_eq!((&case.client.alpn[..], &case.server.alpn[..]), (&["h2".into()][..], &["h2".into()][..]));
    }

    #[test]
    fn what_a_row_does_not_mean_is_refused() {
        for (column, value) in [
            ("both", "alpn"),
            ("both", "nonsense=1"),
            ("client", "verify=perhaps"),
            ("server", "versions=TLSv9"),
            ("server", "staple=perhaps"),
            ("exchange", "bulk:much"),
            ("expect", "-"),
            ("expect", "somebody:CODE"),
            ("expect", "client@openssl:CODE"),
            ("facts", "colour=red"),
            ("facts", "middle.alpn=h2"),
            ("except", "skip openssl>*:"),
            ("except", "skip openssl: no pair"),
            ("except", "perhaps *>*: no such kind"),
        ] {
            assert!(with(column, value).is_err(), "{column} = {value}");
        }
        assert!(row("too\tfew").is_err());
    }

    #[test]
    fn a_case_that_stands_there_twice_is_refused() {
        let line = "g\tn\t-\t-\t-\techo\tok\t-\t-";
        let error = parse(&format!("{}\n{line}\n{line}\n", COLUMNS.join("\t"))).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    #[test]
    fn differences_are_added_to_the_cases_that_they_name() {
        let table = |rows: &str| format!("{}\n{rows}\n", DIFFERENCE_COLUMNS.join("\t"));
        let mut cases = [with("name", "ab-1").unwrap(), with("name", "b-2").unwrap()];
        let rows = "g/*b-1\tx>*\tclient\tA\ng/*\t*>y\tskip\twhy";
        add_differences(&mut cases, &table(rows)).unwrap();
        assert_eq!(crate::expectation::outcome(&cases[0].expected, Side::Client, "x", "z"), "A");
        assert!(cases[1].expected.is_empty() && cases.iter().all(|case| case.except[0].reason == "why"));
        for bad in ["g/none\tx>*\tclient\tA", "g/*\tx\tclient\tA", "g/*\tx>*\tskip", "g/*\tx>*\tperhaps\tA"] {
            assert!(add_differences(&mut cases, &table(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_most_exact_expectation_counts() {
        let case = with("expect", "client:A client@*>node:B client@openssl>node:C").unwrap();
        let of = |client, server| crate::expectation::outcome(&case.expected, Side::Client, client, server);
        assert_eq!((of("patina", "openssl"), of("patina", "node"), of("openssl", "node")), ("A", "B", "C"));
        assert_eq!(crate::expectation::outcome(&case.expected, Side::Server, "patina", "node"), "ok");
    }
}
