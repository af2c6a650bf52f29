//! An MCP server as a bundle declares it.

use interdict_content::rules::Undeclared;
use serde::{Deserialize, Serialize};

/// One MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Unique id.
    pub id: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Canonical URI, and the audience that a token must name (RFC 8707).
    pub resource: String,
    /// Host names without port, lower case; `*` = any.
    pub hosts: Vec<String>,
    /// Exact paths.
    pub paths: Vec<String>,
    /// How the server reads numbers.
    #[serde(default)]
    pub numbers: Numbers,
    /// Who stands behind a bare ext_authz call for this server.
    #[serde(default)]
    pub enforcement: ServerEnforcement,
    /// The form of a denied `tools/call`.
    #[serde(default)]
    pub deny_form: DenyForm,
    /// Tools that change nothing, by their exact names: the operator's word, never the server's. Every other tool's
    /// calls count as consequential: they are denied while no record can be written or the bundle is stale.
    #[serde(default)]
    pub read_only_tools: Vec<String>,
    /// Whether the definitions of its tools, prompts and resources are held against what was approved.
    #[serde(default)]
    pub tool_pinning: ToolPinning,
    /// What stands behind it, as whoever deploys it says: `sha256:` and 64 hex digits. Pins are approvals of what was
    /// served from this image; when it changes, calls ask a person until somebody has approved again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// What happens to arguments that a pinned tool does not declare.
    #[serde(default)]
    pub undeclared_arguments: UndeclaredArguments,
    /// What happens to members of results that a pinned tool's `outputSchema` does not declare, where no contract says
    /// something stricter.
    #[serde(default)]
    pub undeclared_output: Undeclared,
}

/// Whether definitions are held against what was approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolPinning {
    /// They are not.
    #[default]
    Off,
    /// What is seen first is approved by that; every change waits for a person.
    TrustFirst,
    /// New ones and changes wait for a person.
    ApproveFirst,
}

/// What happens to arguments that a pinned tool does not declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndeclaredArguments {
    /// The call is refused, unless the tool's schema allows them in so many words (`additionalProperties`).
    #[default]
    Refuse,
    /// What the schema says: most allow them.
    Allow,
}

/// How a server reads numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Only numbers that survive a double (RFC 7493); others are refused.
    #[default]
    #[serde(rename = "i_json")]
    IJson,
    /// Every JSON number, exactly.
    Exact,
}

/// Who stands behind a bare ext_authz call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerEnforcement {
    /// Envoy's ext_authz filter alone.
    #[default]
    Native,
    /// Envoy's ext_authz filter with our filter behind it.
    Split,
}

/// The form of a denied `tools/call`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyForm {
    /// A tool result with `isError`.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    RpcError,
}
