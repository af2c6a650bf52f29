//! Why a request was not read, and how to say so.

use std::fmt;

use crate::Id;
use crate::reply::Reply;

/// A request that has no single reading, or that the revision in force forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable reason code: `parse.*` or `http.*`.
    pub code: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// JSON-RPC error code of the answer.
    pub rpc_code: i64,
    /// What is wrong, without any value out of the request.
    pub message: String,
    id: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, status: u16, rpc_code: i64, message: impl Into<String>) -> Self {
        Refusal { code, status, rpc_code, message: message.into(), id: None }
    }

    /// The request's id, if it could be read with certainty.
    #[must_use]
    pub fn id(&self) -> Option<Id<'_>> {
        self.id.as_deref().and_then(Id::from_raw)
    }

    /// The answer to the client in the form its revision asks for.
    #[must_use]
    pub fn reply(&self, _decision_id: &str) -> Reply {
        Reply { status: self.status, content_type: None, headers: Vec::new(), body: Vec::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
