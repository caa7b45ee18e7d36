//! The session stores of the library: in memory, and in a real Redis.

use patina_tls::{ClientConfig, MemorySessionStore, ProtocolVersion, ServerConfig, Session, SessionStore};

use crate::resumption::{resume, session_of};
use crate::support::pair::{client, server};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn with_store(store: impl SessionStore + 'static) -> ServerConfig {
    server().session_store(store).build().unwrap()
}

fn of(version: ProtocolVersion) -> ClientConfig {
    client().versions(version).build().unwrap()
}

async fn is_resumed(client: &ClientConfig, session: &Session, server: &ServerConfig) -> bool {
    let (near, far) = resume(client, session, server).await;
    assert_eq!(near.negotiated().session_reused(), far.negotiated().session_reused());
    assert!(near.negotiated().authorized());
    near.negotiated().session_reused()
}

#[tokio::test]
async fn servers_with_one_store_in_memory_resume_each_other_s_clients() {
    for version in BOTH {
        let store = MemorySessionStore::new();
        let (client, one, two) = (of(version), with_store(store.clone()), with_store(store.clone()));
        let session = session_of(&client, "localhost", &one).await;
        assert!(!store.is_empty());
        assert!(!is_resumed(&client, &session, &with_store(MemorySessionStore::new())).await, "{version}");
        assert!(is_resumed(&client, &session, &two).await, "{version}");
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::time::Duration;

    use patina_tls::RedisSessionStore;
    use tokio::net::UnixListener;

    use super::*;
    use crate::support::folder::Folder;
    use crate::support::redis::Redis;

    fn store(address: &str) -> RedisSessionStore {
        RedisSessionStore::new(address).unwrap()
    }

    #[tokio::test]
    async fn servers_on_one_redis_resume_each_other_s_clients() {
        let redis = Redis::start("library");
        for version in BOTH {
            let client = of(version);
            let (one, two) = (with_store(store(&redis.tcp())), with_store(store(&redis.unix())));
            let session = session_of(&client, "localhost", &one).await;
            let apart = with_store(store(&redis.tcp()).prefix("somebody else:"));
            assert!(!is_resumed(&client, &session, &apart).await, "{version}: another prefix");
            assert!(is_resumed(&client, &session, &two).await, "{version}");
            let session = session_of(&client, "localhost", &two).await;
            assert!(is_resumed(&client, &session, &one).await, "{version}");
        }
    }

    #[tokio::test]
    async fn a_session_is_in_redis_for_its_lifetime() {
        let redis = Redis::start("lifetime");
        for version in BOTH {
            redis.cli(&["FLUSHALL"]);
            let store = store(&redis.unix()).prefix("p:");
            let server =
                server().session_timeout(Duration::from_secs(100)).session_store(store).build().unwrap();
            let session = session_of(&of(version), "localhost", &server).await;
            let keys = redis.cli(&["KEYS", "p:*"]);
            if version == ProtocolVersion::TLSv1_2 {
                let id: String = session.id().iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(keys, [format!("p:{id}")]);
            }
            assert!(!keys.is_empty(), "{version}");
            for key in keys {
                let left: u64 = redis.cli(&["TTL", &key])[0].parse().unwrap();
                assert!((1..=100).contains(&left), "{version} {left}");
            }
        }
    }

    #[tokio::test]
    async fn a_session_that_was_removed_from_redis_is_not_resumed() {
        let redis = Redis::start("removed");
        let store = store(&redis.tcp());
        let server = with_store(store.clone());
        let client = of(ProtocolVersion::TLSv1_2);
        let session = session_of(&client, "localhost", &server).await;
        assert!(is_resumed(&client, &session, &server).await);
        store.remove(session.id().to_vec()).await.unwrap();
        assert!(!is_resumed(&client, &session, &server).await);
        assert!(store.get(session.id().to_vec()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_no_session_in_redis_costs_a_full_handshake() {
        let redis = Redis::start("garbage");
        let server = with_store(store(&redis.tcp()).prefix("p:"));
        let client = of(ProtocolVersion::TLSv1_2);
        let session = session_of(&client, "localhost", &server).await;
        for key in redis.cli(&["KEYS", "p:*"]) {
            redis.cli(&["SET", &key, "no session"]);
        }
        assert!(!is_resumed(&client, &session, &server).await);
    }

    #[tokio::test]
    async fn a_redis_that_is_down_costs_full_handshakes_until_it_is_up_again() {
        for version in BOTH {
            let mut redis = Redis::start("down");
            let store = store(&redis.unix());
            let (client, server) = (of(version), with_store(store.clone()));
            let session = session_of(&client, "localhost", &server).await;
            assert!(is_resumed(&client, &session, &server).await, "{version}");
            let session = session_of(&client, "localhost", &server).await;
            redis.kill();
            assert!(store.check().await.is_err());
            assert!(!is_resumed(&client, &session, &server).await, "{version}");
            redis.restart();
            // The first calls may still meet the connection that is lost.
            let mut up = false;
            for _ in 0..5 {
                up = up || store.check().await.is_ok();
            }
            assert!(up, "the store finds its Redis again");
            let session = session_of(&client, "localhost", &server).await;
            assert!(is_resumed(&client, &session, &server).await, "{version}: up again");
        }
    }

    #[tokio::test]
    async fn a_redis_that_never_was_costs_full_handshakes() {
        let folder = Folder::new("never");
        let server = with_store(store(&format!("redis+unix://{}", folder.path("socket"))));
        for version in BOTH {
            let client = of(version);
            let session = session_of(&client, "localhost", &server).await;
            assert!(!is_resumed(&client, &session, &server).await, "{version}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_redis_that_hangs_costs_full_handshakes() {
        let folder = Folder::new("hangs");
        let path = folder.path("socket");
        // The system takes the connections; nobody reads them.
        let _listener = UnixListener::bind(&path).unwrap();
        let store = store(&format!("redis+unix://{path}"));
        for version in BOTH {
            for limit in [Duration::from_millis(100), Duration::from_secs(3600)] {
                // Once the store's own limits end the wait, and once those of the configuration.
                let store = store.clone().connect_timeout(limit).response_timeout(limit);
                let (client, server) = (of(version), with_store(store));
                let session = session_of(&client, "localhost", &server).await;
                assert!(!is_resumed(&client, &session, &server).await, "{version} {limit:?}");
            }
        }
    }
}
