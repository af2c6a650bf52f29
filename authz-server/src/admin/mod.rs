//! The admin API: approvals and the state of the server, on a port of its own, behind a bearer token.
//!
//! Every error is JSON: `{"error": {"code": "admin.unauthorized", "message": "…"}}`. Codes are stable, messages are not.
//! The token says that the caller may speak for approvers; who approves is in the request (`by`).

mod approvals;
mod errors;
mod health;
mod known;
mod labels;
mod lifts;
mod pins;
mod quarantine;
#[cfg(test)]
mod tests;
mod token;
mod totals;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use self::errors::AdminError;
pub use self::token::{AdminToken, TokenError};
use crate::bundle::BundleKeeper;
use crate::clock::Clock;
use crate::content::ContentStage;
use crate::pins::Pins;
use crate::record::Recording;
use crate::store::ApprovalStore;
use crate::totals::Totals;

/// The largest request body, in bytes; a decision with its note is far below.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What the API shows and changes.
#[derive(Clone)]
pub struct AdminState {
    /// Approvals.
    pub store: Arc<dyn ApprovalStore>,
    /// The bundle in force.
    pub bundle: Arc<BundleKeeper>,
    /// Time of answers.
    pub clock: Arc<dyn Clock>,
    /// Who may call.
    pub token: Arc<AdminToken>,
    /// Where answers are recorded; `None`: recording is switched off.
    pub recording: Option<Arc<Recording>>,
    /// Approved definitions; `None`: none are kept here.
    pub pins: Option<Pins>,
    /// What adds up over calls.
    pub totals: Totals,
    /// What sessions are.
    pub content: Arc<ContentStage>,
}

impl AdminState {
    fn pins(&self) -> Result<&Pins, AdminError> {
        let nothing = || AdminError::new(StatusCode::NOT_FOUND, "pin.not_kept", "no pins are kept here");
        self.pins.as_ref().ok_or_else(nothing)
    }
}

/// The whole API.
pub fn router(state: AdminState) -> Router {
    let guarded = Router::new()
        .route("/v1/approvals", get(approvals::list))
        .route("/v1/approvals/{id}", get(approvals::show))
        .route("/v1/approvals/{id}/approve", post(approvals::approve))
        .route("/v1/approvals/{id}/deny", post(approvals::deny))
        .route("/v1/pins", get(pins::list))
        .route("/v1/pins/review", get(pins::review))
        .route("/v1/pins/approve", post(pins::approve))
        .route("/v1/pins/approve-all", post(pins::approve_all))
        .route("/v1/pins/revoke", post(pins::revoke))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/{handle}", get(quarantine::show))
        .route("/v1/totals", get(totals::list))
        .route("/v1/totals/reset", post(totals::reset))
        .route("/v1/labels", get(labels::list))
        .route("/v1/labels/clear", post(labels::clear))
        .route("/v1/bundle", get(bundle))
        .route("/v1/health", get(health::show))
        .route_layer(middleware::from_fn(to_the_end))
        .route_layer(middleware::from_fn_with_state(state.clone(), require_token));
    Router::new()
        .route("/healthz", get(alive))
        .merge(guarded)
        .fallback(|| async {
            AdminError::new(StatusCode::NOT_FOUND, "admin.no_such_path", "there is nothing at this path")
        })
        .method_not_allowed_fallback(|| async {
            AdminError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "admin.method_not_allowed",
                "this path has other methods",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(never_cached))
        .with_state(state)
}

async fn alive() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn bundle(State(state): State<AdminState>) -> Response {
    Json(state.bundle.status()).into_response()
}

async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a request began goes on when whoever sent it goes away. What people do is recorded first and then done: a handler
/// that was dropped in between would leave a record of something that never happened, and nobody to say so.
async fn to_the_end(request: Request, next: Next) -> Response {
    let answered = tokio::spawn(next.run(request)).await;
    answered.unwrap_or_else(|_| AdminError::internal().into_response())
}

async fn require_token(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let mut presented = request.headers().get_all(AUTHORIZATION).iter();
    let (first, second) = (presented.next(), presented.next());
    let token = first
        .filter(|_| second.is_none())
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let admitted = match token {
        None => Ok(false),
        Some(token) => {
            // Reads a file: not on a worker thread.
            let check = Arc::clone(&state.token);
            match tokio::task::spawn_blocking(move || check.admits(&token)).await {
                Ok(admitted) => admitted,
                Err(_) => return AdminError::internal().into_response(),
            }
        }
    };
    match admitted {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            let error = AdminError::new(
                StatusCode::UNAUTHORIZED,
                "admin.unauthorized",
                "send `authorization: Bearer <admin token>`",
            );
            let mut response = error.into_response();
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Err(error) => {
            tracing::error!(error = %error, "the admin token cannot be checked");
            AdminError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "admin.token_unavailable",
                "the server cannot read its token",
            )
            .into_response()
        }
    }
}
