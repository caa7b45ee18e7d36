//! The limits that hold on any machine, because they are about counts and not about time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use patina_measure::case::{CASES, Resume};
use patina_measure::trouble::{Result, Trouble};

use super::work::{HANDSHAKES, RECORDS_COUNTED};

/// How far an instruction count may be off the committed one: what is random in keys and signatures is less.
const TOLERANCE: f64 = 0.003;

/// A figure and its limit.
struct Gate {
    name: String,
    figure: f64,
    /// Whose figure it is compared with.
    beside: Option<f64>,
    most: f64,
    /// Why the limit is what it is.
    rule: String,
}

impl Gate {
    fn holds(&self) -> bool {
        // Nothing is more than a figure that is no number.
        self.figure <= self.most
    }
}

/// Measures, prints the table, and says whether all is within the limits. `--renew` writes the instruction counts of
/// this libssl to `interop/figures.tsv`.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let renew = match words {
        [] => false,
        [word] if word == "--renew" => true,
        _ => return Err(Trouble::new("usage: bench gates [--renew]")),
    };
    let mut figures = Figures::read()?;
    let mut gates = Vec::new();
    instructions(&mut gates, &mut figures, renew)?;
    heap(&mut gates)?;
    contexts(&mut gates)?;
    calls(&mut gates)?;

    println!("{:<36} {:>12} {:>12} {:>12}  limit", "figure", "ours", "beside", "at most");
    let number = |value: f64| if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    for gate in &gates {
        let beside = gate.beside.map(number).unwrap_or_default();
        let verdict = if gate.holds() { "" } else { "  FAILED" };
        let Gate { name, figure, most, rule, .. } = gate;
        println!("{name:<36} {:>12} {beside:>12} {:>12}  {rule}{verdict}", number(*figure), number(*most));
    }
    if renew {
        figures.write()?;
    } else if !figures.are_known() {
        println!(
            "\nThere are no committed instruction counts for {}: they were compared with raw libssl alone. \
             `ci/gates --renew` adds them.",
            figures.libssl
        );
    }
    let failed = gates.iter().filter(|gate| !gate.holds()).count();
    println!("\n{} figures, {failed} over their limits", gates.len());
    Ok(failed == 0)
}

/// The committed instruction counts, by libssl.
struct Figures {
    path: PathBuf,
    /// This libssl, and this machine's kind.
    libssl: String,
    rows: BTreeMap<(String, String), f64>,
}

const HEAD: &str = "# Instructions of patina-tls, both sides: ci/gates compares, ci/gates --renew writes.\n\
                    # libssl\tfigure\tinstructions\n";

impl Figures {
    fn read() -> Result<Figures> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/figures.tsv"));
        let version = openssl::version::version();
        let short: Vec<&str> = version.split(' ').take(2).collect();
        let libssl = format!("{} {}", short.join(" "), std::env::consts::ARCH);
        let bad = |line: &str| Trouble::new(format!("{}: bad line {line:?}", path.display()));
        let mut rows = BTreeMap::new();
        for line in std::fs::read_to_string(&path)?.lines().filter(|line| !line.starts_with('#')) {
            let [library, figure, count] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(bad(line));
            };
            let count = count.parse().map_err(|_| bad(line))?;
            rows.insert((library.to_owned(), figure.to_owned()), count);
        }
        Ok(Figures { path, libssl, rows })
    }

    fn are_known(&self) -> bool {
        self.rows.keys().any(|(library, _)| *library == self.libssl)
    }

    fn get(&self, figure: &str) -> Option<f64> {
        self.rows.get(&(self.libssl.clone(), figure.to_owned())).copied()
    }

    fn set(&mut self, figure: &str, count: f64) {
        self.rows.insert((self.libssl.clone(), figure.to_owned()), count.round());
    }

    fn write(&self) -> Result<()> {
        let rows = self.rows.iter();
        let lines: String =
            rows.map(|((library, figure), count)| format!("{library}\t{figure}\t{count}\n")).collect();
        Ok(std::fs::write(&self.path, format!("{HEAD}{lines}"))?)
    }
}

