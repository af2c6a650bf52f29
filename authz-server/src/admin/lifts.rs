//! What every act has in common by which a person lifts what holds an agent back.

use axum::http::StatusCode;
use interdict_policy::Principal;

use super::AdminState;
use super::approvals::approver;
use super::errors::AdminError;
use crate::record::{AnswerError, Because, Lifted, record_lifts, record_not_lifted};
use crate::store::name;

/// The longest reason, in bytes.
const MAX_WHY: usize = 1_000;

/// Who does it and why, in good form: both go into the log as they are.
pub(super) fn because<'a>(by: &'a str, why: &'a str) -> Result<Because<'a>, AdminError> {
    let (by, why) = (approver(by)?, why.trim());
    if why.is_empty() || why.len() > MAX_WHY {
        let message = format!("`why` must say why, in at most {MAX_WHY} bytes");
        return Err(AdminError::new(StatusCode::BAD_REQUEST, "admin.why_required", message));
    }
    if let Some(hidden) = name::hidden_in(why) {
        let message =
            format!("`why` holds U+{:04X}, which a reader does not see; write it plainly", u32::from(hidden));
        return Err(AdminError::new(StatusCode::BAD_REQUEST, "admin.why_not_printable", message));
    }
    Ok(Because { by, why })
}

/// As for approvals: neither the agent, nor its owner, nor the person it acts for.
pub(super) fn disinterested(
    state: &AdminState,
    by: &str,
    agent: &str,
    principal: Option<&Principal>,
) -> Result<(), AdminError> {
    let bundle = state.bundle.current().load_full();
    let owner = bundle.registry().agent(agent).map(|agent| agent.owner.as_str());
    let gains = [Some(agent), owner, principal.map(|who| who.id.as_str())];
    if gains.into_iter().flatten().any(|one| name::same(one, by)) {
        let message = "the agent, its owner and the person it acts for cannot lift what holds it back";
        return Err(AdminError::new(StatusCode::FORBIDDEN, "admin.own_agent", message));
    }
    Ok(())
}

/// Has all of them on record, or none: those that were when another one could not be are said not to have been done.
pub(super) async fn record<'a>(
    state: &AdminState,
    lifted: impl Iterator<Item = Lifted<'a>>,
    because: Because<'_>,
) -> Result<(), AdminError> {
    let (recorded, refused) = record_lifts(state.recording.as_deref(), lifted, because).await;
    let Some(error) = refused else { return Ok(()) };
    undone(state, recorded.into_iter(), because);
    Err(AnswerError::Audit(error).into())
}

/// Says of what is on record that it was not done.
pub(super) fn undone<'a>(state: &AdminState, lifted: impl Iterator<Item = Lifted<'a>>, because: Because<'_>) {
    lifted.for_each(|one| record_not_lifted(state.recording.as_deref(), one, because));
}
