//! A classified message.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::json::{Document, Kind, Value};
use crate::{Era, Limits, Method, Numbers};

/// A request id as its raw JSON token (`7`, `"abc"`), so that an answer echoes exactly what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// The id with this token, if it is one: a JSON string or an integer literal.
    #[must_use]
    pub fn from_raw(token: &'a str) -> Option<Id<'a>> {
        let limits = Limits { max_bytes: token.len(), max_depth: 0, max_tokens: 1, numbers: Numbers::Exact };
        let document = Document::parse(token.as_bytes(), &limits).ok()?;
        (is_id_token(document.root()) && document.root().raw() == token).then_some(Id(token))
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

/// Whether `value` can be an id: a string, or a number without fraction and exponent. `1.0` is an id for some servers
/// and none for others.
pub(crate) fn is_id_token(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::String(_) => true,
        Kind::Number(token) => !token.contains(['.', 'e', 'E']),
        _ => false,
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

/// Where a member's value stands in the document. A member is never node 0.
pub(crate) type Slot = Option<NonZeroU32>;

/// The members with a meaning for the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slots {
    pub(crate) id: Slot,
    pub(crate) params: Slot,
    pub(crate) name: Slot,
    pub(crate) uri: Slot,
    pub(crate) arguments: Slot,
    pub(crate) meta: Slot,
    pub(crate) request_state: Slot,
    pub(crate) input_responses: Slot,
    pub(crate) task_id: Slot,
    pub(crate) reference: Slot,
    pub(crate) protocol_version: Slot,
    pub(crate) capabilities: Slot,
}

/// The envelope of 2026-07-28 inside `params._meta`.
pub(crate) const ENVELOPE_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const ENVELOPE_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// One message that was read.
///
/// Every accessor decodes escapes. A name that was checked is checked in its decoded form, and the bytes that go on to
/// the server are the bytes that were read.
#[derive(Clone)]
pub struct Message<'b> {
    pub(crate) document: Arc<Document<'b>>,
    pub(crate) root: u32,
    pub(crate) era: Era,
    pub(crate) kind: MessageKind,
    pub(crate) method: Option<Method>,
    pub(crate) slots: Slots,
}

impl fmt::Debug for Message<'_> {
    /// Without any value of the body: messages may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method_name().unwrap_or_default();
        write!(f, "Message({:?} {:?} {method})", self.era, self.kind)
    }
}

