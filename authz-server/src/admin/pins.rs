//! Reading and answering what waits to be approved of servers' definitions.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use interdict_content::definition::EntryKind;
use interdict_policy::ToolPinning;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::approvals::approver;
use super::errors::AdminError;
use super::{AdminState, known};
use crate::pins::{
    AnswerError, Answered, Entry, Key, PinError, PinState, Pins, Sighting, Suspicion, kind_of,
};

/// Most definitions of one answer: each may have 64 KiB, twice.
const MAX_SHOWN: usize = 50;

/// Which definitions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    server: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

/// A person's answer about one definition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBody {
    server: String,
    kind: String,
    #[serde(default)]
    name: String,
    /// Of the definition that was read; a revocation needs none.
    digest: Option<String>,
    /// What stood behind the server then, where the registry says so.
    image: Option<String>,
    by: String,
}

/// A person's answer about everything that was shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllBody {
    server: String,
    /// `all` of the review that was read.
    digest: String,
    by: String,
}

/// A definition as the API lists it.
#[derive(Debug, Serialize)]
pub(super) struct View {
    tenant: String,
    server: String,
    kind: &'static str,
    name: String,
    state: PinState,
    first_seen: Timestamp,
    /// In a review: what stands behind the server now.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<Approved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Answered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspicions: Option<Vec<Suspicion>>,
}

/// What was approved.
#[derive(Debug, Serialize)]
struct Approved {
    digest: String,
    by: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Box<RawValue>>,
}

/// What waits.
#[derive(Debug, Serialize)]
struct Seen {
    digest: String,
    #[serde(rename = "as")]
    seen_as: &'static str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Box<RawValue>>,
}

/// What is known of the server that was asked about: "nothing waits" can mean that nobody ever looked.
#[derive(Debug, Serialize)]
struct Asked {
    /// `tool_pinning`, when the bundle has the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinning: Option<ToolPinning>,
    /// How many of its definitions were seen.
    known: usize,
}

/// An answer with several of them.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pins: Vec<View>,
    /// Whether there are more.
    more: bool,
    /// Of a review of one server: what approves everything in it that is not suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Asked>,
}

fn view(entry: Entry, whole: bool) -> View {
    let raw = |text: Option<String>| text.filter(|_| whole).and_then(|text| RawValue::from_string(text).ok());
    View {
        tenant: entry.key.tenant,
        server: entry.key.server,
        kind: entry.key.kind.as_str(),
        name: entry.key.name,
        state: entry.state,
        first_seen: entry.first_seen,
        image: None,
        approved: entry.pin.map(|pin| Approved {
            digest: pin.digest,
            by: pin.by,
            at: pin.at,
            image: pin.image,
            definition: raw(Some(pin.definition)),
        }),
        seen: entry.seen.map(|Sighting { digest, definition, seen_as, at }| Seen {
            digest,
            seen_as: seen_as.label(),
            at,
            definition: raw(definition),
        }),
        revoked: entry.revoked,
        suspicions: None,
    }
}

fn bad_query(what: &str) -> AdminError {
    AdminError::new(StatusCode::BAD_REQUEST, "admin.bad_query", what)
}

fn pinned_kind(word: &str) -> Result<EntryKind, AdminError> {
    kind_of(word).ok_or_else(|| bad_query("`kind` is tool, prompt, template or instructions"))
}

async fn find(pins: &Pins, which: Which) -> Result<Vec<Entry>, AdminError> {
    let kind = which.kind.as_deref().map(pinned_kind).transpose()?;
    let state = match which.state.as_deref() {
        Some(state) => {
            let words = "`state` is pinned, review, revoked or stale";
            Some(PinState::from_label(state).ok_or_else(|| bad_query(words))?)
        }
        None => None,
    };
    Ok(pins.entries(which.server, kind, state, which.name).await?)
}

/// All definitions that match, without their texts.
pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(which) = query?;
    let server = which.server.clone();
    let found = find(state.pins()?, which).await?;
    let server = asked(&state, server, &found).await?;
    let pins = found.into_iter().map(|entry| view(entry, false)).collect();
    Ok(Json(Page { pins, more: false, all: None, server }))
}

/// What is known of the server; an error when that is nothing at all.
async fn asked(
    state: &AdminState,
    server: Option<String>,
    found: &[Entry],
) -> Result<Option<Asked>, AdminError> {
    let Some(server) = server else { return Ok(None) };
    let known = state.pins()?.entries(Some(server.clone()), None, None, None).await?.len();
    if found.is_empty() && known == 0 {
        known::server(state, Some(&server))?;
    }
    let bundle = state.bundle.current().load_full();
    let pinning = bundle.registry().server(&server).map(|server| server.tool_pinning);
    Ok(Some(Asked { pinning, known }))
}

/// What waits for a person, with approved and seen texts and what is suspicious about them. A name shows that one,
/// wherever it stands.
pub(super) async fn review(
    State(state): State<AdminState>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(which) = query?;
    let pins = state.pins()?;
    let is_whole_server = which.server.is_some() && which.name.is_none() && which.kind.is_none();
    let (server, is_one) = (which.server.clone(), which.name.is_some());
    let mut found = match is_one || which.state.is_some() {
        true => find(pins, which).await?,
        false => pins.waiting(which.server, which.kind.as_deref().map(pinned_kind).transpose()?).await?,
    };
    let server = asked(&state, server, &found).await?;
    if is_one && found.is_empty() {
        return Err(PinError::NotFound.into());
    }
    let more = found.len() > MAX_SHOWN;
    found.truncate(MAX_SHOWN);
    let plain = found.iter().filter(|entry| pins.is_plain(entry));
    let all = is_whole_server.then(|| pins.digest_of_all(plain));
    let with_suspicions = |entry: Entry| {
        let (suspicions, image) = (Some(pins.suspicions(&entry)), pins.image_of(&entry.key.server));
        View { suspicions, image, ..view(entry, true) }
    };
    Ok(Json(Page { pins: found.into_iter().map(with_suspicions).collect(), more, all, server }))
}

