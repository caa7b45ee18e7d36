//! Ends of connections: clean, half, cut.

use std::io::ErrorKind;

use patina_tls::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{client, pair, server};

#[tokio::test]
async fn close_notify_ends_one_direction_only() {
    let (mut client, mut server) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"last words");
    assert!(server.is_closed_by_peer());

    server.write_all(b"still talking").await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"still talking");

    let error = client.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_cut_is_truncated_and_never_a_clean_end() {
    let (mut client, server) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    drop(server);
    let error = client.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error:?}");
    let own = Error::from_io(&error).unwrap();
    assert_eq!((own.kind(), own.code()), (patina_tls::ErrorKind::Truncated, "ECONNRESET"));
}

#[tokio::test]
async fn what_was_written_before_a_cut_is_read_before_the_error() {
    let (mut client, mut server) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    server.write_all(b"all of this").await.unwrap();
    drop(server);
    let mut heard = Vec::new();
    let error = client.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!((heard.as_slice(), error.kind()), (&b"all of this"[..], ErrorKind::UnexpectedEof));
}