impl<'b> Message<'b> {
    fn at(&self, slot: Slot) -> Option<Value<'_>> {
        slot.map(|node| self.document.value(node.get()))
    }

    fn text(&self, slot: Slot) -> Option<Cow<'_, str>> {
        self.at(slot).and_then(|value| value.as_str())
    }

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
        self.document.value(self.root)
    }

    /// The id as its raw token; `None` for a notification.
    #[must_use]
    pub fn id(&self) -> Option<Id<'_>> {
        self.at(self.slots.id).map(|value| Id(value.raw()))
    }

    /// `params`, if present; always an object.
    #[must_use]
    pub fn params(&self) -> Option<Value<'_>> {
        self.at(self.slots.params)
    }

    /// `params.name` of `tools/call`.
    #[must_use]
    pub fn tool(&self) -> Option<Cow<'_, str>> {
        if self.method == Some(Method::ToolsCall) { self.text(self.slots.name) } else { None }
    }

    /// `params.name` of `prompts/get`, `params.ref.name` of `completion/complete` for a prompt.
    #[must_use]
    pub fn prompt_name(&self) -> Option<Cow<'_, str>> {
        match self.method {
            Some(Method::PromptsGet) => self.text(self.slots.name),
            Some(Method::CompletionComplete) => self.reference("ref/prompt")?.get("name")?.as_str(),
            _ => None,
        }
    }

    /// `params.uri` of the `resources/*` methods, `params.ref.uri` of `completion/complete` for a resource (there it
    /// may be a URI template).
    #[must_use]
    pub fn uri(&self) -> Option<Cow<'_, str>> {
        match self.method {
            Some(Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe) => {
                self.text(self.slots.uri)
            }
            Some(Method::CompletionComplete) => self.reference("ref/resource")?.get("uri")?.as_str(),
            _ => None,
        }
    }

    fn reference(&self, kind: &str) -> Option<Value<'_>> {
        let reference = self.at(self.slots.reference)?;
        (reference.get("type")?.as_str()? == kind).then_some(reference)
    }

    /// Every resource URI the message names: [`Message::uri`] and the subscriptions of `subscriptions/listen`.
    #[must_use]
    pub fn uris(&self) -> Vec<Cow<'_, str>> {
        let mut uris: Vec<_> = self.uri().into_iter().collect();
        uris.extend(self.listened("resourceSubscriptions"));
        uris
    }

    /// Every task id the message names: `params.taskId` of the `tasks/*` methods and the task subscriptions of
    /// `subscriptions/listen`.
    #[must_use]
    pub fn task_ids(&self) -> Vec<Cow<'_, str>> {
        let mut ids: Vec<_> = self.task_id().into_iter().collect();
        ids.extend(self.listened("taskIds"));
        ids
    }

    fn listened(&self, list: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let filter = match self.method {
            Some(Method::SubscriptionsListen) => self.params().and_then(|params| params.get("notifications")),
            _ => None,
        };
        let entries = filter.and_then(|filter| filter.get(list));
        entries.into_iter().flat_map(|entries| entries.elements()).filter_map(|entry| entry.as_str())
    }

    /// `params.taskId` of the `tasks/*` methods.
    #[must_use]
    pub fn task_id(&self) -> Option<Cow<'_, str>> {
        match self.method {
            Some(Method::TasksGet | Method::TasksResult | Method::TasksUpdate | Method::TasksCancel) => {
                self.text(self.slots.task_id)
            }
            _ => None,
        }
    }

    /// `params.arguments` of `tools/call` and `prompts/get`; always an object.
    #[must_use]
    pub fn arguments(&self) -> Option<Value<'_>> {
        match self.method {
            Some(Method::ToolsCall | Method::PromptsGet) => self.at(self.slots.arguments),
            _ => None,
        }
    }

    /// `params._meta`; always an object.
    #[must_use]
    pub fn meta(&self) -> Option<Value<'_>> {
        self.at(self.slots.meta)
    }

    /// `params.requestState` (2026-07-28).
    #[must_use]
    pub fn request_state(&self) -> Option<Cow<'_, str>> {
        if self.era.is_modern() { self.text(self.slots.request_state) } else { None }
    }

    /// `params.inputResponses` (2026-07-28); always an object.
    #[must_use]
    pub fn input_responses(&self) -> Option<Value<'_>> {
        if self.era.is_modern() { self.at(self.slots.input_responses) } else { None }
    }

    /// `params.protocolVersion` of `initialize`.
    #[must_use]
    pub fn protocol_version_offered(&self) -> Option<Cow<'_, str>> {
        if self.method == Some(Method::Initialize) { self.text(self.slots.protocol_version) } else { None }
    }

    /// Whether this very message declares elicitation in URL mode: in its envelope (2026-07-28) or in the
    /// capabilities of `initialize`. An empty `elicitation` object means form mode only.
    #[must_use]
    pub fn declares_url_elicitation(&self) -> bool {
        let capabilities = if self.era.is_modern() {
            self.meta().and_then(|meta| meta.get(ENVELOPE_CAPABILITIES))
        } else if self.method == Some(Method::Initialize) {
            self.at(self.slots.capabilities)
        } else {
            None
        };
        let url = capabilities.and_then(|all| all.get("elicitation")).and_then(|modes| modes.get("url"));
        url.is_some_and(|url| url.is_object())
    }
}

/// The messages of a JSON-RPC batch (2025-03-26 only). It is decided all or nothing.
#[derive(Clone, Debug)]
pub struct Batch<'b> {
    pub(crate) messages: Vec<Message<'b>>,
}

impl<'b> Batch<'b> {
    /// The messages in order; at least one.
    #[must_use]
    pub fn messages(&self) -> &[Message<'b>] {
        &self.messages
    }
}
