//! Pins as the stages of a decision ask for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use interdict_content::rules::ListRules;
use interdict_mcp::Message;
use interdict_mcp::json::Value;
use interdict_policy::Server;
use interdict_proto::outcome::{Quarantined, Seen};

use super::{Permissions, PinRefusal, Pins};
use crate::content::pins::{Admission, Origin};

impl Pins {
    /// Asks about a server of the bundle in force; nothing is said of one that is not in it, or is another tenant's.
    fn of<T>(&self, tenant: &str, server: &str, ask: impl FnOnce(&Server) -> Option<T>) -> Option<T> {
        let bundle = Arc::clone(&self.bundle.load());
        ask(bundle.registry().server(server).filter(|server| server.tenant == tenant)?)
    }
}

impl crate::content::pins::Pins for Pins {
    fn list_rules(&self, tenant: &str, server: &str) -> Option<ListRules> {
        self.of(tenant, server, |server| Pins::list_rules(self, server, Permissions::default()))
    }

    fn output_schema(&self, tenant: &str, server: &str, tool: &str) -> Option<String> {
        self.of(tenant, server, |server| Some(self.output_rule(server, tool)?.schema))
    }

    fn tools(&self, tenant: &str) -> BTreeSet<String> {
        self.tools_of(tenant)
    }

    fn learn(&self, origin: &Origin, seen: &[Seen], quarantined: &[Quarantined]) {
        self.saw(&origin.tenant, &origin.server, seen);
        self.keep(&origin.tenant, &origin.server, &origin.decision_id, quarantined);
    }

    fn admit<'a>(
        &'a self,
        server: &'a Server,
        message: &'a Message<'a>,
        deadline: Option<Instant>,
    ) -> Admission<'a> {
        Box::pin(Pins::admit(self, server, message, deadline))
    }

    fn stale(&self, server: &Server, message: &Message<'_>) -> Option<PinRefusal> {
        Pins::stale(self, server, message)
    }

    fn check_arguments(
        &self,
        server: &Server,
        tool: &str,
        arguments: Option<Value<'_>>,
    ) -> Result<(), PinRefusal> {
        Pins::check_arguments(self, server, tool, arguments)
    }
}