/// This program again, for a piece of work; what it has printed on both channels.
fn again(before: &[&str], work: &[&str]) -> Result<String> {
    let own = std::env::current_exe()?;
    let program = before.first().map_or(own.as_os_str(), |program| program.as_ref());
    let mut command = Command::new(program);
    if !before.is_empty() {
        command.args(&before[1..]).arg(&own);
    }
    // Above this size the C library copies by one instruction that valgrind counts once a byte.
    command.env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=268435456");
    let output = command.arg("work").args(work).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(text.into_owned());
    }
    Err(Trouble::new(format!("{} {} failed: {text}", before.join(" "), work.join(" "))))
}

/// Instructions within functions of this name and what they call.
fn count(within: &str, work: &[&str]) -> Result<f64> {
    let count = count_if_called(within, work)?;
    if count > 0.0 { Ok(count) } else { Err(Trouble::new(format!("nothing is called {within} any more"))) }
}

/// The same; 0 where there is no such function, or nobody calls it.
fn count_if_called(within: &str, work: &[&str]) -> Result<f64> {
    let toggle = format!("--toggle-collect=*{within}*");
    let valgrind =
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no", &toggle];
    let text = again(&valgrind, work)?;
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let count = collected.and_then(|(_, count)| count.trim().parse::<f64>().ok());
    count.ok_or_else(|| Trouble::new(format!("callgrind has not counted: {text}")))
}

fn instructions(gates: &mut Vec<Gate>, figures: &mut Figures, renew: bool) -> Result<()> {
    let mut push = |name: String, ours: f64, raw: f64, ratio: f64| {
        if renew {
            figures.set(&name, ours);
        }
        let known = figures.get(&name);
        let rule = format!("{ratio} of raw libssl");
        gates.push(Gate {
            name: format!("{name}, instructions"),
            figure: ours,
            beside: Some(raw),
            most: raw * ratio,
            rule,
        });
        if let Some(known) = known {
            let rule = "committed, and 0.3 %".to_owned();
            let most = known * (1.0 + TOLERANCE);
            gates.push(Gate {
                name: format!("{name}, instructions"),
                figure: ours,
                beside: Some(known),
                most,
                rule,
            });
        }
    };
    for case in CASES {
        let each = |peer| {
            Ok::<_, Trouble>(count("work::looked_at", &["handshakes", peer, case.name])? / HANDSHAKES as f64)
        };
        let ratio = if case.resume == Resume::Never { 1.002 } else { 1.01 };
        push(format!("handshake {}", case.name), each("ours")?, each("raw")?, ratio);
    }
    // Of several records that are read at once, each is copied once more than one for which libssl asks twice.
    for (size, ratio) in [("1024", 1.0), ("16384", 1.0), ("65536", 1.04)] {
        let each = |peer| {
            Ok::<_, Trouble>(count("work::looked_at", &["records", peer, size])? / RECORDS_COUNTED as f64)
        };
        push(format!("record in writes of {size}"), each("ours")?, each("raw")?, ratio);
    }
    hooks(gates)
}

/// What the hooks of libssl cost that are there for somebody to watch.
fn hooks(gates: &mut Vec<Gate>) -> Result<()> {
    let work = |peer| ["handshakes", peer, "1.3-ecdsa"];
    // The piece of work begins with three connections that are not looked at.
    let all = (HANDSHAKES + 3) as f64;
    let mut push = |name: &str, figure, beside, most, rule: &str| {
        let (name, rule) = (format!("{name}, instructions"), rule.to_owned());
        gates.push(Gate { name, figure, beside: Some(beside), most, rule });
    };
    let whole = count("work::looked_at", &work("ours"))? / HANDSHAKES as f64;
    let info = count("sys::hook::info", &work("ours"))? / all;
    push("info hook", info, whole, whole * 0.001, "0.1 % of a handshake");
    // Nothing is spent on what nobody has asked for. The count where somebody has shows that the function is there.
    for (name, within) in [("message hook", "sys::hook::message"), ("key log hook", "sys::hook::key_log")] {
        let asked = count(within, &work("ours-watched"))? / all;
        let unasked = count_if_called(within, &work("ours"))? / all;
        push(&format!("{name}, unasked"), unasked, asked, 0.0, "none");
    }
    // Asked for, it is libssl's text that costs, nearly as much as the handshake.
    let text = count_if_called("SSL_trace", &work("ours-watched"))? / all;
    if text > 0.0 {
        let asked = count("sys::hook::message", &work("ours-watched"))? / all;
        push("message hook", asked, text, text * 1.05, "1.05 of SSL_trace, if libssl has it");
    }
    Ok(())
}

