//! What calls add up to, and letting it begin at zero again.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use interdict_policy::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::errors::AdminError;
use super::{AdminState, known, lifts};
use crate::record::{Because, Lifted};
use crate::totals::{Found, Total, TotalsError, Which};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// Most totals of one reset: each is recorded.
const MAX_RESET: usize = 100;

/// What a list can be narrowed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    id: Option<String>,
    agent: Option<String>,
    subject: Option<String>,
    server: Option<String>,
    tool: Option<String>,
    counter: Option<String>,
    payee: Option<String>,
    limit: Option<usize>,
}

/// What is to begin at zero again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    id: Option<String>,
    agent: Option<String>,
    subject: Option<String>,
    server: Option<String>,
    tool: Option<String>,
    counter: Option<String>,
    payee: Option<String>,
    by: String,
    why: String,
}

/// A total as the API shows it. Whom or what it is about is in its id only.
#[derive(Debug, Serialize)]
pub(super) struct View {
    id: String,
    tenant: String,
    agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    server: String,
    tool: String,
    counter: String,
    window: String,
    /// Whether there is one for each payee.
    each: bool,
    /// `amount`, in the smallest unit of the currency, or `things`.
    unit: &'static str,
    stands: u64,
    /// What the contract in force says; absent when it says nothing of this total.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_above: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    frees_from: Timestamp,
    frees_until: Timestamp,
}

/// An answer with several of them.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    totals: Vec<View>,
    /// Whether there are more.
    more: bool,
    /// How many of those that were looked at nobody can name.
    unnamed: u64,
}

fn view(state: &AdminState, total: Total) -> View {
    let (id, stands, name) = (total.id(), total.stands, total.name);
    let bundle = state.bundle.current().load_full();
    let contract = bundle.contract(&name.server, &name.tool);
    let term = contract.and_then(|contract| contract.total(&name.counter, &name.window));
    let value = contract.and_then(|contract| contract.value.as_ref()).filter(|_| !name.things);
    View {
        id,
        each: name.each,
        unit: if name.things { "things" } else { "amount" },
        stands,
        ask_above: term.and_then(|term| term.ask_above),
        max: term.and_then(|term| term.max),
        currency: term.and(value).and_then(|value| value.currency.clone()),
        tenant: name.tenant,
        agent: name.agent,
        principal: name.principal,
        server: name.server,
        tool: name.tool,
        counter: name.counter,
        window: name.window,
        frees_from: total.frees_from,
        frees_until: total.frees_until,
    }
}

/// What stands.
pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, AdminError> {
    let Query(ListQuery { id, agent, subject, server, tool, counter, payee, limit }) = query?;
    let which = Which { id, agent, subject, server, tool, counter, payee };
    let most = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let found = find(&state, which, most).await?;
    Ok(Json(page(&state, found)))
}

fn page(state: &AdminState, found: Found) -> Page {
    let totals = found.totals.into_iter().map(|total| view(state, total)).collect();
    Page { totals, more: found.more, unnamed: found.unnamed }
}

/// What is wanted. A name that nobody has is a mistake, and "nothing stands" would be a dangerous answer to it.
async fn find(state: &AdminState, which: Which, most: usize) -> Result<Found, AdminError> {
    let found = state.totals.find(which.clone(), most, state.clock.now()).await?;
    if found.totals.is_empty() {
        known::agent(state, which.agent.as_deref())?;
        known::server(state, which.server.as_deref())?;
    }
    Ok(found)
}

/// Lets totals of one agent begin at zero again, unless something was counted meanwhile: a record says what they stood at.
pub(super) async fn reset(
    State(state): State<AdminState>,
    body: Result<Json<ResetBody>, JsonRejection>,
) -> Result<Json<Page>, AdminError> {
    let Json(ResetBody { id, agent, subject, server, tool, counter, payee, by, why }) = body?;
    let because = lifts::because(&by, &why)?;
    let which = Which { id, agent, subject, server, tool, counter, payee };
    let totals = meant(&state, which, because.by).await?;
    begin_anew(&state, &totals, because).await?;
    for total in &totals {
        let name = &total.name;
        tracing::info!(
            id = total.id(),
            by = because.by,
            agent = %name.agent,
            server = %name.server,
            tool = %name.tool,
            counter = %name.counter,
            window = %name.window,
            "a total begins at zero again"
        );
    }
    Ok(Json(page(&state, Found { totals, ..Found::default() })))
}

/// The totals of a reset, if this person may have them begin anew.
async fn meant(state: &AdminState, which: Which, by: &str) -> Result<Vec<Total>, AdminError> {
    if which.id.is_none() && which.agent.is_none() {
        let words = "name the total by its `id`, or the `agent` whose totals are meant";
        return Err(AdminError::new(StatusCode::BAD_REQUEST, "totals.subject_required", words));
    }
    let found = find(state, which, MAX_RESET).await?;
    if found.more {
        let words = format!("more than {MAX_RESET} totals are meant: nothing was reset; narrow them down");
        return Err(AdminError::new(StatusCode::CONFLICT, "totals.too_many", words));
    }
    if found.totals.is_empty() {
        let words = "no such total stands above zero; `interdict totals list` has those that do";
        return Err(AdminError::new(StatusCode::NOT_FOUND, "totals.not_found", words));
    }
    for Total { name, .. } in &found.totals {
        lifts::disinterested(state, by, &name.agent, name.principal.as_ref())?;
    }
    Ok(found.totals)
}

/// Recorded first, then done. Whatever is on record and then not done is said to be so.
async fn begin_anew(state: &AdminState, totals: &[Total], because: Because<'_>) -> Result<(), AdminError> {
    let lifted = || totals.iter().map(Lifted::Total);
    lifts::record(state, lifted(), because).await?;
    let refused = match state.totals.reset(totals).await {
        Ok(true) => return Ok(()),
        Ok(false) => moved(),
        Err(error) => error.into(),
    };
    lifts::undone(state, lifted(), because);
    Err(refused)
}

fn moved() -> AdminError {
    let words = "a call was counted meanwhile: nothing was reset; look at what stands now and repeat";
    AdminError::new(StatusCode::CONFLICT, "totals.moved", words)
}

impl From<TotalsError> for AdminError {
    fn from(error: TotalsError) -> Self {
        if let TotalsError::Unavailable(why) = &error {
            tracing::error!(why, "totals unavailable");
        }
        let message = "the totals cannot be read or changed now; the server's log says more";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), message)
    }
}
