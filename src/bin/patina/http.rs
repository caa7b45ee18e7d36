//! As much of HTTP/1 as a page about the connection needs (RFC 9112).

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use patina_tls::{Error, ErrorKind};
use serde_json::Value;

use crate::modes::Channel;
use crate::page;

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// The longest body that is read, and thrown away, to keep a connection.
const BODY_MAX: u64 = 1024 * 1024;

/// How long a request may take to come, once it has begun.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a connection waits for a next request.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// A request, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    head_only: bool,
    json: bool,
    keep_alive: bool,
    /// Bytes of its body; `None` where that is not known beforehand.
    body: Option<u64>,
    expects_continue: bool,
}

/// A status and its phrase.
type Status = (u16, &'static str);

const OK: Status = (200, "OK");
const BAD_REQUEST: Status = (400, "Bad Request");
const NO_TUNNEL: Status = (405, "Method Not Allowed");
const HEAD_TOO_LARGE: Status = (431, "Request Header Fields Too Large");
const TIMEOUT: Status = (408, "Request Timeout");
const NOT_HTTP_1: Status = (505, "HTTP Version Not Supported");

/// Answers requests until the client closes or a request asks for it.
pub(crate) async fn serve(channel: &mut Channel<'_>) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = match read_head(channel, &mut buffer).await {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(Trouble::Io(error)) => return Err(error),
            Err(Trouble::Refused(status)) => return refuse(channel, status).await,
        };
        let request = match parse(&head) {
            Ok(request) => request,
            Err(status) => return refuse(channel, status).await,
        };
        let keep_alive = match request.body {
            Some(length @ 0..=BODY_MAX) => skip_body(channel, &mut buffer, length, request).await?,
            _ => false,
        };
        let facts = channel.facts()?;
        let (kind, body) = match request.json {
            true => ("application/json", format!("{:#}\n", Value::Object(facts.to_json()))),
            false => ("text/html; charset=utf-8", page::render(&facts)),
        };
        let mut answer = response(OK, kind, body.len(), keep_alive).into_bytes();
        if !request.head_only {
            answer.extend(body.into_bytes());
        }
        channel.write_all(&answer).await?;
        if !keep_alive {
            return Ok(());
        }
    }
}

enum Trouble {
    Io(io::Error),
    Refused(Status),
}

/// Reads to the empty line; what comes after it stays in `buffer`. `None` where the client has no further request.
async fn read_head(channel: &mut Channel<'_>, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Trouble> {
    let mut chunk = [0; 4096];
    let mut deadline = Instant::now() + IDLE_TIME;
    let mut begun = false;
    loop {
        if !begun {
            // An empty line before a request is no request (RFC 9112 section 2.2).
            let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            buffer.drain(..blank);
        }
        if let Some(end) = head_end(buffer) {
            let rest = buffer.split_off(end);
            return Ok(Some(std::mem::replace(buffer, rest)));
        }
        if buffer.len() > HEAD_MAX {
            return Err(Trouble::Refused(HEAD_TOO_LARGE));
        }
        if !begun && !buffer.is_empty() {
            begun = true;
            deadline = Instant::now() + REQUEST_TIME;
        }
        match timeout_at(deadline, channel.read(&mut chunk)).await {
            Ok(Ok(0)) if begun => return Err(Trouble::Refused(BAD_REQUEST)),
            Ok(Ok(0)) => return Ok(None),
            Ok(Ok(count)) => buffer.extend_from_slice(&chunk[..count]),
            // Many clients just hang up between two requests.
            Ok(Err(error)) if !begun && is_cut(&error) => return Ok(None),
            Ok(Err(error)) => return Err(Trouble::Io(error)),
            Err(_) if begun => return Err(Trouble::Refused(TIMEOUT)),
            Err(_) => return Ok(None),
        }
    }
}

/// Where the head ends, with its empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let line_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place);
    for place in line_ends.take_while(|place| *place <= HEAD_MAX) {
        match &bytes[place + 1..] {
            [b'\n', ..] => return Some(place + 2),
            [b'\r', b'\n', ..] => return Some(place + 3),
            _ => {}
        }
    }
    None
}

fn parse(head: &[u8]) -> Result<Request, Status> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD_REQUEST);
    };
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    if !is_token(method) || target.is_empty() {
        return Err(BAD_REQUEST);
    }
    let is_1_0 = match version {
        "HTTP/1.0" => true,
        _ if version.starts_with("HTTP/1.") => false,
        _ if version.starts_with("HTTP/") => return Err(NOT_HTTP_1),
        _ => return Err(BAD_REQUEST),
    };
    if method == "CONNECT" {
        return Err(NO_TUNNEL);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut request = Request {
        head_only: method == "HEAD",
        json: path.ends_with(".json"),
        keep_alive: !is_1_0,
        body: Some(0),
        expects_continue: false,
    };
    let mut accept = String::new();
    let mut length = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').filter(|(name, _)| is_token(name)).ok_or(BAD_REQUEST)?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "accept" => accept = format!("{accept},{value}"),
            "connection" => {
                for word in value.split(',').map(str::trim) {
                    if word.eq_ignore_ascii_case("close") {
                        request.keep_alive = false;
                    } else if word.eq_ignore_ascii_case("keep-alive") && is_1_0 {
                        request.keep_alive = true;
                    }
                }
            }
            "content-length" => {
                let number = value.parse().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
                let number: u64 = number.ok_or(BAD_REQUEST)?;
                if length.replace(number).is_some_and(|other| other != number) {
                    return Err(BAD_REQUEST);
                }
            }
            "transfer-encoding" => request.body = None,
            "expect" => request.expects_continue = value.eq_ignore_ascii_case("100-continue") && !is_1_0,
            _ => {}
        }
    }
    if request.body.is_some() {
        request.body = Some(length.unwrap_or(0));
    }
    request.json |= prefers_json(&accept);
    Ok(request)
}

