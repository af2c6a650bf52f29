//! An agent as a bundle declares it.

use serde::{Deserialize, Serialize};

/// One agent class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Unique id.
    pub id: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Roles that policies read.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Ids of the servers that it may use at all.
    #[serde(default)]
    pub servers: Vec<String>,
    /// What proves that a caller is this agent.
    pub identities: Vec<AgentIdentity>,
}

/// One proof of identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "IdentityForm", into = "IdentityForm")]
pub enum AgentIdentity {
    /// The subject of a token of this issuer.
    Token {
        /// `iss`, compared exactly.
        issuer: String,
        /// The subject claim, compared exactly.
        subject: String,
    },
    /// The URI of the workload's certificate.
    Spiffe {
        /// `spiffe://…`, compared exactly.
        spiffe: String,
    },
}

/// How an identity is written: `{issuer, subject}` or `{spiffe}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe: Option<String>,
}

impl TryFrom<IdentityForm> for AgentIdentity {
    type Error = &'static str;

    fn try_from(form: IdentityForm) -> Result<Self, Self::Error> {
        match (form.issuer, form.subject, form.spiffe) {
            (Some(issuer), Some(subject), None) => Ok(Self::Token { issuer, subject }),
            (None, None, Some(spiffe)) => Ok(Self::Spiffe { spiffe }),
            _ => Err("an identity has either `issuer` and `subject`, or `spiffe`"),
        }
    }
}

impl From<AgentIdentity> for IdentityForm {
    fn from(identity: AgentIdentity) -> Self {
        match identity {
            AgentIdentity::Token { issuer, subject } => {
                Self { issuer: Some(issuer), subject: Some(subject), spiffe: None }
            }
            AgentIdentity::Spiffe { spiffe } => Self { issuer: None, subject: None, spiffe: Some(spiffe) },
        }
    }
}