/// The lines that a piece of work prints.
fn numbers(work: &[&str]) -> Result<BTreeMap<String, f64>> {
    let text = again(&[], work)?;
    let line = |line: &str| {
        let (name, number) = line.split_once('\t')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    let lines =
        text.lines().map(|text| line(text).ok_or_else(|| Trouble::new(format!("no figure: {text:?}"))));
    lines.collect()
}

fn of(numbers: &BTreeMap<String, f64>, name: &str) -> Result<f64> {
    numbers.get(name).copied().ok_or_else(|| Trouble::new(format!("{name} was not counted")))
}

fn heap(gates: &mut Vec<Gate>) -> Result<()> {
    let (ours, raw, tokio) =
        (numbers(&["heap", "ours"])?, numbers(&["heap", "raw"])?, numbers(&["heap", "tokio-openssl"])?);
    for (name, &figure) in &ours {
        let raw = of(&raw, name)?;
        let (beside, most, rule) = match name.as_str() {
            // Those of libssl's records. That its buffers stay spares the other four.
            "round-trip" => (raw, 8.0, "8"),
            "idle" => (of(&tokio, name)?, of(&tokio, name)? + 0.2, "tokio-openssl and 0.2 KiB"),
            _ => (raw, raw + 6.0, "raw libssl and 6"),
        };
        let unit = if name == "idle" { "KiB a pair" } else { "allocations" };
        gates.push(Gate {
            name: format!("{name}, {unit}"),
            figure,
            beside: Some(beside),
            most,
            rule: rule.to_owned(),
        });
    }
    Ok(())
}

fn contexts(gates: &mut Vec<Gate>) -> Result<()> {
    let ours = numbers(&["contexts"])?;
    let none = of(&ours, "none/later/allocations")?;
    for kind in ["system", "mozilla"] {
        for (what, beside, most, rule) in [
            ("later/allocations", Some(none), none + 60.0, "no roots and 60"),
            ("later/kib", None, 15.0, "15 KiB"),
            ("first/allocations", Some(none), none + 1200.0, "no roots and 1200; all roots are 225,000"),
        ] {
            gates.push(Gate {
                name: format!("context {kind}/{what}"),
                figure: of(&ours, &format!("{kind}/{what}"))?,
                beside,
                most,
                rule: rule.to_owned(),
            });
        }
    }
    Ok(())
}

fn calls(gates: &mut Vec<Gate>) -> Result<()> {
    let (ours, tokio) = (numbers(&["calls", "ours"])?, numbers(&["calls", "tokio-openssl"])?);
    for (name, most) in [
        ("1.2-ecdsa/client/reads", 2.0),
        ("1.2-ecdsa/client/writes", 2.0),
        ("1.3-ecdsa/client/reads", 2.0),
        ("1.3-ecdsa/client/writes", 2.0),
        ("16k/sends", 65.0),
        ("64k/sends", 17.0),
        ("64k/receives", 25.0),
        ("256k/sends", 17.0),
        ("256k/receives", 25.0),
    ] {
        let (figure, beside) = (of(&ours, name)?, of(&tokio, name)?);
        let rule = if name.contains("k/") { format!("{most} a MiB") } else { most.to_string() };
        gates.push(Gate { name: format!("{name}, calls"), figure, beside: Some(beside), most, rule });
    }
    Ok(())
}
