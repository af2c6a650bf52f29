//! The HTTP interface of a witness.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::submission::MAX_BODY_BYTES;
use super::{Refusal, Witness};

/// How long a client may take for its body.
const BODY: Duration = Duration::from_secs(10);
/// How many submissions are in memory at a time; others wait.
const AT_A_TIME: usize = 64;

struct Shared {
    witness: Arc<Witness>,
    places: Semaphore,
}

pub(super) fn router(witness: Arc<Witness>) -> Router {
    let shared = Arc::new(Shared { witness, places: Semaphore::new(AT_A_TIME) });
    Router::new()
        .route("/", get(about))
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(axum::middleware::map_response(never_cached))
        .with_state(shared)
}

async fn about(State(shared): State<Arc<Shared>>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("interdict witness {version}\n{}\n", shared.witness.verifier())
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let Ok(_place) = shared.places.acquire().await else { return refused(&Refusal::Unavailable) };
    let body = match tokio::time::timeout(BODY, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "witness.body_too_large"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "witness.body_too_slow"),
    };
    let witness = Arc::clone(&shared.witness);
    // Writes a file. A client that goes away does not stop it halfway.
    match tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await {
        Ok(Ok(cosignature)) => plain(StatusCode::OK, &cosignature.to_string()),
        Ok(Err(refusal)) => refused(&refusal),
        Err(error) => {
            tracing::error!(code = "witness.internal", %error, "a submission ended badly");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "witness.internal")
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::UnknownOrigin => StatusCode::NOT_FOUND,
        Refusal::BadSignature => StatusCode::FORBIDDEN,
        Refusal::OtherSize(size) | Refusal::Forked(size) => {
            let kind = [(CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response();
        }
        Refusal::Inconsistent => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::TooManyOrigins => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    plain(status, &format!("{}: {refusal}", refusal.code()))
}

fn plain(status: StatusCode, line: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{line}\n")).into_response()
}

async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
