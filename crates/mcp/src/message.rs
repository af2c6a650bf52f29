//! A classified message.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::json::{Document, Value};
use crate::{Era, Method};

/// A request id as its raw JSON token (`7`, `"abc"`), so that an answer echoes exactly what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// An id from a token that is already valid JSON: a string or an integer.
    #[must_use]
    pub fn from_raw(token: &'a str) -> Option<Id<'a>> {
        (!token.is_empty()).then_some(Id(token))
    }

    /// The token, quotes included for strings.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a message is (JSON-RPC 2.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A method and an id.
    Request,
    /// A method without an id.
    Notification,
    /// The client's answer to a request of the server (up to 2025-11-25).
    Response,
}

/// One message that was read.
#[derive(Clone, Debug)]
pub struct Message<'b> {
    document: Arc<Document<'b>>,
    era: Era,
    kind: MessageKind,
    method: Option<Method>,
}

impl<'b> Message<'b> {
    /// The revision in force for this message.
    #[must_use]
    pub fn era(&self) -> Era {
        self.era
    }
    /// Request, notification or response.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }
    /// The method; `None` for a response.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.method
    }
    /// The method's name; `None` for a response.
    #[must_use]
    pub fn method_name(&self) -> Option<&'static str> {
        self.method.map(Method::name)
    }
    /// The whole message.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.document.root()
    }
    /// The id as its raw token; `None` for a notification.
    #[must_use]
    pub fn id(&self) -> Option<Id<'_>> {
        None
    }
    /// `params`, if present.
    #[must_use]
    pub fn params(&self) -> Option<Value<'_>> {
        None
    }
    /// `params.name` of `tools/call`.
    #[must_use]
    pub fn tool(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// `params.name` of `prompts/get`, `params.ref.name` of `completion/complete`.
    #[must_use]
    pub fn prompt_name(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// `params.uri` of the `resources/*` methods, `params.ref.uri` of `completion/complete`.
    #[must_use]
    pub fn uri(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// Every resource URI the message names: [`Message::uri`] and the subscriptions of `subscriptions/listen`.
    #[must_use]
    pub fn uris(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }
    /// `params.taskId` of the `tasks/*` methods.
    #[must_use]
    pub fn task_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// `params.arguments` of `tools/call` and `prompts/get`; always an object.
    #[must_use]
    pub fn arguments(&self) -> Option<Value<'_>> {
        None
    }
    /// `params._meta`; always an object.
    #[must_use]
    pub fn meta(&self) -> Option<Value<'_>> {
        None
    }
    /// `params.requestState` (2026-07-28).
    #[must_use]
    pub fn request_state(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// `params.inputResponses` (2026-07-28); always an object.
    #[must_use]
    pub fn input_responses(&self) -> Option<Value<'_>> {
        None
    }
    /// `params.protocolVersion` of `initialize`.
    #[must_use]
    pub fn protocol_version_offered(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// Whether this very message declares elicitation in URL mode: in its envelope (2026-07-28) or in the
    /// capabilities of `initialize`. An empty `elicitation` object means form mode only.
    #[must_use]
    pub fn declares_url_elicitation(&self) -> bool {
        false
    }
}

/// The messages of a JSON-RPC batch (2025-03-26 only). It is decided all or nothing.
#[derive(Clone, Debug)]
pub struct Batch<'b> {
    messages: Vec<Message<'b>>,
}

impl<'b> Batch<'b> {
    /// The messages in order; at least one.
    #[must_use]
    pub fn messages(&self) -> &[Message<'b>] {
        &self.messages
    }
}
