//! Looking into a request: what is in it, what becomes of it, and what the rest of the decision gets to see.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use interdict_content::finding::{Finding, SessionKey};
use interdict_content::profile::Action;
use interdict_mcp::json::Document;
use interdict_mcp::{Limits, Message, MessageKind, Method, Reading};
use interdict_policy::{AccumulatedFact, Bundle, ContentFact, ContentProfile, Direction};
use interdict_proto::enforcement::{Edit, apply};

use super::session::Lesson;
use super::token::Found;
use super::{ContentStage, edits, joins, place, strings, token};
use crate::identity::Identity;
use crate::intercept::own_state;
use crate::request::{BodyState, Request};

/// Most tokens of a request that are turned back.
const MAX_OPENED: usize = 256;

/// A request to be looked into.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) reading: &'a Reading<'a>,
    pub(crate) server: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) identity: &'a Identity,
    pub(crate) bundle: &'a Bundle,
}

/// A request cannot go on: reason code and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str, pub(crate) &'static str);

const UNSCANNABLE: Refused =
    Refused("content.unscannable", "The message is nested or encoded too deeply to be looked into.");
const CANNOT_REDACT: Refused = Refused(
    "content.cannot_redact",
    "The message holds something sensitive where nothing can be put in its place: in a number, a name or a part of the \
     protocol.",
);
const DENIED: Refused =
    Refused("content.denied", "The message holds something that may not go to this server.");

/// What was found, without places and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) classes: BTreeMap<(String, &'static str), u64>,
    pub(crate) redacted: usize,
    pub(crate) labels: Vec<String>,
}

impl Noted {
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.labels.is_empty()
    }
}

/// A request that was looked into.
#[derive(Default)]
pub(crate) struct Looked {
    /// The body as everything that judges, asks and records sees it; `None`: as it arrived.
    pub(crate) masked: Option<Vec<u8>>,
    /// The body as it goes on, before members of ours are taken out; `None`: as it arrived.
    pub(crate) sent: Option<Vec<u8>>,
    /// From the body as it arrived to the one that goes on.
    pub(crate) edits: Vec<Edit>,
    /// One per message.
    facts: Vec<Option<ContentFact>>,
    pub(crate) noted: Noted,
    pub(crate) refused: Option<Refused>,
    /// Something that is more than counted is in the name of what was asked for.
    pub(crate) in_target: bool,
    /// The session, where something is looked for.
    pub(super) session: Option<SessionKey>,
    /// Digests of the profiles that were looked with, by message.
    profiles: Vec<(Option<String>, Option<String>)>,
    /// Tokens were turned back into values.
    opened: bool,
    bundle: String,
    pub(super) lesson: std::sync::Mutex<Option<Lesson>>,
}

impl Looked {
    /// What the policy is told of a message.
    pub(crate) fn fact(&self, message: usize) -> Option<&ContentFact> {
        self.facts.get(message).and_then(Option::as_ref)
    }

    /// Whether what was looked for is what this bundle looks for: a call that waited may find another one in force.
    pub(crate) fn holds_under(&self, bundle: &Bundle, server: &str) -> bool {
        self.bundle == bundle.digest()
            || (!self.opened
                && self.profiles.iter().all(|(tool, digest)| {
                    let now = bundle.content().profile(server, tool.as_deref(), Direction::Request);
                    now.map(|profile| profile.digest()) == digest.as_deref()
                }))
    }
}

/// The word of an action in records and metrics.
pub(crate) fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Count => "count",
        Action::Tokenise => "tokenise",
        Action::Redact => "redact",
        Action::Ask => "ask",
        Action::Deny => "deny",
    }
}

pub(super) fn messages<'a>(reading: &'a Reading<'a>) -> &'a [Message<'a>] {
    match reading {
        Reading::Message(message) => std::slice::from_ref(message),
        Reading::Batch(batch) => batch.messages(),
        Reading::OpenStream { .. } | Reading::EndSession { .. } => &[],
    }
}

/// One request being looked into.
struct Look<'a> {
    stage: &'a ContentStage,
    asked: Asked<'a>,
    body: &'a str,
    key: SessionKey,
    looked: Looked,
    lesson: Lesson,
    /// What was found anywhere, with spans in the body.
    all: Vec<Finding>,
    /// Edits that put values in the place of their tokens.
    opened: Vec<Edit>,
}

