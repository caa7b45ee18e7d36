//! The table as a picture: bars beside each other, each row on its own scale.

use super::rounds::{Contestant, Measured};

const COLOURS: [&str; 5] = ["#b5482a", "#8c8c8c", "#3f6ea8", "#4c9a63", "#b59b2a"];

/// The rows of the picture, and what they are called there.
const SHOWN: [(&str, &str); 9] = [
    ("handshake 1.3-ecdsa", "Handshake, TLS 1.3, ECDSA"),
    ("handshake 1.3-rsa server", "Handshake, TLS 1.3, RSA, server alone"),
    ("handshake 1.3-ticket", "Resumed handshake, TLS 1.3"),
    ("bulk tcp aes128 16k", "TCP, AES-128, writes of 16 KiB"),
    ("bulk tcp aes128 256k", "TCP, AES-128, writes of 256 KiB"),
    ("bulk tcp chacha20 256k", "TCP, ChaCha20, writes of 256 KiB"),
    ("small tcp 1k vectored", "TCP, sixteen slices of 1 KiB a write"),
    ("ping-pong 64", "Round trips of 64 bytes"),
    ("context system", "Client contexts with the system's roots"),
];

/// An SVG picture of the rows that are shown and were measured.
pub(crate) fn svg(contestants: &[Contestant], measured: &[Measured]) -> String {
    const BAR: usize = 14;
    const LEFT: usize = 290;
    const WIDE: f64 = 360.0;
    let mut body = String::new();
    let mut y = 60;
    for (name, title) in SHOWN {
        let Some(row) = measured.iter().find(|row| row.name == name) else { continue };
        let most = (0..contestants.len()).filter_map(|who| row.figure(who)).fold(0.0, f64::max);
        body += &format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{title}</text>\n", LEFT - 12, y + BAR);
        for (who, contestant) in contestants.iter().enumerate() {
            let Some(figure) = row.figure(who) else { continue };
            let (wide, colour) = ((figure / most * WIDE).max(1.0), COLOURS[who % COLOURS.len()]);
            let shown = if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.1}") };
            body += &format!(
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{wide:.1}\" height=\"{}\" fill=\"{colour}\"><title>{}: {shown}</title>\
                 </rect><text class=\"n\" x=\"{:.1}\" y=\"{}\">{shown}</text>\n",
                BAR - 3,
                contestant.name,
                LEFT as f64 + wide + 5.0,
                y + BAR - 4,
            );
            y += BAR;
        }
        y += 14;
    }
    let mut legend = String::new();
    for (who, contestant) in contestants.iter().enumerate() {
        let x = 20 + who * 140;
        legend += &format!(
            "<rect x=\"{x}\" y=\"30\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{}\" y=\"40\">{}</text>\n",
            COLOURS[who % COLOURS.len()],
            x + 16,
            contestant.name,
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>.n{{font-size:10px;fill:#555}}</style>\n<rect width=\"760\" height=\"{y}\" fill=\"#fff\"/>\n\
         <text x=\"20\" y=\"20\">Work a second of CPU time, both sides, with {}; longer is better</text>\n{legend}{body}</svg>\n",
        openssl::version::version(),
    )
}
