//! Obligations on responses, carried out on one message after another.
//!
//! [`Treater`] has the [`ResponseRules`] of one HTTP request and is given every message of its response: a JSON body as a
//! whole ([`Treater::whole`]), the data of server-sent events one by one ([`Treater::event`]), or text
//! ([`Treater::text`]). A message goes through stages:
//!
//! | stage | on | what it does |
//! |---|---|---|
//! | lists | results that hold a list or instructions, whatever their id | takes out what was not approved |
//! | rows | results | cuts, or refuses, too many rows |
//! | output | results | takes out undeclared members, refuses what does not fit its schema |
//! | joins | events | finds a value that began in an earlier event |
//! | content | everything | redacts or refuses |
//! | injection | everything | notes, or replaces by a handle, what reads like instructions |
//!
//! Each stage reads what the one before it left. A refused answer becomes a JSON-RPC error with its own id. A refused
//! notification or request of the server goes away: its id counts on the server's side and may well be that of a request
//! of the client, so an error would answer the wrong one. What comes out was read again; what has no single reading is
//! `unreadable`.

mod answers;
mod joins;
mod profiles;
mod readings;
mod refuse;
mod report;
mod stage;

use std::fmt;
use std::ops::Range;

use interdict_mcp::edit::{Edit, apply};
use interdict_mcp::json::{Document, JsonError, Value};
use interdict_mcp::{Limits, Numbers};

use crate::finding::SessionKey;
use crate::injection::Injection;
use crate::remove::remove;
use crate::rules::{ListRules, ResponseRules, Unreadable};
use answers::Answers;
use joins::Tails;
use readings::Look;
use stage::Stop;

pub use profiles::{Detectors, Profiles};
pub use report::{Quarantined, Report, Treated};

/// The response cannot be looked into: another content type, an encoding, no single reading, too long.
pub const UNREADABLE: &str = "response.unreadable";
/// It holds content that may not pass, or that cannot be replaced where it stands.
pub const DENIED_CONTENT: &str = "response.denied_content";
/// It has more rows than may pass.
pub const ROWS: &str = "response.rows";
/// It does not fit its schema.
pub const SCHEMA: &str = "response.schema";
/// It reads like instructions and was replaced by a handle.
pub const QUARANTINED: &str = "response.quarantined";

/// Rules that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// `content.bad_session_key`, `content.profile_missing`, `content.profile_mismatch`, `content.bad_profile`,
    /// `content.bad_output_schema`, or a code of [`ProfileError`](crate::engine::ProfileError).
    pub code: &'static str,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rules for responses are unfit: {}", self.code)
    }
}

impl std::error::Error for RulesError {}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// It passes byte for byte.
    Keep,
    /// This takes its place.
    Edited(Vec<u8>),
    /// Nothing takes its place.
    Drop,
    /// These messages take its place, and nothing behind it passes.
    End(Vec<Vec<u8>>),
}

impl fmt::Debug for Body {
    /// Without the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Keep => f.write_str("Keep"),
            Body::Edited(bytes) => write!(f, "Edited({} bytes)", bytes.len()),
            Body::Drop => f.write_str("Drop"),
            Body::End(messages) => write!(f, "End({} messages)", messages.len()),
        }
    }
}

/// What holds for one response, and what is known of it so far.
#[derive(Debug)]
pub struct Treater {
    rules: Rules,
    tails: Tails,
    report: Report,
    /// Ids of the requests that have no answer yet, as written.
    open: Vec<String>,
    /// Something unreadable was refused; nothing passes any more.
    ended: bool,
}

/// What does not change from message to message.
#[derive(Debug)]
struct Rules {
    detectors: Option<Detectors>,
    key: SessionKey,
    unreadable: Unreadable,
    lists: Option<ListRules>,
    answers: Answers,
    max_bytes: usize,
    decision_id: String,
}

impl Rules {
    fn injection(&self) -> Option<&Injection> {
        self.detectors.as_ref().and_then(Detectors::injection)
    }

    /// Whether something has to be known of the form of an answer: what is listed in it, its rows or its members.
    fn binds(&self) -> bool {
        self.lists.is_some() || self.answers.bind()
    }
}

