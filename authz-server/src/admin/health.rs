//! What an operator's monitoring asks: does this server decide as it should?

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::AdminState;
use crate::audit;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Report {
    status: &'static str,
    version: &'static str,
    audit: Log,
    bundle: Policy,
}

/// The log of decisions.
#[derive(Debug, Serialize)]
struct Log {
    /// `serving`, `down` or `off`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// The bundle in force.
#[derive(Debug, Serialize)]
struct Policy {
    /// `fresh` or `stale`.
    status: &'static str,
    digest: String,
}

/// 200 when every call can be decided by its own merits, 503 when some are denied because of us.
pub(super) async fn show(State(state): State<AdminState>) -> (StatusCode, Json<impl Serialize>) {
    let audit = log(&state);
    let stale = state.bundle.freshness().is_stale(state.clock.now());
    let bundle =
        Policy { status: if stale { "stale" } else { "fresh" }, digest: state.bundle.status().digest };
    let fine = audit.status != "down" && !stale;
    let report = Report {
        status: if fine { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        audit,
        bundle,
    };
    (if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(report))
}

fn log(state: &AdminState) -> Log {
    let Some(recording) = &state.recording else {
        return Log { status: "off", code: None, since: None };
    };
    let health = *recording.recorder().health().borrow();
    match health {
        audit::Health::Serving => Log { status: "serving", code: None, since: None },
        audit::Health::Down { code, since } => {
            Log { status: "down", code: Some(code), since: Some(since.to_string()) }
        }
    }
}
