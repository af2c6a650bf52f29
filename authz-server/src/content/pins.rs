//! What the content stage asks of whoever keeps approved definitions, and what it tells.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Instant;

use interdict_content::rules::ListRules;
use interdict_mcp::Message;
use interdict_mcp::json::Value;
use interdict_policy::Server;
use interdict_proto::outcome::{Quarantined, Seen};

use crate::pins::PinRefusal;

/// Where a response came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The decision that let the request through.
    pub decision_id: String,
    /// The agent's tenant.
    pub tenant: String,
    /// Registry id of the agent.
    pub agent: String,
    /// Registry id of the server.
    pub server: String,
    /// The tool that was called, if it was one tool.
    pub tool: Option<String>,
}

/// Approved definitions.
pub trait Pins: Send + Sync {
    /// Which entries of lists of this server are shown; `None`: all, unseen.
    fn list_rules(&self, tenant: &str, server: &str) -> Option<ListRules>;

    /// The approved `outputSchema` of a tool, as JSON text.
    fn output_schema(&self, tenant: &str, server: &str, tool: &str) -> Option<String>;

    /// Names of tools of other servers that an agent of this tenant may call: text that names them is suspicious.
    fn tools(&self, tenant: &str) -> BTreeSet<String>;

    /// Entries of lists that are news, and texts that were replaced by a handle. Their bounds are checked.
    fn learn(&self, origin: &Origin, seen: &[Seen], quarantined: &[Quarantined]);

    /// Whether a message may go on, as far as pins are concerned; it may have to wait a moment, not beyond `deadline`.
    fn admit<'a>(
        &'a self,
        _server: &'a Server,
        _message: &'a Message<'a>,
        _deadline: Option<Instant>,
    ) -> Admission<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Why a person is to be asked about a message that may go on otherwise; `None`: on account of pins, nobody.
    fn stale(&self, _server: &Server, _message: &Message<'_>) -> Option<PinRefusal> {
        None
    }

    /// Whether a tool may be called with these arguments.
    ///
    /// # Errors
    /// Why not.
    fn check_arguments(
        &self,
        _server: &Server,
        _tool: &str,
        _arguments: Option<Value<'_>>,
    ) -> Result<(), PinRefusal> {
        Ok(())
    }
}

/// Whether a message may go on, sooner or later.
pub type Admission<'a> = Pin<Box<dyn Future<Output = Result<(), PinRefusal>> + Send + 'a>>;

/// Nothing is pinned.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPins;

impl Pins for NoPins {
    fn list_rules(&self, _tenant: &str, _server: &str) -> Option<ListRules> {
        None
    }

    fn output_schema(&self, _tenant: &str, _server: &str, _tool: &str) -> Option<String> {
        None
    }

    fn tools(&self, _tenant: &str) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn learn(&self, _origin: &Origin, _seen: &[Seen], _quarantined: &[Quarantined]) {}
}
