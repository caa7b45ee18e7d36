//! What servers keep: the session store of the program `patina`.

use crate::support::folder::Folder;
use crate::support::program::{Serving, lines, refusal, reused, text};
use crate::support::redis::Redis;
use crate::support::s_client::{handshakes, s_client_echoed};

#[test]
fn sessions_are_kept_in_memory_and_resumed_by_id() {
    let server = Serving::rsa(&["--session-store", "memory"]);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let output = server.connect(&["--quit", "--json", "--reconnect", "1", "--max-version", version]);
        let events = lines(&output.stdout);
        let secure: Vec<_> = events.iter().filter(|event| event["event"] == "secure").collect();
        assert_eq!(secure.len(), 2, "{}", text(&output.stderr));
        assert_eq!(
            (&secure[0]["session_reused"], &secure[1]["session_reused"]),
            (&false.into(), &true.into())
        );
        // TLS 1.3 has no ids but those that look like tickets.
        if version == "TLSv1.2" {
            assert_eq!(secure[1]["ticket"], false);
            assert_eq!(secure[0]["session_id"], secure[1]["session_id"]);
        }
    }
}

#[test]
fn two_processes_on_one_redis_resume_each_other_s_clients() {
    let (redis, folder) = (Redis::start("processes"), Folder::new("redis-sessions"));
    let (one, two) =
        (Serving::rsa(&["--session-store", &redis.tcp()]), Serving::rsa(&["--session-store", &redis.unix()]));
    let other = Serving::rsa(&["--session-store", "memory"]);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let common = ["--json", "--send", "x", "--max-version", version];
        for (first, second) in [(&one, &two), (&two, &one)] {
            let file = folder.path(version);
            let connected = first.connect(&[&common[..], &["--session-out", &file]].concat());
            assert!(!reused(&connected));
            let expected = [(&other, false), (second, true)];
            for (server, expected) in expected {
                let connected = server.connect(&[&common[..], &["--session-in", &file]].concat());
                assert_eq!(reused(&connected), expected, "{version}");
            }
        }
    }
}

#[test]
fn s_client_resumes_across_two_processes_on_one_redis() {
    let (redis, folder) = (Redis::start("s-client"), Folder::new("redis-s-client"));
    let store = redis.tcp();
    let serve = || Serving::rsa(&["--session-store", &store]);
    let (one, two) = (serve(), serve());
    for version in ["-tls1_2", "-tls1_3"] {
        let file = folder.path(version);
        let first = s_client_echoed(&one, &[version, "-sess_out", &file]);
        assert_eq!(handshakes(&first), (1, 0), "{first}");
        let second = s_client_echoed(&two, &[version, "-sess_in", &file]);
        assert_eq!(handshakes(&second), (0, 1), "{second}");
    }
}

#[test]
fn s_client_reconnects_by_session_id() {
    let redis = Redis::start("reconnect");
    for store in ["memory", &redis.tcp()] {
        let server = Serving::rsa(&["--session-store", store]);
        let printed = s_client_echoed(&server, &["-tls1_2", "-reconnect"]);
        assert_eq!(handshakes(&printed), (1, 5), "{store}: {printed}");
    }
}

#[test]
fn a_redis_that_does_not_answer_is_told_and_costs_full_handshakes() {
    let nowhere = Folder::new("no-redis");
    let server = Serving::rsa(&["--session-store", &format!("redis+unix://{}", nowhere.path("socket"))]);
    let output = server.connect(&["--quit", "--json", "--reconnect", "2", "--max-version", "TLSv1.2"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let events = lines(&output.stdout);
    let reused: Vec<_> =
        events.iter().filter(|e| e["event"] == "secure").map(|e| e["session_reused"].clone()).collect();
    assert_eq!(reused, [false, false, false]);
}

#[test]
fn a_session_store_that_is_none_is_refused() {
    for wrong in ["disk", "redis:", "redis://", "rediss://localhost"] {
        let (code, line) = refusal(&["serve", "--session-store", wrong]);
        assert_eq!(code, 2);
        assert!(line.starts_with("patina: ") && line.contains("--session-store"), "{line}");
    }
    let (code, line) = refusal(&["serve", "--session-store", "memory", "--ticket-keys", &"00".repeat(48)]);
    assert_eq!(
        (code, line.as_str()),
        (2, "patina: --ticket-keys: with --session-store there are no tickets\n")
    );
}
