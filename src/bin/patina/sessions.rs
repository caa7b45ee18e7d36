//! Where a server keeps its sessions.

use patina_tls::{ConfigBuilder, MemorySessionStore, RedisSessionStore, Server};

/// The value of `--session-store`. A clone is the same store.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// Nowhere: clients keep them, as tickets.
    None,
    /// In memory: gone with the process.
    Memory(MemorySessionStore),
    /// In Redis.
    Redis(Box<RedisSessionStore>),
}

impl Store {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Store::None)
    }

    pub(crate) fn serve(&self, builder: ConfigBuilder<Server>) -> ConfigBuilder<Server> {
        match self {
            Store::None => builder,
            Store::Memory(store) => builder.session_store(store.clone()),
            Store::Redis(store) => builder.session_store(RedisSessionStore::clone(store)),
        }
    }

    /// What is to be told about the store when the server begins.
    pub(crate) async fn warning(&self) -> Option<String> {
        let Store::Redis(store) = self else { return None };
        let error = store.check().await.err()?;
        Some(format!("--session-store: {}; until it does, every handshake is a full one", error.message()))
    }
}

/// Reads `none`, `memory`, or an address of a Redis.
pub(crate) fn parse(text: &str) -> Result<Store, String> {
    match text {
        "none" => Ok(Store::None),
        "memory" => Ok(Store::Memory(MemorySessionStore::new())),
        _ if text.starts_with("redis") => RedisSessionStore::new(text)
            .map(Box::new)
            .map(Store::Redis)
            .map_err(|error| error.message().to_owned()),
        _ => Err("it is none, memory, or redis://HOST:PORT".to_owned()),
    }
}
