//! Errors of the admin API: a status, a stable code and a sentence, as JSON.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::record::AnswerError;
use crate::store::StoreError;

/// One refused call.
#[derive(Debug)]
pub(super) struct AdminError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl AdminError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal.admin", "the server failed; its log says more")
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::NotFound => StatusCode::NOT_FOUND,
            StoreError::AlreadyDecided(_) | StoreError::NotApproved(_) | StoreError::BindingMismatch => {
                StatusCode::CONFLICT
            }
            StoreError::Expired => StatusCode::GONE,
            StoreError::SelfApproval => StatusCode::FORBIDDEN,
            StoreError::TooManyPending(_) => StatusCode::TOO_MANY_REQUESTS,
            StoreError::Unavailable(reason) => {
                tracing::error!(reason, "the approval store failed");
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    error.code(),
                    "the approval store is unavailable; the server's log says more",
                );
            }
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<AnswerError> for AdminError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Store(error) => error.into(),
            AnswerError::Audit(error) => {
                tracing::error!(code = error.code, %error, "an answer could not be recorded, so it was not given");
                let message = "the answer cannot be recorded now, so it was not given; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.code, message)
            }
        }
    }
}

impl From<JsonRejection> for AdminError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "admin.bad_body", rejection.body_text())
    }
}

impl From<QueryRejection> for AdminError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "admin.bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for AdminError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "admin.bad_path", rejection.body_text())
    }
}
