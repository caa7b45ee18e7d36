//! What servers keep: the session store of the program `patina`.

use crate::support::program::{Serving, lines, text};

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
