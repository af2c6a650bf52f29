//! Reading and answering what waits to be approved of servers' definitions.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::AdminState;
use super::approvals::approver;
use super::errors::AdminError;
use crate::pins::{
    AnswerError, Entry, PinError, PinState, Pins, Sighting, Suspicion, digest_of_all, kind_of,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<Approved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
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

/// An answer with several of them.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pins: Vec<View>,
    /// Whether there are more.
    more: bool,
    /// Of a review of one server: what approves everything in it that is not suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<String>,
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
        approved: entry.pin.map(|pin| Approved {
            digest: pin.digest,
            by: pin.by,
            at: pin.at,
            definition: raw(Some(pin.definition)),
        }),
        seen: entry.seen.map(|Sighting { digest, definition, seen_as, at }| Seen {
            digest,
            seen_as: seen_as.label(),
            at,
            definition: raw(definition),
        }),
        suspicions: None,
    }
}

fn bad_query(what: &str) -> AdminError {
    AdminError::new(StatusCode::BAD_REQUEST, "admin.bad_query", what)
}

async fn find(pins: &Pins, which: Which) -> Result<Vec<Entry>, AdminError> {
    let kind = match which.kind.as_deref() {
        Some(kind) => {
            let words = "`kind` is tool, prompt, resource, template or instructions";
            Some(kind_of(kind).ok_or_else(|| bad_query(words))?)
        }
        None => None,
    };
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
    let found = find(state.pins()?, query?.0).await?;
    let pins = found.into_iter().map(|entry| view(entry, false)).collect();
    Ok(Json(Page { pins, more: false, all: None }))
}

/// What waits for a person, with approved and seen texts and what is suspicious about them. A name shows that one,
/// wherever it stands.
pub(super) async fn review(
    State(state): State<AdminState>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(mut which) = query?;
    if which.name.is_none() && which.state.is_none() {
        which.state = Some(PinState::Review.label().to_owned());
    }
    let pins = state.pins()?;
    let is_whole_server = which.server.is_some() && which.name.is_none() && which.kind.is_none();
    let mut found = find(pins, which).await?;
    let more = found.len() > MAX_SHOWN;
    found.truncate(MAX_SHOWN);
    let plain = found.iter().filter(|entry| is_plain(pins, entry));
    let all = is_whole_server.then(|| digest_of_all(plain));
    let with_suspicions = |entry: Entry| {
        let suspicions = Some(pins.suspicions(&entry));
        View { suspicions, ..view(entry, true) }
    };
    Ok(Json(Page { pins: found.into_iter().map(with_suspicions).collect(), more, all }))
}

/// Whether a definition may be approved together with others: it waits, can be read, and nothing but noisy phrases are
/// suspicious about it.
fn is_plain(pins: &Pins, entry: &Entry) -> bool {
    let seen = entry.seen.as_ref();
    entry.state == PinState::Review
        && seen.is_some_and(|seen| seen.definition.is_some() && !seen.seen_as.is_suspicious())
        && pins.suspicions(entry).iter().all(|suspicion| suspicion.tier == "lexical")
}

async fn named(pins: &Pins, body: &AnswerBody) -> Result<Entry, AdminError> {
    let kind = kind_of(&body.kind).ok_or_else(|| bad_query("`kind` is none that is pinned"))?;
    Ok(pins.find(&body.server, kind, &body.name).await?)
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
    let entry = named(pins, &body).await?;
    Ok(Json(view(pins.approve(&entry.key, digest, by).await?, false)))
}

/// Takes an approval back, or refuses what waits.
pub(super) async fn revoke(
    State(state): State<AdminState>,
    body: Result<Json<AnswerBody>, JsonRejection>,
) -> Result<Json<View>, AdminError> {
    let Json(body) = body?;
    let (pins, by) = (state.pins()?, approver(&body.by)?);
    let entry = named(pins, &body).await?;
    Ok(Json(view(pins.revoke(&entry.key, by).await?, false)))
}

/// Approves what one review of a server showed and is not suspicious; nothing, if that is not what waits any more.
pub(super) async fn approve_all(
    State(state): State<AdminState>,
    body: Result<Json<AllBody>, JsonRejection>,
) -> Result<Json<Page>, AdminError> {
    let Json(body) = body?;
    let (pins, by) = (state.pins()?, approver(&body.by)?);
    let waiting = pins.entries(Some(body.server), None, Some(PinState::Review), None).await?;
    let more = waiting.len() > MAX_SHOWN;
    let plain: Vec<_> = waiting.into_iter().take(MAX_SHOWN).filter(|entry| is_plain(pins, entry)).collect();
    if plain.is_empty() {
        return Err(PinError::Settled.into());
    }
    if digest_of_all(plain.iter()) != body.digest {
        return Err(PinError::Changed.into());
    }
    let mut approved = Vec::new();
    for entry in plain {
        let Some(seen) = &entry.seen else { continue };
        let entry = pins.approve(&entry.key, &seen.digest, by).await?;
        approved.push(view(entry, false));
    }
    Ok(Json(Page { pins: approved, more, all: None }))
}

impl From<PinError> for AdminError {
    fn from(error: PinError) -> Self {
        let status = match &error {
            PinError::NotFound => StatusCode::NOT_FOUND,
            PinError::Changed | PinError::Settled => StatusCode::CONFLICT,
            PinError::Unread => StatusCode::UNPROCESSABLE_ENTITY,
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
