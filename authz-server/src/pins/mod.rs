//! Pins: which definitions of tools, prompts, templates and instructions an operator approved.
//!
//! The enforcement point holds every list against the pins and tells what is new or different ([`Pins::saw`]); a person
//! approves it ([`Pins::approve`]), or first use does where the server is set so. Decisions see a snapshot in memory and
//! wait for nothing; the file is written by one thread, and what another server on the same file changes is seen within
//! 250 ms.

mod checks;
mod entry;
mod inbox;
mod mask;
mod people;
mod reports;
mod snapshot;
mod stage;
#[cfg(test)]
mod tests;
mod turn;
mod vault;
mod worker;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use interdict_content::definition::EntryKind;
use interdict_content::rules::{ListRules, OutputRule};
use interdict_mcp::json::Value;
use interdict_mcp::{Message, MessageKind};
use interdict_policy::{Bundle, Direction, Server, ToolPinning, UndeclaredArguments};
use tokio::sync::watch;

pub use self::entry::{
    Answered, Entry, Event, FIRST_USE, Happened, Key, Pin, PinError, PinState, SeenAs, Sighting, Trust,
};
use self::inbox::Asked;
use self::mask::Mask;
pub use self::people::{AnswerError, Suspicion};
pub use self::reports::kind_of;
use self::snapshot::Snapshot;
use self::turn::Turns;
pub use self::vault::QuarantinedText;
pub(crate) use self::vault::{KEY as QUARANTINE_KEY, Vault};
use self::worker::Worker;
use crate::audit::Recorder;
use crate::clock::Clock;
use crate::telemetry::metrics::Metrics;

/// Name of the database, beside that of approvals.
pub const DATABASE: &str = "interdict-pins.db";

/// How long a call of a tool that nobody knows waits for the report of the list that it was found on.
pub(crate) const REPORT_TAKES: Duration = Duration::from_secs(1);

/// All pins. Cloning shares them; the thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Pins {
    snapshot: Arc<ArcSwap<Snapshot>>,
    changed: watch::Receiver<u64>,
    jobs: Sender<Asked>,
    bundle: Arc<ArcSwap<Bundle>>,
    recorder: Option<Arc<dyn Recorder>>,
    clock: Arc<dyn Clock>,
    vault: Arc<Vault>,
    turns: Turns,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}

/// Which entries of lists an agent may use: exact names, or prefixes ending in `*`. `None`: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Tools.
    pub tools: Option<Vec<String>>,
    /// Prompts.
    pub prompts: Option<Vec<String>>,
    /// URIs.
    pub resources: Option<Vec<String>>,
}

/// Why a call does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRefusal {
    /// `tool.unpinned`, `tool.drift`, `tool.schema`, or `tool.stale` where a person is to be asked.
    pub code: &'static str,
    /// For the caller; nothing of the arguments.
    pub text: String,
}

