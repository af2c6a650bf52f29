//! Labels of sessions: which are hostile, why, and taking that away. In the memory of this process alone.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use interdict_policy::{HOSTILE, Principal};
use serde::{Deserialize, Serialize};

use super::errors::AdminError;
use super::{AdminState, known, lifts};
use crate::content::Labelled;
use crate::record::Lifted;

/// What a list can be narrowed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    agent: Option<String>,
    subject: Option<String>,
}

/// Whose label is taken away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearBody {
    agent: String,
    subject: Option<String>,
    by: String,
    why: String,
}

/// A session with a label, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct View {
    label: &'static str,
    tenant: String,
    agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    /// Whose response did it, and the decision that let the request for it through.
    server: String,
    decision_id: String,
    seconds_left: u64,
}

/// An answer with several of them.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    labels: Vec<View>,
}

fn page(found: Vec<Labelled>) -> Json<Page> {
    let view = |Labelled { cause, left, .. }: Labelled| View {
        label: HOSTILE,
        tenant: cause.tenant.clone(),
        agent: cause.agent.clone(),
        principal: cause.principal.clone(),
        server: cause.server.clone(),
        decision_id: cause.decision_id.clone(),
        seconds_left: left.as_secs(),
    };
    Json(Page { labels: found.into_iter().map(view).collect() })
}

fn find(state: &AdminState, agent: Option<&str>, subject: Option<&str>) -> Result<Vec<Labelled>, AdminError> {
    let mut found = state.content.hostile();
    found.retain(|one| {
        let who = one.cause.principal.as_ref().map(|who| who.id.as_str()).unwrap_or_default();
        agent.is_none_or(|agent| agent == one.cause.agent) && subject.is_none_or(|subject| subject == who)
    });
    found.sort_by_cached_key(|one| (one.cause.agent.clone(), one.cause.principal.clone().map(|who| who.id)));
    if found.is_empty() {
        known::agent(state, agent)?;
    }
    Ok(found)
}

/// All sessions with a label.
pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(query) = query?;
    Ok(page(find(&state, query.agent.as_deref(), query.subject.as_deref())?))
}

/// Takes the label from sessions of one agent, all recorded first. One that got it anew meanwhile keeps it.
pub(super) async fn clear(
    State(state): State<AdminState>,
    body: Result<Json<ClearBody>, JsonRejection>,
) -> Result<Json<Page>, AdminError> {
    let Json(body) = body?;
    let because = lifts::because(&body.by, &body.why)?;
    let found = find(&state, Some(&body.agent), body.subject.as_deref())?;
    if found.is_empty() {
        let words = "no session of this agent has a label here; `interdict labels list` has those that do";
        return Err(AdminError::new(StatusCode::NOT_FOUND, "content.no_label", words));
    }
    for one in &found {
        lifts::disinterested(&state, because.by, &one.cause.agent, one.cause.principal.as_ref())?;
    }
    lifts::record(&state, found.iter().map(|one| Lifted::Label(&one.cause)), because).await?;
    let (cleared, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| state.content.clear(one));
    lifts::undone(&state, kept.iter().map(|one| Lifted::Label(&one.cause)), because);
    for one in &cleared {
        tracing::info!(by = because.by, agent = %one.cause.agent, "a session is not hostile any more");
    }
    Ok(page(cleared))
}
