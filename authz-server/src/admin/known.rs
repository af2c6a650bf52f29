//! Servers and agents that a caller names. One that nobody knows is most often a typing mistake, and "nothing waits" would be a
//! dangerous answer to it.

use axum::http::StatusCode;

use super::AdminState;
use super::errors::AdminError;

/// Characters of a name that are repeated.
const MAX_SHOWN: usize = 100;

/// Refuses a server that is not in the bundle; to be asked when nothing was found under its name. (What is kept of a
/// server that was taken out of the bundle is still shown.)
pub(super) fn server(state: &AdminState, named: Option<&str>) -> Result<(), AdminError> {
    let Some(named) = named else { return Ok(()) };
    let bundle = state.bundle.current().load_full();
    let registry = bundle.registry();
    if registry.server(named).is_some() {
        return Ok(());
    }
    let mut known: Vec<_> = registry.servers().map(|server| server.id.as_str()).collect();
    known.sort_unstable();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let named: String = named.chars().take(MAX_SHOWN).collect();
    let message = format!("the bundle has no server `{named}`; it has: {known}");
    Err(AdminError::new(StatusCode::NOT_FOUND, "admin.unknown_server", message))
}

/// Refuses an agent that is not in the bundle, as [`server`] does; of agents there may be thousands, so they are not named.
pub(super) fn agent(state: &AdminState, named: Option<&str>) -> Result<(), AdminError> {
    let Some(named) = named else { return Ok(()) };
    if state.bundle.current().load_full().registry().agent(named).is_some() {
        return Ok(());
    }
    let shown: String = named.chars().take(MAX_SHOWN).collect();
    let message = format!("the bundle has no agent `{shown}`; write its id, whole and without wildcards");
    Err(AdminError::new(StatusCode::NOT_FOUND, "admin.unknown_agent", message))
}
