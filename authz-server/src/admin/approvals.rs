//! Reading and answering approvals.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::errors::AdminError;
use super::{AdminState, known};
use crate::record::record_answer;
use crate::store::{Approval, ApprovalState, Arguments, HumanAnswer, ListFilter, name};

/// The longest approver name, in bytes.
const MAX_NAME: usize = 200;
/// The longest note, in bytes.
const MAX_NOTE: usize = 4_000;

/// What `GET /v1/approvals` can be narrowed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<ApprovalState>,
    agent: Option<String>,
    server: Option<String>,
    limit: Option<u32>,
}

/// A person's answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBody {
    by: String,
    #[serde(default)]
    note: Option<String>,
}

/// An approval as the API shows it: `arguments` is the judged JSON itself, not text with JSON in it.
#[derive(Debug, Serialize)]
pub(super) struct View {
    #[serde(flatten)]
    approval: Approval,
    /// `null` when they are too long.
    arguments: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_not_shown: Option<NotShown>,
}

/// What is told of arguments that are too long.
#[derive(Debug, Serialize)]
struct NotShown {
    bytes: u64,
    sha256: String,
}

/// The newest approvals, in the order in which they were asked for, without arguments.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    approvals: Vec<Approval>,
}

fn view(approval: Approval) -> Result<View, AdminError> {
    // `RawValue` would be lost in `flatten`; beside it, it keeps every digit as it was judged.
    let (arguments, arguments_not_shown) = match approval.arguments() {
        Arguments::Shown(text) => {
            (Some(RawValue::from_string(text.to_owned()).map_err(|_| AdminError::internal())?), None)
        }
        Arguments::NotShown { bytes, sha256 } => (None, Some(NotShown { bytes, sha256: sha256.to_owned() })),
    };
    Ok(View { approval, arguments, arguments_not_shown })
}

pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(query) = query?;
    let filter = ListFilter {
        state: query.state,
        agent: query.agent,
        server: query.server.clone(),
        limit: query.limit.unwrap_or(0),
    };
    let approvals = state.store.list(filter, state.clock.now()).await?;
    if approvals.is_empty() {
        known::server(&state, query.server.as_deref())?;
    }
    Ok(Json(Page { approvals }))
}

pub(super) async fn show(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<View>, AdminError> {
    let found = state.store.get(&id?.0, state.clock.now()).await?;
    view(found.ok_or(crate::store::StoreError::NotFound)?).map(Json)
}

pub(super) async fn approve(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<AnswerBody>, JsonRejection>,
) -> Result<Json<View>, AdminError> {
    answer(&state, &id?.0, HumanAnswer::Approve, body?.0).await
}

pub(super) async fn deny(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<AnswerBody>, JsonRejection>,
) -> Result<Json<View>, AdminError> {
    answer(&state, &id?.0, HumanAnswer::Deny, body?.0).await
}

/// The name of the person who answers: there, short, and visible as it is.
pub(super) fn approver(by: &str) -> Result<&str, AdminError> {
    let by = by.trim();
    if by.is_empty() || by.len() > MAX_NAME {
        return Err(AdminError::new(
            StatusCode::BAD_REQUEST,
            "admin.approver_required",
            format!("`by` must name the person who answers, in at most {MAX_NAME} bytes"),
        ));
    }
    if let Some(hidden) = name::hidden_in(by) {
        return Err(AdminError::new(
            StatusCode::BAD_REQUEST,
            "admin.approver_not_printable",
            format!(
                "`by` holds U+{:04X}, which a reader does not see; write the name plainly",
                u32::from(hidden)
            ),
        ));
    }
    Ok(by)
}

async fn answer(
    state: &AdminState,
    id: &str,
    answer: HumanAnswer,
    body: AnswerBody,
) -> Result<Json<View>, AdminError> {
    let by = approver(&body.by)?;
    if body.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE) {
        return Err(AdminError::new(
            StatusCode::BAD_REQUEST,
            "admin.note_too_long",
            format!("`note` may have at most {MAX_NOTE} bytes"),
        ));
    }
    let now = state.clock.now();
    let (recording, store, note) = (state.recording.as_deref(), &*state.store, body.note.as_deref());
    let decided = record_answer(recording, store, id, answer, by, note, now).await?;
    tracing::info!(
        approval_id = %decided.id,
        state = decided.state.label(),
        by,
        agent = %decided.agent,
        server = %decided.server,
        action_digest = %decided.action_digest,
        "approval answered"
    );
    view(decided).map(Json)
}
