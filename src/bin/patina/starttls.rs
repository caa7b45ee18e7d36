//! `--starttls`: what is said in the clear before the handshake.
//!
//! Everything is read byte by byte: what a server, or somebody on the way, sends behind its consent stays in the socket, where
//! it cannot be taken for a part of what TLS protects (CVE-2011-0411).

use std::io;

use clap::ValueEnum;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure::Report;
use crate::output::printable;

/// The longest that a server may say in the clear, in bytes.
const LONGEST: usize = 64 * 1024;

/// A protocol that begins in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartTls {
    /// RFC 3207
    Smtp,
    /// RFC 9051
    Imap,
    /// SSLRequest
    Postgres,
    /// SSLRequest
    Mysql,
    /// RFC 4511
    Ldap,
    /// RFC 6120
    Xmpp,
    /// RFC 4217
    Ftp,
}

/// Has the server agree to a handshake. `host` is whom the client means.
pub(crate) async fn upgrade<S>(protocol: StartTls, host: &str, stream: &mut S) -> Result<(), Report>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk { stream, heard: 0 };
    match protocol {
        StartTls::Smtp => talk.smtp().await,
        StartTls::Imap => talk.imap().await,
        StartTls::Postgres => talk.postgres().await,
        StartTls::Mysql => talk.mysql().await,
        StartTls::Ldap => talk.ldap().await,
        StartTls::Xmpp => talk.xmpp(host).await,
        StartTls::Ftp => talk.ftp().await,
    }
}