async fn named(state: &AdminState, body: &AnswerBody) -> Result<Entry, AdminError> {
    let found = state.pins()?.find(&body.server, pinned_kind(&body.kind)?, &body.name).await;
    if found == Err(PinError::NotFound) {
        known::server(state, Some(&body.server))?;
    }
    Ok(found?)
}

/// What waits instead of what was named, and how to come to a digest that can be approved.
fn changed(server: &str, which: &str, now: &str, given: &str) -> AdminError {
    let message = format!(
        "what waits has the digest {now} now, and not {given}: nothing was approved; review it again with `interdict pins \
         review --server {server}{which}`, and approve the digest that this prints"
    );
    AdminError::new(StatusCode::CONFLICT, PinError::Changed.code(), message)
}

/// What stands behind the server instead of what was named.
fn replaced(key: &Key, now: Option<String>) -> AdminError {
    let now = match now {
        Some(image) => format!("{image} stands behind this server now; an approval has to name it (--image)"),
        None => "this server has no `image_digest`; an approval cannot name one".to_owned(),
    };
    let message = format!(
        "{now}: nothing was approved; review it again with `interdict pins review --server {}{}`, and approve what this \
         prints",
        key.server,
        options(key)
    );
    AdminError::new(StatusCode::CONFLICT, PinError::Replaced.code(), message)
}

/// The options that name a definition; none where the name, which is the server's word, does not belong on a command line.
fn options(key: &Key) -> String {
    let kind = key.kind.as_str();
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    match key.name.bytes().all(is_safe) {
        false => String::new(),
        true if key.name.is_empty() => format!(" --kind {kind}"),
        true => format!(" --kind {kind} --name {}", key.name),
    }
}

/// Approves one definition.
pub(super) async fn approve(
    State(state): State<AdminState>,
    body: Result<Json<AnswerBody>, JsonRejection>,
) -> Result<Json<View>, AdminError> {
    let Json(body) = body?;
    let (pins, by) = (state.pins()?, approver(&body.by)?);
    let Some(digest) = &body.digest else {
        let words = "`digest` is that of the definition that was reviewed";
        return Err(AdminError::new(StatusCode::BAD_REQUEST, "pin.digest_required", words));
    };
    let entry = named(&state, &body).await?;
    let approved = pins.approve(&entry.key, digest, body.image.as_deref(), by).await;
    let approved = approved.map_err(|error| match (error, entry.waits_for()) {
        (AnswerError::Pin(PinError::Changed), Some(now)) => {
            changed(&entry.key.server, &options(&entry.key), now, digest)
        }
        (AnswerError::Pin(PinError::Replaced), _) => replaced(&entry.key, pins.image_of(&entry.key.server)),
        (error, _) => error.into(),
    })?;
    Ok(Json(view(approved, false)))
}

/// Takes an approval back, or refuses what waits.
pub(super) async fn revoke(
    State(state): State<AdminState>,
    body: Result<Json<AnswerBody>, JsonRejection>,
) -> Result<Json<View>, AdminError> {
    let Json(body) = body?;
    let (pins, by) = (state.pins()?, approver(&body.by)?);
    let entry = named(&state, &body).await?;
    Ok(Json(view(pins.revoke(&entry.key, by).await?, false)))
}

/// Approves what one review of a server showed and is not suspicious; nothing, if that is not what waits any more.
pub(super) async fn approve_all(
    State(state): State<AdminState>,
    body: Result<Json<AllBody>, JsonRejection>,
) -> Result<Json<Page>, AdminError> {
    let Json(body) = body?;
    let (pins, by) = (state.pins()?, approver(&body.by)?);
    let waiting = pins.waiting(Some(body.server.clone()), None).await?;
    if waiting.is_empty() {
        asked(&state, Some(body.server.clone()), &waiting).await?;
    }
    let more = waiting.len() > MAX_SHOWN;
    let plain: Vec<_> = waiting.into_iter().take(MAX_SHOWN).filter(|entry| pins.is_plain(entry)).collect();
    if plain.is_empty() {
        return Err(PinError::Settled.into());
    }
    // Before the digest, which is of it too: what is replaced from here on is refused below.
    let image = pins.image_of(&body.server);
    let now = pins.digest_of_all(plain.iter());
    if now != body.digest {
        return Err(changed(&body.server, "", &now, &body.digest));
    }
    let mut approved = Vec::new();
    for entry in plain {
        let Some(digest) = entry.waits_for() else { continue };
        let entry = pins.approve(&entry.key, digest, image.as_deref(), by).await?;
        approved.push(view(entry, false));
    }
    Ok(Json(Page { pins: approved, more, all: None, server: None }))
}

impl From<PinError> for AdminError {
    fn from(error: PinError) -> Self {
        let status = match &error {
            PinError::NotFound | PinError::QuarantineNotFound => StatusCode::NOT_FOUND,
            PinError::Changed | PinError::Replaced | PinError::Settled => StatusCode::CONFLICT,
            PinError::Unread | PinError::NoName => StatusCode::UNPROCESSABLE_ENTITY,
            PinError::Unavailable(reason) => {
                tracing::error!(reason, "the pin store failed");
                let message = "the pin store is unavailable; the server's log says more";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), message);
            }
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<AnswerError> for AdminError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Pin(error) => error.into(),
            AnswerError::Audit(error) => crate::record::AnswerError::Audit(error).into(),
        }
    }
}