impl PinRefusal {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl Pins {
    /// Opens or creates the database and reads it. What is found is recorded with `recorder`.
    ///
    /// # Errors
    /// [`PinError::Unavailable`] with the file's name.
    pub fn open(
        file: &Path,
        bundle: Arc<ArcSwap<Bundle>>,
        recorder: Option<Arc<dyn Recorder>>,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Self, PinError> {
        let vault = Arc::new(Vault::open(file)?);
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let (jobs, changed) = Worker::start(
            (file, &vault),
            Arc::clone(&bundle),
            Arc::clone(&snapshot),
            recorder.clone(),
            metrics,
        )?;
        Ok(Self { snapshot, changed, jobs, bundle, recorder, clock, vault, turns: Turns::default() })
    }

    // === for decisions ===

    /// Whether a message may go on, as far as pins are concerned. A call of a tool that first use would approve waits
    /// for its sighting, up to a second and not beyond `deadline`.
    ///
    /// # Errors
    /// Why it may not.
    pub async fn admit(
        &self,
        server: &Server,
        message: &Message<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), PinRefusal> {
        if server.tool_pinning == ToolPinning::Off || message.kind() != MessageKind::Request {
            return Ok(());
        }
        let (kind, name) = match (message.tool(), message.prompt_name()) {
            (Some(tool), _) => (EntryKind::Tool, tool),
            (None, Some(prompt)) => (EntryKind::Prompt, prompt),
            (None, None) => return Ok(()),
        };
        if server.tool_pinning == ToolPinning::TrustFirst && !self.knows(server, kind, &name) {
            let limit = Instant::now() + REPORT_TAKES;
            let limit = deadline.map_or(limit, |deadline| deadline.min(limit));
            let mut changed = self.changed.clone();
            while !self.knows(server, kind, &name) {
                let news = tokio::time::timeout_at(limit.into(), changed.changed()).await;
                if !matches!(news, Ok(Ok(()))) {
                    break;
                }
            }
        }
        match kind {
            EntryKind::Tool => self.check_arguments(server, &name, message.arguments()),
            _ => self.check_prompt(server, &name),
        }
    }

    fn knows(&self, server: &Server, kind: EntryKind, name: &str) -> bool {
        let snapshot = self.snapshot.load();
        let Some(pins) = snapshot.server(&server.tenant, &server.id) else { return false };
        match kind {
            EntryKind::Tool => pins.tool(name).is_some(),
            _ => pins.prompt(name).is_some(),
        }
    }

    /// Whether a tool may be called with these arguments: it is pinned, and they are what its approved schema says.
    ///
    /// # Errors
    /// Why not.
    pub fn check_arguments(
        &self,
        server: &Server,
        tool: &str,
        arguments: Option<Value<'_>>,
    ) -> Result<(), PinRefusal> {
        if server.tool_pinning == ToolPinning::Off {
            return Ok(());
        }
        let snapshot = self.snapshot.load();
        let known = snapshot.server(&server.tenant, &server.id).and_then(|pins| pins.tool(tool));
        in_force("tool", known.map(|known| (known.state, known.checks.is_some())))?;
        let Some(checks) = known.and_then(|known| known.checks.as_ref()) else { return Ok(()) };
        let strict = server.undeclared_arguments == UndeclaredArguments::Refuse;
        checks.arguments(arguments, strict).map_err(|unfit| {
            PinRefusal::new(
                "tool.schema",
                match unfit {
                    checks::Unfit::Violation(violation) => {
                        format!("The arguments are not what the tool's approved schema says: {violation}.")
                    }
                    checks::Unfit::Schema(error) => {
                        format!("The tool's approved schema cannot be checked: {error}.")
                    }
                },
            )
        })
    }

    /// Why a person is to be asked about a call of something approved: what stands behind its server is not what stood
    /// there when it was approved. Asked beside [`Pins::admit`], of the bundle that decides.
    pub fn stale(&self, server: &Server, message: &Message<'_>) -> Option<PinRefusal> {
        if server.tool_pinning == ToolPinning::Off || message.kind() != MessageKind::Request {
            return None;
        }
        let snapshot = self.snapshot.load();
        let pins = snapshot.server(&server.tenant, &server.id)?;
        let known = match (message.tool(), message.prompt_name()) {
            (Some(tool), _) => pins.tool(&tool)?,
            (None, Some(prompt)) => pins.prompt(&prompt)?,
            (None, None) => return None,
        };
        known.is_stale(server.image_digest.as_deref()).then(|| {
            let text = "What stands behind this server was replaced since its tools were approved; a person must approve.";
            PinRefusal::new("tool.stale", text)
        })
    }

    fn check_prompt(&self, server: &Server, name: &str) -> Result<(), PinRefusal> {
        let snapshot = self.snapshot.load();
        let known = snapshot.server(&server.tenant, &server.id).and_then(|pins| pins.prompt(name));
        // Of a prompt nothing is kept but where it stands.
        in_force("prompt", known.map(|known| (known.state, known.state != PinState::Review)))
    }

    /// What the enforcement point holds the lists of a server against; `None` when there is nothing to hold.
    pub fn list_rules(&self, server: &Server, permissions: Permissions) -> Option<ListRules> {
        let permits_all = permissions == Permissions::default();
        let pinned = server.tool_pinning != ToolPinning::Off;
        if !pinned && permits_all {
            return None;
        }
        let snapshot = self.snapshot.load();
        let pins = snapshot.server(&server.tenant, &server.id).filter(|_| pinned);
        let mut rules = pins.map(|pins| pins.rules().clone()).unwrap_or_default();
        if pinned {
            // Nothing is approved yet: that is not the same as not pinned.
            rules.tools.get_or_insert_default();
            rules.prompts.get_or_insert_default();
            rules.templates.get_or_insert_default();
        }
        rules.trust_first = server.tool_pinning == ToolPinning::TrustFirst;
        rules.permitted_tools = permissions.tools;
        rules.permitted_prompts = permissions.prompts;
        rules.permitted_resources = permissions.resources;
        Some(rules)
    }

    /// What a structured result of a tool may look like, from its pinned `outputSchema`.
    pub fn output_rule(&self, server: &Server, tool: &str) -> Option<OutputRule> {
        if server.tool_pinning == ToolPinning::Off {
            return None;
        }
        let snapshot = self.snapshot.load();
        let known = snapshot.server(&server.tenant, &server.id)?.tool(tool)?;
        let schema = known.checks.as_ref().filter(|_| known.state.is_shown())?.output()?;
        Some(OutputRule { schema: schema.to_string(), undeclared: server.undeclared_output })
    }

    /// Names of approved tools of a tenant: text that names them near an order is suspicious.
    pub fn tools_of(&self, tenant: &str) -> BTreeSet<String> {
        self.snapshot.load().tools_beside(tenant, "")
    }

    /// Whether a server's definitions are approved by their first use, by the bundle in force.
    fn trust(&self, server: &str) -> Trust {
        let bundle = self.bundle.load();
        let server = bundle.registry().server(server);
        match server.filter(|server| server.tool_pinning == ToolPinning::TrustFirst) {
            Some(server) => Trust::FirstUse { image: server.image_digest.clone() },
            None => Trust::None,
        }
    }

    /// What stands behind a server, by the bundle in force.
    pub fn image_of(&self, server: &str) -> Option<String> {
        self.bundle.load().registry().server(server)?.image_digest.clone()
    }

    /// What may not be kept of a server's definitions, by the bundle in force.
    fn mask(&self, server: &str) -> Mask {
        let bundle = self.bundle.load();
        let profile = bundle.content().profile(server, None, Direction::Response);
        Mask { engine: profile.map(|profile| Arc::clone(profile.engine())), key: self.vault.marks().clone() }
    }
}

/// Whether what is known of a name lets it be used.
fn in_force(what: &str, known: Option<(PinState, bool)>) -> Result<(), PinRefusal> {
    let Some((state, was_approved)) = known else {
        let text = format!(
            "Nobody has approved this {what} here. List the {what}s first; a new one may need a person."
        );
        return Err(PinRefusal::new("tool.unpinned", text));
    };
    let text = match state {
        PinState::Pinned | PinState::Stale => return Ok(()),
        PinState::Review if !was_approved => {
            let text = format!("This {what} waits for a person's approval.");
            return Err(PinRefusal::new("tool.unpinned", text));
        }
        PinState::Review => format!("This {what} is not as it was approved; a person has to look at it."),
        PinState::Revoked => format!("The approval of this {what} was taken back."),
    };
    Err(PinRefusal::new("tool.drift", text))
}