/// A conversation, and how much of it was heard.
struct Talk<'a, S> {
    stream: &'a mut S,
    heard: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn smtp(&mut self) -> Result<(), Report> {
        self.reply("220").await?;
        self.say(b"EHLO patina\r\n").await?;
        let offers = self.reply("250").await?;
        if !offers
            .lines()
            .any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS")))
        {
            return Err(refused("it does not offer STARTTLS"));
        }
        self.say(b"STARTTLS\r\n").await?;
        self.reply("220").await.map(drop)
    }

    async fn ftp(&mut self) -> Result<(), Report> {
        self.reply("220").await?;
        self.say(b"AUTH TLS\r\n").await?;
        self.reply("234").await.map(drop)
    }

    async fn imap(&mut self) -> Result<(), Report> {
        let greeting = self.line().await?;
        if !greeting.starts_with("* OK") {
            return Err(said(&greeting));
        }
        self.say(b"a STARTTLS\r\n").await?;
        loop {
            let line = self.line().await?;
            match line.strip_prefix("a ") {
                Some(answer) if answer.starts_with("OK") => return Ok(()),
                Some(_) => return Err(said(&line)),
                None => {}
            }
        }
    }

    async fn xmpp(&mut self, host: &str) -> Result<(), Report> {
        const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-tls";
        let host = host.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
        let stream = "http://etherx.jabber.org/streams";
        let open = format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{stream}' to='{host}' version='1.0'>"
        );
        self.say(open.as_bytes()).await?;
        let features = self.until("</stream:features>").await?;
        if !(features.contains("<starttls") && features.contains(NAMESPACE)) {
            return Err(refused("it does not offer starttls"));
        }
        self.say(format!("<starttls xmlns='{NAMESPACE}'/>").as_bytes()).await?;
        let answer = self.until(">").await?;
        if answer.trim_start().starts_with("<proceed") { Ok(()) } else { Err(said(&answer)) }
    }

    async fn postgres(&mut self) -> Result<(), Report> {
        self.say(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
        match self.byte().await? {
            b'S' => Ok(()),
            b'N' => Err(refused("it has no TLS")),
            other => Err(said(&char::from(other).to_string())),
        }
    }

    async fn mysql(&mut self) -> Result<(), Report> {
        const PROTOCOL: u8 = 10;
        const HAS_TLS: u16 = 0x0800;
        let head = self.bytes(4).await?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        let greeting = self.bytes(length).await?;
        if greeting.first() != Some(&PROTOCOL) {
            return Err(refused("its greeting is not that of MySQL"));
        }
        // The version ends with NUL; then come the thread, 8 bytes of challenge, NUL, and the lower half of what it can.
        let version = greeting.iter().position(|byte| *byte == 0).unwrap_or(greeting.len());
        let able =
            greeting.get(version + 14..version + 16).map_or(0, |able| u16::from_le_bytes([able[0], able[1]]));
        if able & HAS_TLS == 0 {
            return Err(refused("it has no TLS"));
        }
        // 32 bytes, the second packet: protocol 4.1 with TLS and 4.1's passwords; packets of 16 MiB; utf8.
        let mut request = vec![32, 0, 0, 1, 0x00, 0x8a, 0, 0, 0, 0, 0, 1, 33];
        request.resize(4 + 32, 0);
        self.say(&request).await
    }

    async fn ldap(&mut self) -> Result<(), Report> {
        const EXTENDED_REQUEST: u8 = 0x77;
        const EXTENDED_RESPONSE: u8 = 0x78;
        let name = b"1.3.6.1.4.1.1466.20037";
        let mut request = vec![0x30, 29, 2, 1, 1, EXTENDED_REQUEST, 24, 0x80, 22];
        request.extend(name);
        self.say(&request).await?;
        let answer = self.element(0x30).await?;
        // The number of the message, then the response, whose first element is the code.
        match answer[..] {
            [2, 1, 1, EXTENDED_RESPONSE, _, 0x0a, 1, 0, ..] => Ok(()),
            [2, 1, 1, EXTENDED_RESPONSE, _, 0x0a, 1, code, ..] => {
                Err(refused(&format!("result code {code}")))
            }
            _ => Err(refused("its answer is not that of LDAP")),
        }
    }

    /// One element of BER, without tag and length.
    async fn element(&mut self, tag: u8) -> Result<Vec<u8>, Report> {
        if self.byte().await? != tag {
            return Err(refused("its answer is not that of LDAP"));
        }
        let length = match self.byte().await? {
            short @ 0..=0x7f => usize::from(short),
            long @ 0x81..=0x84 => {
                let bytes = self.bytes(usize::from(long & 0x7f)).await?;
                bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            _ => return Err(refused("its answer is not that of LDAP")),
        };
        self.bytes(length).await
    }

    /// A reply of one line or of several, all with this code.
    async fn reply(&mut self, code: &str) -> Result<String, Report> {
        let mut reply = String::new();
        loop {
            let line = self.line().await?;
            let rest = line.strip_prefix(code).ok_or_else(|| said(&line))?;
            reply.push_str(&line);
            reply.push('\n');
            match rest.as_bytes().first() {
                Some(b'-') => {}
                Some(b' ') | None => return Ok(reply),
                Some(_) => return Err(said(&line)),
            }
        }
    }

    async fn line(&mut self) -> Result<String, Report> {
        let line = self.until("\n").await?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn until(&mut self, end: &str) -> Result<String, Report> {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            heard.push(self.byte().await?);
        }
        Ok(String::from_utf8_lossy(&heard).into_owned())
    }

    async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Report> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.push(self.byte().await?);
        }
        Ok(bytes)
    }

    async fn byte(&mut self) -> Result<u8, Report> {
        self.heard += 1;
        if self.heard > LONGEST {
            return Err(refused("it talks without end"));
        }
        match self.stream.read_u8().await {
            Ok(byte) => Ok(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(refused("it has closed the connection"))
            }
            Err(error) => Err(Report::of_io(&error).doing("--starttls")),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Report> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| Report::of_io(&error).doing("--starttls"))
    }
}

fn refused(why: &str) -> Report {
    let reason = format!("--starttls: the server does not begin TLS: {why}");
    Report { code: "ERR_STARTTLS".to_owned(), reason, alert: None }
}

