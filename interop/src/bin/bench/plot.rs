//! The table as a picture: for each row, everybody's figure beside that of this library, all on one scale.

use std::fmt::Write;

use super::rounds::{Contestant, Measured};

/// A row of the picture.
struct Shown {
    row: &'static str,
    title: &'static str,
    /// What this library's own figure is, in words.
    own: fn(f64) -> String,
}

/// Rows of a kind.
struct Group {
    title: &'static str,
    rows: &'static [Shown],
}

/// The left column, and the right.
const COLUMNS: [&[Group]; 2] = [
    &[
        Group {
            title: "Handshakes",
            rows: &[
                Shown { row: "handshake tcp 1.3-ecdsa", title: "TLS 1.3, ECDSA, over TCP", own: each },
                Shown { row: "handshake 1.3-rsa server", title: "TLS 1.3, RSA, the server alone", own: each },
                Shown {
                    row: "handshake 1.3-again",
                    title: "Second one with a host, TLS 1.3, by default",
                    own: each,
                },
            ],
        },
        Group {
            title: "Contexts and memory",
            rows: &[
                Shown { row: "context system", title: "Client contexts with the system's roots", own: each },
                Shown { row: "context mozilla", title: "Client contexts with Mozilla's roots", own: each },
                Shown { row: "idle", title: "Idle connections that fit into memory", own: pair },
            ],
        },
    ],
    &[
        Group {
            title: "Bytes over TCP, one direction",
            rows: &[
                Shown { row: "bulk tcp aes128 16k", title: "AES-128, writes of 16 KiB", own: mebibytes },
                Shown { row: "bulk tcp aes128 256k", title: "AES-128, writes of 256 KiB", own: mebibytes },
                Shown { row: "bulk tcp chacha20 256k", title: "ChaCha20, writes of 256 KiB", own: mebibytes },
            ],
        },
        Group {
            title: "Small messages over TCP",
            rows: &[
                Shown {
                    row: "small tcp 1k buffered",
                    title: "Writes of 1 KiB, with write buffering",
                    own: mebibytes,
                },
                Shown { row: "ping-pong 64", title: "Round trips of 64 bytes", own: each },
            ],
        },
    ],
];

/// Who is shown, what for and in which colour. Raw libssl is the measure, and rustls is faster on AWS-LC than on ring.
const SHOWN: [(&str, &str, &str); 7] = [
    ("patina-tls", "patina-tls", "#e0662f"),
    ("libssl", "libssl, bare", "#8b949e"),
    ("tokio-openssl", "tokio-openssl", "#5a8fe6"),
    ("rustls/aws-lc", "rustls (AWS-LC)", "#3fa56a"),
    ("tokio-boring", "tokio-boring", "#a06fd6"),
    ("s2n-tls", "s2n-tls", "#c59d23"),
    ("node", "Node", "#35a9b5"),
];

fn each(figure: f64) -> String {
    format!("{figure:.0} a CPU-second")
}

fn mebibytes(figure: f64) -> String {
    format!("{figure:.0} MiB a CPU-second")
}

fn pair(figure: f64) -> String {
    format!("{:.1} KiB a pair", 1024.0 / figure)
}

/// Of a column: its width, where its bars begin, and how long one is that equals this library's.
const WIDE: f64 = 430.0;
const BARS: f64 = 100.0;
const ONE: f64 = 90.0;
/// A longer bar is cut.
const MOST: f64 = 3.2;
const PITCH: f64 = 12.0;
const TOP: f64 = 72.0;

/// An SVG picture of the rows that are shown and were measured.
pub(crate) fn svg(contestants: &[Contestant], measured: &[Measured], rounds: usize) -> String {
    let mut body = String::new();
    let mut bottom: f64 = 0.0;
    for (place, groups) in COLUMNS.into_iter().enumerate() {
        let x = 20.0 + place as f64 * WIDE;
        let mut y = TOP;
        for group in groups {
            let rows: Vec<_> = group
                .rows
                .iter()
                .filter_map(|shown| Some((shown, measured.iter().find(|row| row.name == shown.row)?)))
                .collect();
            if rows.is_empty() {
                continue;
            }
            y += 16.0;
            body += &format!("<text class=\"g\" x=\"{x}\" y=\"{y}\">{}</text>\n", group.title);
            y += 6.0;
            for (shown, row) in rows {
                y = bars(&mut body, contestants, shown, row, x, y);
            }
            y += 10.0;
        }
        bottom = bottom.max(y);
    }
    let (wide, high) = (20.0 + 2.0 * WIDE, bottom + 40.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" role=\"img\">\n\
         <title>Work in the same CPU time, beside patina-tls</title>\n{STYLE}\
         <rect class=\"b\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n\
         <text class=\"h\" x=\"20\" y=\"30\">Work in the same CPU time: patina-tls is 1, longer is better</text>\n\
         {}{body}\
         <text class=\"c\" x=\"20\" y=\"{}\">{}</text>\n\
         <text class=\"c\" x=\"20\" y=\"{}\">Both ends in one process, AES-128-GCM and X25519 unless said otherwise; medians of {rounds} interleaved rounds \
         (ci/bench)</text>\n</svg>\n",
        wide - 1.0,
        high - 1.0,
        legend(contestants),
        high - 26.0,
        escaped(&machine()),
        high - 11.0,
    )
}

