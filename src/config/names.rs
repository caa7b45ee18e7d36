//! The static names of a server: which configuration answers which name.

use super::context::Config;
use super::side::Server;
use crate::values::name_pattern::ServerNamePattern;

/// Patterns with their configurations. The latest match wins, as with Node's `addContext`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<(ServerNamePattern, Config<Server>)>);

impl Names {
    pub(crate) fn push(&mut self, pattern: ServerNamePattern, config: Config<Server>) {
        self.0.push((pattern, config));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Config<Server>> {
        self.0.iter().rev().find(|(pattern, _)| pattern.matches(name)).map(|(_, config)| config)
    }
}
