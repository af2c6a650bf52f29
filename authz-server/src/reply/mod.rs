//! From a refusal to the HTTP answer that a client of each revision can live with.
//!
//! The forms follow what the official SDKs were seen to do: a 4xx on an ordinary call kills whole sessions of older
//! clients, a denied list makes them report executed calls as failed, a refused notification breaks their connection.
//! So a denial is HTTP 200 with the request's own id, lists are emptied, notifications are dropped with 202, and
//! 401 is kept for token problems that a new token cures.

use interdict_mcp::reply::{self, Facts, Reply, code};
use interdict_mcp::{Message, MessageKind, Method, Reading};
use interdict_policy::DenyForm;

/// What a denied client is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Denial<'a> {
    /// Reason code.
    pub(crate) code: &'a str,
    /// One sentence, static text of a rule or of ours; never a value out of the request.
    pub(crate) text: &'a str,
    /// Decision id.
    pub(crate) decision_id: &'a str,
    /// Whether the caller is an agent of the registry; only such a caller gets empty lists.
    pub(crate) known_agent: bool,
    /// The form of a denied `tools/call` at this server.
    pub(crate) tool_form: DenyForm,
}

impl Denial<'_> {
    fn facts(&self) -> Facts<'_> {
        Facts::new(self.code, self.decision_id)
    }

    /// Several hosts show nothing but the text, so the decision id is in there too.
    fn full_text(&self) -> String {
        format!("{} (reason {}, decision {})", self.text, self.code, self.decision_id)
    }
}

/// The answer to a denied request of any kind.
pub(crate) fn denied(reading: &Reading<'_>, denial: &Denial<'_>) -> Reply {
    match reading {
        Reading::OpenStream { .. } | Reading::EndSession { .. } => reply::method_not_allowed(),
        Reading::Message(message) => denied_message(message, denial),
        Reading::Batch(batch) => {
            reply::batch(batch.messages().iter().map(|message| denied_message(message, denial)).collect())
        }
    }
}

/// The answer to one denied message.
pub(crate) fn denied_message(message: &Message<'_>, denial: &Denial<'_>) -> Reply {
    let (MessageKind::Request, Some(id), Some(method)) = (message.kind(), message.id(), message.method())
    else {
        return reply::accepted();
    };
    let facts = denial.facts();
    let error = || reply::error(Some(id), code::DENIED, &denial.full_text(), &facts);
    match method {
        Method::ToolsCall if denial.tool_form == DenyForm::ToolResult => {
            reply::tool_error(message.era(), id, &denial.full_text(), &facts)
        }
        // The inspector sends it right after connecting and gives up when it fails.
        Method::LoggingSetLevel if denial.known_agent => reply::empty_result(message.era(), id),
        list if denial.known_agent && list.is_list() => {
            reply::empty_list(message.era(), list, id).unwrap_or_else(error)
        }
        _ => error(),
    }
}

/// The answer when we cannot decide: as when the decision point is not there at all, so that a client tries again
/// later. A tool result would tell a model that the tool said no.
pub(crate) fn unavailable(reading: &Reading<'_>, denial: &Denial<'_>) -> Reply {
    match reading {
        Reading::OpenStream { .. } | Reading::EndSession { .. } => reply::method_not_allowed(),
        Reading::Message(message) => unavailable_message(message, denial),
        Reading::Batch(batch) => reply::batch(
            batch.messages().iter().map(|message| unavailable_message(message, denial)).collect(),
        ),
    }
}

fn unavailable_message(message: &Message<'_>, denial: &Denial<'_>) -> Reply {
    match (message.kind(), message.id()) {
        (MessageKind::Request, Some(id)) => {
            reply::error(Some(id), code::UNAVAILABLE, &denial.full_text(), &denial.facts())
        }
        _ => reply::accepted(),
    }
}

/// 401 with the challenge of RFC 9728 / RFC 6750 and a JSON-RPC error that names the request, for clients that look
/// at the body.
pub(crate) fn unauthenticated(reading: &Reading<'_>, challenge: String, denial: &Denial<'_>) -> Reply {
    let id = match reading {
        Reading::Message(message) if message.kind() == MessageKind::Request => message.id(),
        _ => None,
    };
    let mut answer = reply::error(id, code::DENIED, &denial.full_text(), &denial.facts());
    answer.status = 401;
    answer.headers.push(("www-authenticate".to_owned(), challenge));
    answer
}

/// The answer to a request of which not even the id is known, because the enforcement point did not send enough of
/// it.
pub(crate) fn unreadable(status: u16, rpc_code: i64, denial: &Denial<'_>) -> Reply {
    let mut answer = reply::error(None, rpc_code, &denial.full_text(), &denial.facts());
    answer.status = status;
    answer
}

/// Whether a person can be asked about this message: a request whose refusal is an error that its caller can wait
/// out. Lists and the log level are answered emptily, and nobody waits for the fate of a notification.
pub(crate) fn can_wait(message: &Message<'_>) -> bool {
    message.kind() == MessageKind::Request
        && message.method().is_some_and(|method| !method.is_list() && method != Method::LoggingSetLevel)
}