/// Whether nothing that is more than counted comes to light with these edits of a string literal, be it in a value alone
/// or together with what stands around it.
fn is_harmless(raw: &str, edits: &[Edit], profile: &ContentProfile, key: &SessionKey) -> bool {
    if edits.is_empty() {
        return true;
    }
    let Ok(text) = apply(raw.as_bytes(), raw.len(), edits) else { return false };
    let limits = Limits { max_bytes: text.len(), ..Limits::default() };
    let Ok(document) = Document::parse(&text, &limits) else { return false };
    let (mut done, mut at) = (0, 0);
    let mut lit = Vec::with_capacity(edits.len());
    for edit in edits {
        at += edit.start - done;
        lit.push(at..at + edit.text.len());
        at += edit.text.len();
        done = edit.end;
    }
    let scan = profile.engine().scan(document.root(), key);
    let touches =
        |span: &Range<usize>| lit.iter().any(|value| span.start < value.end && value.start < span.end);
    let harms = |found: &Finding| found.action > Action::Count && found.span.as_ref().is_none_or(&touches);
    !scan.incomplete && !scan.findings.iter().any(harms)
}

impl ContentStage {
    /// Looks into every message of a request. Costs next to nothing where the bundle looks for nothing.
    pub(crate) fn look(&self, asked: &Asked<'_>) -> Looked {
        if asked.bundle.content().is_silent() {
            return Looked::default();
        }
        let body = match &asked.request.http.body {
            BodyState::Raw(body) => std::str::from_utf8(body).unwrap_or_default(),
            BodyState::Missing | BodyState::Partial => "",
        };
        let look = Look {
            stage: self,
            asked: *asked,
            body,
            key: self.session(asked),
            looked: Looked { bundle: asked.bundle.digest().to_owned(), ..Looked::default() },
            lesson: Lesson::default(),
            all: Vec::new(),
            opened: Vec::new(),
        };
        look.run()
    }
}