fn said(what: &str) -> Report {
    let short: String = what.chars().take(200).collect();
    refused(&format!("it said \"{}\"", printable(short.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a conversation in which the server says its parts, and what it has heard.
    async fn converse(protocol: StartTls, parts: &[&[u8]]) -> (Result<(), String>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(LONGEST * 4);
        for part in parts {
            far.write_all(part).await.unwrap();
        }
        // Nothing more will come.
        let (mut heard, mut speaking) = tokio::io::split(far);
        speaking.shutdown().await.unwrap();
        let outcome = upgrade(protocol, "it's.example", &mut near).await.map_err(|report| report.line());
        drop(near);
        let mut said = Vec::new();
        heard.read_to_end(&mut said).await.unwrap();
        (outcome, said)
    }

    fn mysql_greeting(able: u16) -> Vec<u8> {
        let mut greeting = b"\x0a8.0.36\0".to_vec();
        greeting.extend([7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
        greeting.extend(able.to_le_bytes());
        greeting.extend([0; 16]);
        let mut packet = vec![u8::try_from(greeting.len()).unwrap(), 0, 0, 0];
        packet.extend(greeting);
        packet
    }

    /// A protocol, what the server says, and what it must have heard.
    type Case<'a> = (StartTls, &'a [&'a [u8]], &'a [u8]);

    const LDAP: [u8; 31] = *b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    const MYSQL: [u8; 36] = [
        32, 0, 0, 1, 0, 0x8a, 0, 0, 0, 0, 0, 1, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0,
    ];

    #[tokio::test]
    async fn every_protocol_asks_as_its_standard_says() {
        let greeting = mysql_greeting(0xffff);
        let features = "<?xml version='1.0'?><stream:stream><stream:features><starttls \
            xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
        let xmpp = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
            xmlns:stream='http://etherx.jabber.org/streams' to='it&apos;s.example' version='1.0'>\
            <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let cases: [Case; 9] = [
            (
                StartTls::Smtp,
                &[
                    b"220-hello\r\n220 there\r\n",
                    b"250-mail\r\n250-SIZE 1\r\n250 starttls\r\n",
                    b"220 go\r\n",
                ],
                b"EHLO patina\r\nSTARTTLS\r\n",
            ),
            (StartTls::Imap, &[b"* OK hello\r\n", b"* CAPABILITY x\r\na OK go\r\n"], b"a STARTTLS\r\n"),
            (StartTls::Ftp, &[b"220 hello\r\n", b"234 go\r\n"], b"AUTH TLS\r\n"),
            (StartTls::Postgres, &[b"S"], &[0, 0, 0, 8, 4, 210, 22, 47]),
            (StartTls::Mysql, &[&greeting], &MYSQL),
            (StartTls::Ldap, &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"], &LDAP),
            (StartTls::Ldap, &[b"\x30\x81\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"], &LDAP),
            (StartTls::Ldap, &[b"\x30\x84\0\0\0\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"], &LDAP),
            (
                StartTls::Xmpp,
                &[features.as_bytes(), b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
                xmpp.as_bytes(),
            ),
        ];
        for (protocol, parts, expected) in cases {
            let (outcome, said) = converse(protocol, parts).await;
            assert_eq!(outcome, Ok(()), "{protocol:?}");
            assert_eq!(said, expected, "{protocol:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_agree_is_told() {
        let without_tls = mysql_greeting(0xf7ff);
        let endless = vec![b'x'; LONGEST + 1];
        let cases: [(StartTls, &[&[u8]], &str); 11] = [
            (StartTls::Smtp, &[b"220 a\r\n250 mail\r\n"], "it does not offer STARTTLS"),
            (StartTls::Smtp, &[b"554 no\x1b[31m\r\n"], "it said \"554 no\\u{1b}[31m\""),
            (StartTls::Smtp, &[&endless], "it talks without end"),
            (StartTls::Imap, &[b"* OK a\r\na BAD b\r\n"], "it said \"a BAD b\""),
            (StartTls::Ftp, &[b"220 a\r\n502 b\r\n"], "it said \"502 b\""),
            (StartTls::Postgres, &[b"N"], "it has no TLS"),
            (StartTls::Postgres, &[b""], "it has closed the connection"),
            (StartTls::Mysql, &[&without_tls], "it has no TLS"),
            (StartTls::Mysql, &[b"\x03\0\0\0abc"], "its greeting is not that of MySQL"),
            (
                StartTls::Ldap,
                &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"],
                "result code 52",
            ),
            (StartTls::Xmpp, &[b"<stream:features/></stream:features>"], "it does not offer starttls"),
        ];
        for (protocol, parts, why) in cases {
            let (outcome, _) = converse(protocol, parts).await;
            let expected = format!("ERR_STARTTLS: --starttls: the server does not begin TLS: {why}");
            assert_eq!(outcome, Err(expected), "{protocol:?}");
        }
    }
}
