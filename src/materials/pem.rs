//! Texts with several PEM blocks, taken apart so that an error can name the block.

use std::path::Path;

use openssl::base64;
use openssl::error::ErrorStack;

use crate::sys::queue;
use crate::values::error::{Error, ErrorKind};

/// One block, from the `BEGIN` line to the `END` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// What stands behind `BEGIN`, such as `CERTIFICATE`.
    pub(super) label: &'a str,
    /// The block with its two marker lines.
    pub(super) text: &'a [u8],
    /// The place among the blocks of the text, from 1.
    pub(super) number: usize,
}

impl Block<'_> {
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    pub(super) fn is_crl(&self) -> bool {
        self.label == "X509 CRL"
    }

    /// The bytes that the block encodes, when it has no headers and its base64 is good.
    pub(super) fn decode(&self) -> Option<Vec<u8>> {
        let text = str::from_utf8(self.text).ok()?;
        let mut lines = text.lines().map(str::trim_ascii);
        lines.next();
        let body: String = lines.take_while(|line| !line.starts_with("-----")).collect();
        if body.is_empty() { None } else { base64::decode_block(&body).ok() }
    }
}

/// The blocks of a text, in order. Text around the blocks is commentary.
///
/// A block that does not end is an error: its number is the answer.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, usize> {
    let mut found = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut at = text.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
    for line in text[at..].split_inclusive(|b| *b == b'\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let marker = |kind: &[u8]| {
            let label = line.trim_ascii_end().strip_prefix(kind)?.strip_suffix(b"-----")?;
            str::from_utf8(label).ok()
        };
        if let Some(label) = marker(b"-----BEGIN ") {
            if open.is_some() {
                return Err(found.len() + 1);
            }
            open = Some((start, label));
        } else if let Some(end_label) = marker(b"-----END ")
            && let Some((start, label)) = open.take()
        {
            if end_label != label {
                return Err(found.len() + 1);
            }
            found.push(Block { label, text: &text[start..end], number: found.len() + 1 });
        }
    }
    if open.is_some() { Err(found.len() + 1) } else { Ok(found) }
}

/// Reads all blocks of one kind; other kinds, such as a key in the same file, are passed over.
pub(super) fn read_blocks<T>(
    option: &'static str,
    what: &str,
    text: &[u8],
    wanted: impl Fn(&Block<'_>) -> bool,
    read: impl Fn(&[u8]) -> Result<T, ErrorStack>,
) -> Result<Vec<T>, Error> {
    queue::clear();
    let mut found = Vec::new();
    for block in blocks(text).map_err(|number| unterminated(option, number))? {
        if !wanted(&block) {
            continue;
        }
        found.push(read(block.text).map_err(|stack| {
            let error = queue::stack_error(ErrorKind::Config, &stack);
            error.context(format!("PEM block {} is no {what}", block.number)).with_option(option)
        })?);
    }
    if found.is_empty() {
        let error = Error::config(option, format!("there is no {what} in the PEM text"));
        return Err(error.with_code("ERR_OSSL_PEM_NO_START_LINE"));
    }
    Ok(found)
}

/// The error of a text whose block `number` does not end.
pub(super) fn unterminated(option: &'static str, number: usize) -> Error {
    Error::config(option, format!("PEM block {number} does not end")).with_code("ERR_OSSL_PEM_BAD_END_LINE")
}

/// Reads a file; the error names it and the option.
pub(super) fn read_file(option: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::io(e).with_option(option).with_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nAAEC\n-----END {label}-----\n")
    }

    #[test]
    fn blocks_are_found_between_commentary_with_any_line_end() {
        let text = format!("\u{feff}{}subject=x\r\n{}", block("A"), block("B C").replace('\n', "\r\n"));
        let found = blocks(text.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|b| (b.label, b.number)).collect::<Vec<_>>(), [("A", 1), ("B C", 2)]);
        assert!(found[1].text.starts_with(b"-----BEGIN B C"));
        assert_eq!(found[1].decode().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_block_without_its_end_is_named_by_number() {
        let half = "-----BEGIN B-----\nAAEC\n";
        assert_eq!(blocks(format!("{}{half}", block("A")).as_bytes()), Err(2));
        assert_eq!(blocks(format!("{half}{}", block("A")).as_bytes()), Err(1));
        assert_eq!(blocks(b"-----BEGIN A-----\nAAEC\n-----END B-----\n"), Err(1));
    }

    #[test]
    fn a_text_without_blocks_has_none() {
        assert_eq!(blocks(b"no pem here\n-----END X-----\n"), Ok(Vec::new()));
        assert_eq!(blocks(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_block_with_headers_or_bad_base64_is_not_decoded() {
        for body in ["Proc-Type: 4,ENCRYPTED\n\nAAEC\n", "!!!!\n", ""] {
            let text = format!("-----BEGIN A-----\n{body}-----END A-----\n");
            assert_eq!(blocks(text.as_bytes()).unwrap()[0].decode(), None, "{body}");
        }
    }
}