/// Whether an Accept field (RFC 9110 section 12.5.1) is rather for JSON than for HTML.
fn prefers_json(accept: &str) -> bool {
    // Weight and explicitness of each.
    let (mut json, mut html) = ((0.0, 0), (0.0, 0));
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight: f32 = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let rate = |rating: &mut (f32, u8), explicit| {
            if explicit > rating.1 {
                *rating = (weight, explicit);
            }
        };
        match name.as_str() {
            "application/json" => rate(&mut json, 3),
            "application/*" => rate(&mut json, 2),
            "text/html" | "application/xhtml+xml" => rate(&mut html, 3),
            "text/*" => rate(&mut html, 2),
            "*/*" => {
                rate(&mut json, 1);
                rate(&mut html, 1);
            }
            _ => {}
        }
    }
    json.0 > html.0 || (json.0 == html.0 && json.0 > 0.0 && json.1 > html.1)
}

/// Reads a body and drops it. Tells whether the connection can be kept.
async fn skip_body(
    channel: &mut Channel<'_>,
    buffer: &mut Vec<u8>,
    length: u64,
    request: Request,
) -> io::Result<bool> {
    let at_hand = length.min(buffer.len() as u64);
    buffer.drain(..usize::try_from(at_hand).unwrap_or(buffer.len()));
    let mut rest = length - at_hand;
    if rest > 0 && request.expects_continue {
        channel.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let deadline = Instant::now() + REQUEST_TIME;
    let mut chunk = [0; 4096];
    while rest > 0 {
        let room = usize::try_from(rest).unwrap_or(chunk.len()).min(chunk.len());
        match timeout_at(deadline, channel.read(&mut chunk[..room])).await {
            Ok(Ok(count @ 1..)) => rest -= count as u64,
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) | Err(_) => return Ok(false),
        }
    }
    Ok(request.keep_alive)
}

fn response(status: Status, kind: &str, length: usize, keep_alive: bool) -> String {
    let (number, phrase) = status;
    let connection = if keep_alive { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {number} {phrase}\r\n\
         Server: patina/{}\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {length}\r\n\
         Cache-Control: no-store\r\n\
         Vary: Accept\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: {connection}\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

async fn refuse(channel: &mut Channel<'_>, status: Status) -> io::Result<()> {
    let body = format!("{} {}\n", status.0, status.1);
    let answer = response(status, "text/plain; charset=utf-8", body.len(), false);
    channel.write_all(format!("{answer}{body}").as_bytes()).await
}

fn is_cut(error: &io::Error) -> bool {
    match Error::from_io(error) {
        Some(error) => matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Io),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        for json in [
            "application/json",
            "application/json, */*",
            "text/html;q=0.5, application/json",
            "application/*",
        ] {
            assert!(prefers_json(json), "{json}");
        }
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for html in [
            "",
            "*/*",
            browser,
            "text/html, application/json",
            "application/json;q=0",
            "application/json;q=0.5, text/*",
        ] {
            assert!(!prefers_json(html), "{html}");
        }
    }

    #[test]
    fn a_request_says_how_it_is_to_be_answered() {
        let request = parse(b"GET /a.json?x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(request.json && request.keep_alive && !request.head_only);
        let request = parse(b"HEAD / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
        assert!(!request.json && request.keep_alive && request.head_only);
        assert!(!parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(!parse(b"GET / HTTP/1.1\nConnection: x, close\n\n").unwrap().keep_alive);
        assert_eq!(parse(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n").unwrap().body, Some(5));
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, None);
    }

    #[test]
    fn what_is_no_request_has_a_status() {
        assert_eq!(parse(b"PRI * HTTP/2.0\r\n\r\n"), Err(NOT_HTTP_1));
        assert_eq!(parse(b"CONNECT a:1 HTTP/1.1\r\n\r\n"), Err(NO_TUNNEL));
        let bad: [&[u8]; 6] = [
            b"\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ];
        for bad in bad {
            assert_eq!(parse(bad), Err(BAD_REQUEST), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Some(24));
        assert_eq!(head_end(b"GET / HTTP/1.1\n\nrest"), Some(16));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nA: b\r\n"), None);
    }
}
