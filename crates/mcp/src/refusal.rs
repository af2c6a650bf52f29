//! Why a request was not read, and how to say so.

use std::borrow::Cow;
use std::fmt;

use crate::json::Value;
use crate::reply::{self, Facts, Reply, code};
use crate::{Era, Id};

/// A request that has no single reading, or that the revision in force forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable reason code: `parse.*` or `http.*`.
    pub code: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// JSON-RPC error code of the answer.
    pub rpc_code: i64,
    /// What is wrong, without any value out of the request.
    pub message: String,
    target: Target,
    /// For an unsupported revision: its name and what is supported instead.
    version: Option<Box<(String, &'static [Era])>>,
}

/// Whom the answer addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// No id could be read with certainty.
    Nobody,
    /// The request with this id.
    Request(String),
    /// A batch with requests of these ids.
    Batch(Vec<String>),
    /// A notification or a response: nobody waits for an answer.
    Silence,
}

impl Refusal {
    /// The request's id, if it could be read with certainty.
    #[must_use]
    pub fn id(&self) -> Option<Id<'_>> {
        match &self.target {
            Target::Request(id) => Id::from_raw(id),
            _ => None,
        }
    }

    /// The answer to the client in the form its revision asks for.
    ///
    /// A request whose id is known gets a JSON-RPC error with that id; a notification or response of the revisions
    /// up to 2025-11-25 gets 202 and is dropped, because clients of those revisions give up their session on
    /// anything else; everything else gets an error without id. `decision_id` appears in `error.data`.
    #[must_use]
    pub fn reply(&self, decision_id: &str) -> Reply {
        if self.status == 405 {
            return reply::method_not_allowed();
        }
        let facts = Facts::new(self.code, decision_id);
        let version = self.version.as_deref().map(|(requested, supported)| (requested.as_str(), *supported));
        let error = |id| reply::refusal(self.status, id, self.rpc_code, &self.message, &facts, version);
        match &self.target {
            Target::Nobody => error(None),
            Target::Request(id) => error(Id::from_raw(id)),
            Target::Batch(ids) => {
                let replies = ids.iter().map(|id| error(Id::from_raw(id))).collect();
                Reply { status: self.status, ..reply::batch(replies) }
            }
            Target::Silence if self.status == 202 => reply::accepted(),
            Target::Silence => error(None),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

/// How bad a fault is for the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The revision or HTTP itself prescribes the status.
    Fixed(u16),
    /// This status, but up to 2025-11-25 an answer that keeps the session alive where there is one: 200 with the
    /// request's id, 202 for what expects no answer (observed: Python SDK 1.x ends its session on any 4xx).
    Gentle(u16),
}

/// A refusal before it is known whom to tell.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    code: &'static str,
    status: Status,
    rpc_code: i64,
    message: Cow<'static, str>,
    /// Tell nobody in particular, even if there is an id.
    anonymous: bool,
    version: Option<Box<(String, &'static [Era])>>,
}

impl Fault {
    const fn new(code: &'static str, status: Status, rpc_code: i64, message: &'static str) -> Self {
        Fault { code, status, rpc_code, message: Cow::Borrowed(message), anonymous: false, version: None }
    }

    /// HTTP around the message is wrong.
    pub(crate) const fn http(code: &'static str, status: u16, message: &'static str) -> Self {
        Fault::new(code, Status::Fixed(status), code::INVALID_REQUEST, message)
    }

    /// Not JSON, or beyond a limit: nothing in the body can be trusted.
    pub(crate) fn unreadable(error: &crate::json::JsonError) -> Self {
        let (status, rpc_code) = match error.code {
            "parse.too_large" => (413, code::INVALID_REQUEST),
            "parse.too_deep" | "parse.too_many_tokens" => (400, code::INVALID_REQUEST),
            _ => (400, code::PARSE_ERROR),
        };
        let mut fault = Fault::new(error.code, Status::Fixed(status), rpc_code, "");
        fault.message = Cow::Owned(format!("the body cannot be read: {error}"));
        fault.anonymous = true;
        fault
    }

    /// Well-formed JSON that readers would understand differently.
    pub(crate) fn ambiguous(error: &crate::json::JsonError) -> Self {
        let mut fault = Fault::invalid(error.code, "");
        fault.message = Cow::Owned(format!("the message is ambiguous: {error}"));
        fault
    }

    /// Not a valid message of the revision.
    pub(crate) const fn invalid(code: &'static str, message: &'static str) -> Self {
        Fault::new(code, Status::Gentle(400), code::INVALID_REQUEST, message)
    }

    /// Parameters do not fit the method.
    pub(crate) const fn params(code: &'static str, message: &'static str) -> Self {
        Fault::new(code, Status::Gentle(400), code::INVALID_PARAMS, message)
    }

    /// The method is not in the table. 2026-07-28 asks for HTTP 404.
    pub(crate) const fn unknown_method() -> Self {
        let message = "this method is not known here";
        Fault::new("parse.unknown_method", Status::Gentle(404), code::METHOD_NOT_FOUND, message)
    }

    /// Headers and body differ: HTTP 400 and -32020 (MCP 2026-07-28, server validation).
    pub(crate) const fn mismatch(code: &'static str, message: &'static str) -> Self {
        Fault::new(code, Status::Fixed(400), code::HEADER_MISMATCH, message)
    }

    /// No such revision: HTTP 400 and -32022 with `data.supported` and `data.requested`.
    pub(crate) fn unsupported(requested: String, supported: &'static [Era]) -> Self {
        let message = "this protocol version is not supported";
        let mut fault =
            Fault::new("http.unsupported_version", Status::Fixed(400), code::UNSUPPORTED_VERSION, message);
        fault.version = Some(Box::new((requested, supported)));
        fault
    }

    /// The same fault, answered without an id.
    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The same fault, answered with a plain error of its own status, whatever ids the body holds.
    pub(crate) fn fixed(mut self) -> Self {
        if let Status::Gentle(status) = self.status {
            self.status = Status::Fixed(status);
        }
        self.anonymous()
    }

    /// The refusal of a request without a body that could be read.
    pub(crate) fn alone(self) -> Refusal {
        self.address(Target::Nobody, false)
    }

    /// The refusal of the message or batch `root`.
    pub(crate) fn of(self, root: Value<'_>, modern: bool) -> Refusal {
        let target = if self.anonymous { Target::Nobody } else { target(root) };
        self.address(target, !modern)
    }

    fn address(self, target: Target, lenient: bool) -> Refusal {
        let status = match (self.status, &target) {
            (Status::Fixed(status), _) => status,
            (Status::Gentle(_), Target::Request(_) | Target::Batch(_)) if lenient => 200,
            // An unknown notification is dropped in every revision: 202 is the one answer that every client takes.
            (Status::Gentle(_), Target::Silence) if lenient || self.rpc_code == code::METHOD_NOT_FOUND => 202,
            (Status::Gentle(status), _) => status,
        };
        Refusal {
            code: self.code,
            status,
            rpc_code: self.rpc_code,
            message: self.message.into_owned(),
            target,
            version: self.version,
        }
    }
}

/// Whom a refusal of `root` has to tell. `root` may hold duplicate members; an id counts only if there is exactly one.
fn target(root: Value<'_>) -> Target {
    if !root.is_array() {
        return message_target(root);
    }
    let targets: Vec<Target> = root.elements().map(message_target).collect();
    if !targets.is_empty() && targets.iter().all(|target| *target == Target::Silence) {
        return Target::Silence;
    }
    let ids: Vec<String> = targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Request(id) => Some(id),
            _ => None,
        })
        .collect();
    if ids.is_empty() { Target::Nobody } else { Target::Batch(ids) }
}

fn message_target(message: Value<'_>) -> Target {
    let (mut ids, mut methods, mut outcomes) = (0, 0, 0);
    let (mut id, mut method) = (None, None);
    for (name, _, value) in message.members() {
        match name.as_ref() {
            "id" => (ids, id) = (ids + 1, Some(value)),
            "method" => (methods, method) = (methods + 1, value.as_str()),
            "result" | "error" => outcomes += 1,
            _ => {}
        }
    }
    match (methods, method, ids, id) {
        (1, Some(_), 1, Some(id)) if Id::from_raw(id.raw()).is_some() => Target::Request(id.raw().to_owned()),
        (1, Some(method), 0, _) if method.starts_with("notifications/") => Target::Silence,
        (0, _, _, _) if outcomes > 0 => Target::Silence,
        _ => Target::Nobody,
    }
}
