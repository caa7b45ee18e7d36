//! Sessions in Redis, for servers in several processes and on several machines.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError};

use super::resolver::{HookFuture, HookResult};
use super::session_store::SessionStore;
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;

/// How long a connection to Redis may take to be made, and how long an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// What the keys in Redis begin with.
const PREFIX: &str = "patina-tls:session:";

/// A [`SessionStore`] in Redis, or in what speaks its protocol: servers that share it resume each other's clients.
///
/// A session is kept with `SET key session EX lifetime`, so that Redis drops it when its lifetime is over; the key is
/// the prefix and the session's id in hexadecimal digits. The connection is made when the store is first asked, in the tokio
/// runtime of that moment, and made again when it is lost. A clone shares the connection.
///
/// | option | default |
/// | --- | --- |
/// | `prefix` | `patina-tls:session:` |
/// | `connect_timeout` | 500 ms |
/// | `response_timeout` | 500 ms |
///
/// # Examples
///
/// ```
/// use patina_tls::{Identity, RedisSessionStore, ServerConfig};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let sessions = RedisSessionStore::new("redis://127.0.0.1:6379/0")?.prefix("shop:tls:");
/// let identity = Identity::self_signed(["localhost"])?;
/// let config = ServerConfig::builder().identity(identity).session_store(sessions).build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// See [`SessionStore`]. The sessions stand in Redis as they are, and travel to it in the clear: use a Unix socket, or a
/// network of your own, and a password or an ACL.
#[derive(Clone)]
pub struct RedisSessionStore {
    client: Client,
    prefix: Arc<str>,
    connect_timeout: Duration,
    response_timeout: Duration,
    manager: Arc<OnceLock<ConnectionManager>>,
}

impl RedisSessionStore {
    /// A store in the Redis at this address: `redis://[USER:PASSWORD@]HOST:PORT[/DATABASE]`, or
    /// `redis+unix:///PATH[?db=DATABASE]` for a Unix socket.
    ///
    /// Nothing is connected yet: see [`check`](RedisSessionStore::check).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `session_store` when it is no such address.
    pub fn new(address: &str) -> Result<RedisSessionStore, Error> {
        let client = Client::open(address)
            .map_err(|error| Error::config("session_store", format!("no address of a Redis: {error}")))?;
        Ok(RedisSessionStore {
            client,
            prefix: PREFIX.into(),
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            manager: Arc::default(),
        })
    }

    /// Sets what the keys begin with: one prefix for those servers that shall resume each other's clients.
    #[must_use]
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = prefix.as_ref().into();
        self
    }

    /// Sets how long a connection may take to be made. Default: 500 ms.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self.apart()
    }

    /// Sets how long an answer may take. Default: 500 ms.
    #[must_use]
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.response_timeout = limit;
        self.apart()
    }

    /// Asks Redis whether it answers.
    ///
    /// # Errors
    /// [`ErrorKind::Hook`] with the option `session_store` when it does not.
    pub async fn check(&self) -> Result<(), Error> {
        let answer: Result<String, RedisError> = self.ask(redis::cmd("PING")).await;
        answer.map(drop).map_err(|error| {
            Error::new(ErrorKind::Hook, format!("Redis does not answer: {error}"))
                .with_option("session_store")
        })
    }

    /// A connection of its own, with other limits than that of the clones.
    fn apart(mut self) -> Self {
        self.manager = Arc::default();
        self
    }

    fn key(&self, id: &[u8]) -> String {
        let mut key = String::from(&*self.prefix);
        key.extend(id.iter().map(|byte| format!("{byte:02x}")));
        key
    }

    /// The connection. It has to be made within a runtime, where the futures of the store run.
    fn manager(&self) -> Result<ConnectionManager, RedisError> {
        if let Some(manager) = self.manager.get() {
            return Ok(manager.clone());
        }
        // Nobody waits for a second try: the next handshake is one.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout));
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        Ok(self.manager.get_or_init(|| manager).clone())
    }

    fn ask<T: FromRedisValue>(
        &self,
        command: Cmd,
    ) -> impl Future<Output = Result<T, RedisError>> + Send + 'static {
        let store = self.clone();
        async move { command.query_async(&mut store.manager()?).await }
    }
}

impl SessionStore for RedisSessionStore {
    fn get(&self, id: Vec<u8>) -> HookFuture<HookResult<Option<Secret>>> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(&id));
        let answer = self.ask::<Option<Vec<u8>>>(command);
        Box::pin(async { Ok(answer.await?.map(Secret::from)) })
    }

    fn put(&self, id: Vec<u8>, session: Secret, lifetime: Duration) -> HookFuture<HookResult<()>> {
        // Redis takes whole seconds, and at least one.
        let seconds = lifetime.as_secs();
        if seconds == 0 {
            return Box::pin(async { Ok(()) });
        }
        let mut command = redis::cmd("SET");
        command.arg(self.key(&id)).arg(session.as_bytes()).arg("EX").arg(seconds);
        let answer = self.ask::<()>(command);
        Box::pin(async { Ok(answer.await?) })
    }

    fn remove(&self, id: Vec<u8>) -> HookFuture<HookResult<()>> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(&id));
        let answer = self.ask::<()>(command);
        Box::pin(async { Ok(answer.await?) })
    }
}

impl fmt::Debug for RedisSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may have a password in it.
        f.debug_struct("RedisSessionStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_of_redis_is_refused() {
        for address in ["", "localhost", "http://localhost:6379", "redis://", "redis://host:port"] {
            let error = RedisSessionStore::new(address).unwrap_err();
            assert_eq!(
                (error.kind(), error.option()),
                (ErrorKind::Config, Some("session_store")),
                "{address}"
            );
        }
    }

    #[test]
    fn a_key_is_the_prefix_and_the_id_in_digits() {
        let store = RedisSessionStore::new("redis://localhost").unwrap();
        assert_eq!(store.key(&[0, 0xab, 0xff]), "patina-tls:session:00abff");
        assert_eq!(store.prefix("mine:").key(&[1]), "mine:01");
    }

    #[test]
    fn the_debug_form_shows_no_password() {
        let store = RedisSessionStore::new("redis://user:hunter2@localhost").unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
