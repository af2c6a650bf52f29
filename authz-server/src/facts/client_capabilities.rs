//! What a client of a handshake-era server declared at `initialize`.
//!
//! A later call of the 2025-11-25 wire does not repeat the client's capabilities, yet only a client that declared
//! `elicitation.url` may be sent to an approval page (error -32042). The fact is kept in memory: when it is lost (a
//! restart, another replica, eviction), the client gets the plain error form, which every client understands.

use std::time::Duration;

use moka::sync::Cache;

/// Most (agent, server) pairs that are remembered; each takes about 200 bytes.
const CAPACITY: u64 = 10_000;

/// A session older than this has long been re-initialised by every known client.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// Remembers, per agent and server, whether the last `initialize` declared URL elicitation.
#[derive(Debug)]
pub struct ClientCapabilities {
    url_elicitation: Cache<(String, String), bool>,
}

impl Default for ClientCapabilities {
    fn default() -> Self {
        Self { url_elicitation: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build() }
    }
}

impl ClientCapabilities {
    /// Notes what an allowed `initialize` declared. The newest one counts.
    pub fn note(&self, agent: &str, server: &str, url_elicitation: bool) {
        self.url_elicitation.insert((agent.to_owned(), server.to_owned()), url_elicitation);
    }

    /// Whether this agent's client of this server can be sent to a URL; `false` when unknown.
    pub fn url_elicitation(&self, agent: &str, server: &str) -> bool {
        self.url_elicitation.get(&(agent.to_owned(), server.to_owned())).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_initialize_of_an_agent_at_a_server_counts_and_no_other() {
        let facts = ClientCapabilities::default();
        assert!(!facts.url_elicitation("a", "files"));
        facts.note("a", "files", true);
        assert!(facts.url_elicitation("a", "files"));
        assert!(!facts.url_elicitation("b", "files"));
        assert!(!facts.url_elicitation("a", "mail"));
        facts.note("a", "files", false);
        assert!(!facts.url_elicitation("a", "files"));
    }
}