impl Look<'_> {
    fn run(mut self) -> Looked {
        let asked = self.asked;
        let mut facts = Vec::new();
        for message in messages(asked.reading) {
            let fact = self.message(message);
            facts.push(fact);
        }
        self.complete(&mut facts);
        self.edit();
        let mut looked = self.looked;
        looked.session = Some(self.key);
        looked.lesson = std::sync::Mutex::new(Some(self.lesson));
        looked
    }

    fn refuse(&mut self, refused: Refused) {
        self.looked.refused.get_or_insert(refused);
    }

    /// The fact about one message, without what is known of the session.
    fn message(&mut self, message: &Message<'_>) -> ContentFact {
        let tool = message.tool().map(std::borrow::Cow::into_owned);
        let content = self.asked.bundle.content();
        let profile = content.profile(self.asked.server, tool.as_deref(), Direction::Request).map(Arc::clone);
        let digest = profile.as_ref().map(|profile| profile.digest().to_owned());
        self.looked.profiles.push((tool.clone(), digest));
        let tokens = self.tokens(message, tool.as_deref(), profile.as_deref());
        let Some(profile) = profile else { return ContentFact::default() };
        let (mut findings, mut incomplete) = self.scan(message, &profile, &tokens);
        if let (Some(tool), Some(arguments)) = (&tool, message.arguments()) {
            let engine = profile.engine();
            let place = (self.asked.server, tool.as_str());
            let joined = joins::look(arguments, place, (engine, &self.key), &self.stage.sessions);
            findings.extend(joined.findings);
            incomplete |= joined.incomplete;
            self.lesson.tails.extend(joined.tails);
        }
        self.judge(&findings, incomplete);
        let told: Vec<Finding> = findings.iter().map(place::told).collect();
        self.all.append(&mut findings);
        ContentFact::of(&told, incomplete)
    }

    fn scan(
        &self,
        message: &Message<'_>,
        profile: &ContentProfile,
        tokens: &[Range<usize>],
    ) -> (Vec<Finding>, bool) {
        let scan = profile.engine().scan(message.root(), &self.key);
        let ours = own_state::is_ours(message);
        // A token is no secret, though it looks like one.
        let in_token = |finding: &Finding| {
            let span = finding.span.as_ref();
            span.is_some_and(|span| {
                tokens.iter().any(|token| token.start <= span.start && span.end <= token.end)
            })
        };
        let is_none = |finding: &Finding| in_token(finding) || (ours && place::is_in_our_round(finding));
        let findings = scan.findings.into_iter().filter(|finding| !is_none(finding));
        (findings.collect(), scan.incomplete)
    }

    /// Tokens in the arguments: where they stand. Those of classes that this server may see are turned back, unless
    /// something that it may not see comes to light with them.
    fn tokens(
        &mut self,
        message: &Message<'_>,
        tool: Option<&str>,
        profile: Option<&ContentProfile>,
    ) -> Vec<Range<usize>> {
        let callable = matches!(message.method(), Some(Method::ToolsCall | Method::PromptsGet));
        let (true, MessageKind::Request, Some(arguments)) =
            (callable && self.body.contains(token::OPEN), message.kind(), message.arguments())
        else {
            return Vec::new();
        };
        let Asked { tenant, server, bundle, .. } = self.asked;
        let (stage, key, opened) = (self.stage, &self.key, &mut self.opened);
        let mut places = Vec::new();
        strings::walk(arguments, &mut String::new(), &mut |_, value| {
            let (raw, base) = (value.raw(), value.span().start);
            let mut edits = Vec::new();
            for Found { span: Range { start, end }, class, value } in stage.keys.tokens.find(tenant, raw) {
                if opened.len() + edits.len() < MAX_OPENED && bundle.content().clears(server, tool, &class) {
                    edits.push(Edit { start, end, text: value });
                }
                places.push(base + start..base + end);
            }
            if profile.is_none_or(|profile| is_harmless(raw, &edits, profile, key)) {
                let moved = |edit: Edit| Edit { start: base + edit.start, end: base + edit.end, ..edit };
                opened.extend(edits.into_iter().map(moved));
            }
            true
        });
        places
    }

    /// What ends the way of the request, and what is counted.
    fn judge(&mut self, findings: &[Finding], incomplete: bool) {
        for finding in findings {
            let key = (finding.class.to_string(), word(finding.action));
            *self.looked.noted.classes.entry(key).or_default() += 1;
            self.lesson.marks.push((Arc::clone(&finding.class), finding.mark));
            if finding.action > Action::Count && !place::is_replaceable(finding) {
                self.looked.in_target |= place::is_in_target(finding);
                self.refuse(if finding.action == Action::Deny { DENIED } else { CANNOT_REDACT });
            }
        }
        if incomplete {
            self.refuse(UNSCANNABLE);
        }
    }

    /// Adds what is known of the session.
    fn complete(&mut self, facts: &mut Vec<ContentFact>) {
        let content = self.asked.bundle.content();
        let sessions = &self.stage.sessions;
        let labels = sessions.labels(&self.key);
        let distinct = match content.accumulates() {
            true => sessions.distinct(&self.key, &self.lesson.marks),
            false => BTreeMap::new(),
        };
        let accumulated: Vec<_> = distinct
            .into_iter()
            .map(|(class, distinct)| AccumulatedFact {
                family: content.family(&class).to_owned(),
                class: class.to_string(),
                distinct,
            })
            .collect();
        self.looked.noted.labels = labels.iter().cloned().collect();
        self.looked.facts = facts
            .drain(..)
            .map(|fact| ContentFact { accumulated: accumulated.clone(), labels: labels.clone(), ..fact })
            .map(|fact| Some(fact).filter(|fact| !fact.is_empty()))
            .collect();
    }

    /// Two bodies: what the rest of the decision sees has no value that is more than counted; what goes on has what it
    /// may have.
    fn edit(&mut self) {
        if self.looked.refused.is_some() {
            return;
        }
        let seal = (&self.stage.keys.tokens, self.asked.tenant);
        let mask = edits::of(&self.all, self.body, seal, |action| action > Action::Count);
        let redact = |action| matches!(action, Action::Redact | Action::Tokenise);
        let sent = edits::of(&self.all, self.body, seal, redact);
        self.looked.noted.redacted = sent.len();
        self.looked.opened = !self.opened.is_empty();
        let sent = edits::merged(sent, std::mem::take(&mut self.opened));
        let edited = |edits: &[Edit]| apply(self.body.as_bytes(), self.body.len(), edits);
        if !mask.is_empty() {
            self.looked.masked = edited(&mask).ok();
        }
        if !sent.is_empty() {
            self.looked.sent = edited(&sent).ok();
        }
        let failed = (!mask.is_empty() && self.looked.masked.is_none())
            || (!sent.is_empty() && self.looked.sent.is_none());
        self.looked.edits = sent;
        if failed {
            self.refuse(super::REDACTION_FAILED);
        }
    }
}
