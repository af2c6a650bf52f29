//! Texts that were replaced by a handle, for a reviewer.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::errors::AdminError;
use super::{AdminState, known};
use crate::pins::QuarantinedText;

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1_000;

/// What a list can be narrowed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    server: Option<String>,
    limit: Option<u64>,
}

/// A text as the API shows it.
#[derive(Serialize)]
pub(super) struct View {
    handle: String,
    tenant: String,
    server: String,
    decision_id: String,
    reason: String,
    bytes: u64,
    kept_at: Timestamp,
    /// The text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
    /// The same for bytes that are no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    original_base64: Option<String>,
}

/// An answer with several of them.
#[derive(Serialize)]
pub(super) struct Page {
    quarantined: Vec<View>,
}

fn view(text: QuarantinedText, whole: bool) -> View {
    let (original, original_base64) = match String::from_utf8(text.original) {
        _ if !whole => (None, None),
        Ok(text) => (Some(text), None),
        Err(other) => (None, Some(STANDARD.encode(other.as_bytes()))),
    };
    View {
        handle: text.handle,
        tenant: text.tenant,
        server: text.server,
        decision_id: text.decision_id,
        reason: text.reason,
        bytes: text.bytes,
        kept_at: text.kept_at,
        original,
        original_base64,
    }
}

/// The newest texts, without them.
pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(which) = query?;
    let most = which.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let found = state.pins()?.quarantined(which.server.clone(), most).await?;
    if found.is_empty() {
        known::server(&state, which.server.as_deref())?;
    }
    Ok(Json(Page { quarantined: found.into_iter().map(|text| view(text, false)).collect() }))
}

/// One text, whole.
pub(super) async fn show(
    State(state): State<AdminState>,
    handle: Result<Path<String>, PathRejection>,
) -> Result<Json<View>, AdminError> {
    let text = state.pins()?.quarantined_text(&handle?.0).await?;
    tracing::info!(handle = %text.handle, server = %text.server, "a quarantined text was shown");
    Ok(Json(view(text, true)))
}