impl Treater {
    /// Carries out `rules` with the detectors of their profile; the decision's id is told in errors.
    ///
    /// # Errors
    /// [`RulesError`] if something in them cannot be carried out: the response must then not pass.
    pub fn new(
        rules: &ResponseRules,
        detectors: Option<Detectors>,
        decision_id: &str,
    ) -> Result<Self, RulesError> {
        if rules.profile.is_some() && detectors.is_none() {
            return Err(RulesError { code: "content.profile_missing" });
        }
        let key = session_key(&rules.session_key).ok_or(RulesError { code: "content.bad_session_key" })?;
        let length = detectors.as_ref().map_or(0, |detectors| detectors.engine().tail());
        Ok(Self {
            rules: Rules {
                detectors,
                key,
                unreadable: rules.unreadable,
                lists: rules.lists.clone(),
                answers: Answers::new(&rules.answers)?,
                max_bytes: usize::try_from(rules.max_bytes).unwrap_or(usize::MAX),
                decision_id: decision_id.to_owned(),
            },
            tails: Tails::new(length),
            report: Report::default(),
            open: rules.answers.keys().cloned().collect(),
            ended: false,
        })
    }

    /// Longest body or event that is looked into.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.rules.max_bytes
    }

    /// Whether something that cannot be looked into is refused.
    #[must_use]
    pub fn refuses_unreadable(&self) -> bool {
        self.rules.unreadable == Unreadable::Deny
    }

    /// What was found and done so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// A whole JSON body. What takes its place, if anything does.
    pub fn whole(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let treated = self.treat(body);
        self.body_of(treated)
    }

    /// A whole body of text. What takes its place, if anything does. What some client may take for a message is treated as
    /// one, or, where that cannot be done and would matter, is unreadable.
    pub fn text(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let look = std::str::from_utf8(body).map_or(Look::Text, readings::look_of);
        let treated = match look {
            Look::Structure if parse(body, self.rules.max_bytes).is_ok() => self.treat(body),
            Look::Structure | Look::Events if self.rules.binds() => self.unreadable(),
            Look::Structure | Look::Events | Look::Text => self.treat_text(body),
        };
        self.body_of(treated)
    }

    /// A whole body that cannot be looked into. What takes its place, if anything does.
    pub fn unread(&mut self) -> Option<Vec<u8>> {
        let treated = self.unreadable();
        self.body_of(treated)
    }

    /// The place of a body cannot stay empty: somebody waits for an answer.
    fn body_of(&mut self, treated: Body) -> Option<Vec<u8>> {
        match treated {
            Body::Keep => None,
            Body::Edited(body) => Some(body),
            Body::Drop => {
                let code = self.report.reason().unwrap_or(UNREADABLE);
                let errors = self.open_errors(code);
                Some(self.joined(errors))
            }
            Body::End(errors) => Some(self.joined(errors)),
        }
    }

    fn joined(&self, mut errors: Vec<Vec<u8>>) -> Vec<u8> {
        match errors.len() {
            0 => refuse::error(None, self.report.reason().unwrap_or(UNREADABLE), &self.rules.decision_id),
            1 => errors.pop().unwrap_or_default(),
            _ => [b"[".as_slice(), &errors.join(&b','), b"]"].concat(),
        }
    }

    /// One JSON-RPC message, or an array of them.
    pub fn treat(&mut self, message: &[u8]) -> Body {
        self.one_or_more(message, false)
    }

    /// The data of one event of a stream; a value may have begun in an earlier one.
    pub fn event(&mut self, data: &[u8]) -> Body {
        self.one_or_more(data, true)
    }

    /// Something that cannot be looked into. [`Body::Keep`] where the rules let it pass; what comes behind it is for the
    /// caller to handle in the same way.
    pub fn unreadable(&mut self) -> Body {
        match self.rules.unreadable {
            Unreadable::Pass => Body::Keep,
            Unreadable::Deny => {
                self.ended = true;
                self.report.refused(UNREADABLE);
                Body::End(self.open_errors(UNREADABLE))
            }
        }
    }

    /// An error for every request that has no answer yet.
    fn open_errors(&mut self, code: &'static str) -> Vec<Vec<u8>> {
        let open = std::mem::take(&mut self.open);
        open.iter().map(|id| refuse::error(Some(id), code, &self.rules.decision_id)).collect()
    }

    fn one_or_more(&mut self, text: &[u8], is_event: bool) -> Body {
        if self.ended {
            return Body::Drop;
        }
        let Ok(document) = parse(text, self.rules.max_bytes) else { return self.unreadable() };
        let root = document.root();
        if self.refuses_unreadable() && readings::has_lookalikes(root) {
            return self.unreadable();
        }
        self.report.looked();
        if !root.is_array() {
            return self.message(&document, text, is_event);
        }
        let parts: Vec<(Body, Range<usize>)> =
            root.elements().map(|one| (self.element(one.raw().as_bytes(), is_event), one.span())).collect();
        self.batch(text, parts)
    }

    fn element(&mut self, text: &[u8], is_event: bool) -> Body {
        match parse(text, usize::MAX) {
            Ok(document) => self.message(&document, text, is_event),
            // It was read as a part of the whole.
            Err(_) => self.unreadable(),
        }
    }

    fn batch(&mut self, text: &[u8], parts: Vec<(Body, Range<usize>)>) -> Body {
        if parts.iter().any(|(body, _)| matches!(body, Body::End(_))) {
            return self.unreadable();
        }
        if !parts.is_empty() && parts.iter().all(|(body, _)| *body == Body::Drop) {
            return Body::Drop;
        }
        let mut edits = remove(parts.iter().map(|(body, span)| (*body == Body::Drop, span.clone())));
        for (body, span) in parts {
            let Body::Edited(bytes) = body else { continue };
            // Made here from what was read as JSON.
            let Ok(text) = String::from_utf8(bytes) else { return self.unreadable() };
            edits.push(Edit { start: span.start, end: span.end, text });
        }
        if edits.is_empty() {
            return Body::Keep;
        }
        match apply(text, &edits) {
            Ok(edited) => Body::Edited(edited),
            Err(_) => self.unreadable(),
        }
    }

    /// Plain text.
    pub fn treat_text(&mut self, text: &[u8]) -> Body {
        if self.ended {
            return Body::Drop;
        }
        let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.len() <= self.rules.max_bytes)
        else {
            return self.unreadable();
        };
        self.report.looked();
        match stage::text(&self.rules, &mut self.report, text) {
            Ok(edits) if edits.is_empty() => Body::Keep,
            Ok(edits) => match apply(text.as_bytes(), &edits) {
                Ok(edited) => {
                    self.report.edited();
                    Body::Edited(edited)
                }
                Err(_) => self.unreadable(),
            },
            Err(Stop::Refuse(code)) => {
                self.report.refused(code);
                Body::Drop
            }
            Err(Stop::Quarantine { reason, original }) => {
                self.quarantine(reason, original);
                Body::Drop
            }
        }
    }

    fn quarantine(&mut self, reason: String, original: Vec<u8>) -> String {
        let handle = refuse::handle(&self.rules.key, &original);
        self.report.quarantined(Quarantined { handle: handle.clone(), reason, original });
        handle
    }

    fn message(&mut self, document: &Document<'_>, text: &[u8], is_event: bool) -> Body {
        let root = document.root();
        let answers = stage::is_answer(root);
        let id = root.get("id").filter(|id| !id.is_null());
        if let Some(id) = id.filter(|_| answers) {
            if self.is_answered(id) {
                return Body::Drop;
            }
            self.open.retain(|open| !answers::is_same(open, id));
        }
        let mut pass = stage::Pass {
            rules: &self.rules,
            report: &mut self.report,
            tails: is_event.then_some(&mut self.tails),
        };
        match pass.run(document, text) {
            Ok(None) => Body::Keep,
            Ok(Some(edited)) => {
                self.report.edited();
                Body::Edited(edited)
            }
            Err(Stop::Refuse(code)) => {
                self.report.refused(code);
                self.in_place(answers, id, |id| refuse::error(id, code, &self.rules.decision_id))
            }
            Err(Stop::Quarantine { reason, original }) => {
                let handle = self.quarantine(reason, original);
                let decision_id = &self.rules.decision_id;
                self.in_place(answers, id, |id| match id {
                    Some(id) => refuse::withheld(root, id, &handle, decision_id),
                    None => refuse::error(None, QUARANTINED, decision_id),
                })
            }
        }
    }

    /// Whether the request with this id has its answer, and there is a rule about the form of answers: of several, each
    /// could have as much as one may.
    fn is_answered(&self, id: Value<'_>) -> bool {
        self.rules.answers.bind()
            && self.rules.answers.is_of_one(id)
            && !self.open.iter().any(|open| answers::is_same(open, id))
    }

    /// What is made of an answer that does not pass. Nothing is made of anything else, nor of an answer whose id was the
    /// server's own idea and may not pass itself.
    fn in_place(
        &self,
        answers: bool,
        id: Option<Value<'_>>,
        make: impl FnOnce(Option<&str>) -> Vec<u8>,
    ) -> Body {
        match answers && id.is_none_or(|id| stage::may_be_told(&self.rules, id)) {
            true => Body::Edited(make(id.map(|id| id.raw()))),
            false => Body::Drop,
        }
    }
}

/// Reads a document of at most `max_bytes`. Rows come in arrays, so the number of values is bounded by nothing but the
/// length.
fn parse(text: &[u8], max_bytes: usize) -> Result<Document<'_>, JsonError> {
    let limits = Limits {
        max_bytes,
        max_tokens: (text.len() / 2).max(Limits::default().max_tokens),
        numbers: Numbers::Exact,
        ..Limits::default()
    };
    Document::parse(text, &limits)
}

fn session_key(hex: &str) -> Option<SessionKey> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(SessionKey::new(bytes))
}

#[cfg(test)]
mod tests;
