//! What a front door hands to the decision, and what it gets back.
//!
//! Every door (ext_authz today, others later) turns its wire messages into a [`Request`] and an [`Answer`] back into
//! wire messages. Nothing in here belongs to one door.

use std::time::Instant;

use bytes::Bytes;
use interdict_mcp::reply::Reply;
use interdict_proto::enforcement::{Enforcement, EnforcerKind};

/// One HTTP request on a protected route, as the enforcement point saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks, and therefore what can be asked of it.
    pub enforcer: Enforcer,
    /// The enforcement point's own id of the request (`x-request-id` of Envoy); for correlation, never trusted.
    pub id: String,
    /// The HTTP request.
    pub http: Http,
    /// The other end of the connection, as the enforcement point verified it.
    pub peer: Peer,
    /// The server that the enforcement point's own configuration names (`interdict.server`); it wins over the host,
    /// because the operator who wrote the route knows where it leads. The path must still be one of that server's.
    pub server_hint: Option<String>,
    /// Name of the route in the enforcement point, for the log.
    pub route: Option<String>,
    /// When the enforcement point stops waiting; `None` when it did not say.
    pub deadline: Option<Instant>,
}

/// The enforcement point that asks.
#[derive(Clone, Debug)]
pub struct Enforcer {
    /// What it can carry out. A bare ext_authz call is [`EnforcerKind::Native`] until the registry says that a filter
    /// stands behind it.
    pub kind: EnforcerKind,
    /// The version it reports, empty when it reports none.
    pub version: String,
    /// Whether it reports how allowed calls ended.
    pub reports_outcomes: bool,
    /// Digests of the content profiles that it holds; `None`: it does not look into responses.
    pub profiles: Option<Vec<String>>,
}

/// The HTTP part of a [`Request`].
#[derive(Clone, Debug)]
pub struct Http {
    /// `GET`, `POST`, `DELETE`, ...
    pub method: String,
    /// Path with query, as in `:path`.
    pub path: String,
    /// `:authority` or `Host`.
    pub host: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Headers in their order of arrival, names in lower case, duplicates kept, values as raw bytes.
    pub headers: Vec<(String, Bytes)>,
    /// The body, or why there is none.
    pub body: BodyState,
}

impl Http {
    /// The path without its query.
    pub fn path_alone(&self) -> &str {
        self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path)
    }

    /// Bytes of the body that are here.
    pub fn body_bytes(&self) -> usize {
        match &self.body {
            BodyState::Raw(bytes) => bytes.len(),
            BodyState::Missing | BodyState::Partial => 0,
        }
    }
}

/// What is known of the request's body.
#[derive(Clone, Debug)]
pub enum BodyState {
    /// The whole body (empty when the request has none).
    Raw(Bytes),
    /// The request has a body, and the enforcement point did not send it.
    Missing,
    /// The enforcement point sent only the beginning of it.
    Partial,
}

/// The other end of the connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// IP address in text form, without the port; empty when unknown.
    pub address: String,
    /// URI SAN, else DNS SAN, else subject of the verified client certificate (Envoy's order).
    pub principal: Option<String>,
    /// The client certificate as URL-encoded PEM, when the enforcement point was told to send it.
    pub certificate: Option<String>,
}

/// What the enforcement point is told to do.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Let the request go to the server.
    Pass {
        /// Headers to set, overwriting what is there.
        set_headers: Vec<(String, String)>,
        /// Headers to remove.
        remove_headers: Vec<String>,
        /// What travels beside it.
        enforcement: Enforcement,
    },
    /// Answer the client now; not a byte goes to the server.
    Reply {
        /// The HTTP response.
        reply: Reply,
        /// What travels beside it.
        enforcement: Enforcement,
    },
}

impl Answer {
    /// The part that both arms have.
    pub fn enforcement(&self) -> &Enforcement {
        match self {
            Self::Pass { enforcement, .. } | Self::Reply { enforcement, .. } => enforcement,
        }
    }
}

/// A request that a door could not turn into a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Undecodable {
    /// Reason code, `enforcer.*`.
    pub code: &'static str,
    /// One sentence for the log and the client; no content of the request.
    pub message: &'static str,
}