/// Light or dark, as the reader has it; with a ground of its own, so that it is readable on any page.
const STYLE: &str = "<style>\
    text{font:11px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
    .b{fill:#fff;stroke:#d1d9e0}.h{font-size:16px;font-weight:600}.g{font-size:13px;font-weight:600}\
    .c,.w{fill:#59636e}.w{font-size:10px;text-anchor:end}.n{font-size:10px}.o{font-size:10px;font-weight:600}\
    .n,.o{paint-order:stroke;stroke:#fff;stroke-width:3px}.l{stroke:#59636e;stroke-dasharray:2 2}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.b{fill:#0d1117;stroke:#3d444d}.c,.w{fill:#9198a1}\
    .n,.o{stroke:#0d1117}.l{stroke:#9198a1}}</style>\n";

/// The bars of a row, from `y` on; gives where they end.
fn bars(body: &mut String, contestants: &[Contestant], shown: &Shown, row: &Measured, x: f64, y: f64) -> f64 {
    let mut y = y + 15.0;
    *body += &format!("<text x=\"{x}\" y=\"{y}\">{}</text>\n", shown.title);
    y += 5.0;
    let top = y;
    let mut labels = String::new();
    for (name, called, colour) in SHOWN {
        let Some(who) = contestants.iter().position(|who| who.name == name) else { continue };
        let (Some(figure), Some(ratio)) = (row.figure(who), row.ratio(who)) else { continue };
        let beside = 1.0 / ratio;
        let long = (beside.min(MOST) * ONE).max(1.0);
        let middle = y + PITCH / 2.0;
        let label = match (who, beside) {
            (0, _) => (shown.own)(figure),
            (_, beside) if beside < 0.095 => format!("{beside:.3}"),
            (_, beside) if beside > MOST => format!("{beside:.1} \u{2192}"),
            _ => format!("{beside:.2}"),
        };
        let (class, start) = (if who == 0 { "o" } else { "n" }, x + BARS);
        let _ = writeln!(
            body,
            "<text class=\"w\" x=\"{:.0}\" y=\"{:.1}\">{called}</text>\
             <rect x=\"{start:.0}\" y=\"{:.1}\" width=\"{long:.1}\" height=\"{}\" fill=\"{colour}\"/>",
            start - 5.0,
            middle + 3.5,
            y + 1.5,
            PITCH - 3.0,
        );
        let _ = writeln!(
            labels,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            start + long + 5.0,
            middle + 3.5
        );
        y += PITCH;
    }
    let one = x + BARS + ONE;
    // Behind the labels, and before the bars.
    *body += &format!("<path class=\"l\" d=\"M{one} {}V{y}\"/>\n{labels}", top + PITCH);
    y + 3.0
}

/// Colours, names and versions, in one line that is broken where it is too long.
fn legend(contestants: &[Contestant]) -> String {
    let mut text = String::new();
    let (mut x, mut y) = (20.0, 52.0);
    for (name, called, colour) in SHOWN {
        let Some(contestant) = contestants.iter().find(|who| who.name == name) else { continue };
        let version = if name == "libssl" { "" } else { &contestant.version };
        let words = format!("{called} {version}");
        let wide = 26.0 + words.trim_end().len() as f64 * 5.8;
        if x + wide > 20.0 + 2.0 * WIDE {
            (x, y) = (20.0, y + 18.0);
        }
        let _ = writeln!(
            text,
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{y:.0}\">{}</text>",
            y - 9.0,
            x + 16.0,
            words.trim_end(),
        );
        x += wide;
    }
    text
}

/// libssl and the machine, as far as the system tells.
fn machine() -> String {
    let value = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches([' ', '\t', ':', '=', '"']).to_owned())
    };
    let cpus = std::thread::available_parallelism().map(|count| format!("{count} CPUs")).ok();
    let parts = [
        Some(openssl::version::version().to_owned()),
        value("/proc/cpuinfo", "model name"),
        cpus,
        value("/etc/os-release", "PRETTY_NAME"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
