//! What an enforcement point is told to do, beside the Check answer itself.
//!
//! An [`Enforcement`] travels as JSON text in the string field [`keys::ENFORCEMENT`] of
//! `CheckResponse.dynamic_metadata`, next to three plain strings for access logs. Text inside of a protobuf Struct, and
//! not a Struct of its own, because Envoy hands a string leaf to a Wasm filter byte for byte, while a Struct would turn
//! every offset into a double.
//!
//! Reading is strict: an unknown member, an unknown obligation, a wrong version or an edit that does not fit is an
//! error, and an error is a Deny.

use crate::envoy::{auth::CheckResponse, protobuf::Struct};
use interdict_content::rules::ResponseRules;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the message that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Longest decision id and reason, in bytes. Both are written into filter state, logs and headers.
pub const MAX_LABEL_BYTES: usize = 128;

/// Names that both sides use.
pub mod keys {
    /// Field of the dynamic metadata that holds the [`Enforcement`](super::Enforcement) as JSON text.
    pub const ENFORCEMENT: &str = "enforcement";
    /// Field of the dynamic metadata with the decision id, for access logs.
    pub const DECISION_ID: &str = "decision_id";
    /// Field of the dynamic metadata with the verdict, for access logs.
    pub const VERDICT: &str = "verdict";
    /// Field of the dynamic metadata with the reason code, for access logs.
    pub const REASON: &str = "reason";

    /// `context_extensions`: who enforces, `call` or `split`; missing for Envoy's native filter alone.
    pub const ENFORCER: &str = "interdict.enforcer";
    /// `context_extensions`: version of the filter.
    pub const ENFORCER_VERSION: &str = "interdict.enforcer_version";
    /// `context_extensions`: [`OUTCOMES_REPORTED`] when the enforcement point reports how allowed calls ended.
    pub const OUTCOMES: &str = "interdict.outcomes";
    /// `context_extensions`: digests of the content profiles that the filter holds, joined by commas. Any value, also an
    /// empty one, says that the filter carries out [`Obligation::InspectResponse`](super::Obligation::InspectResponse).
    pub const PROFILES: &str = "interdict.profiles";
    /// The one value of [`OUTCOMES`].
    pub const OUTCOMES_REPORTED: &str = "1";
    /// `context_extensions`: id of the MCP server, where the Envoy configuration names it.
    pub const SERVER: &str = "interdict.server";
    /// `context_extensions`: name of Envoy's route.
    pub const ROUTE: &str = "interdict.route";
    /// `context_extensions`: name of Envoy's virtual host.
    pub const VIRTUAL_HOST: &str = "interdict.virtual_host";
}

/// Who carries out the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnforcerKind {
    /// Envoy's native ext_authz filter and nothing after it.
    Native,
    /// The native filter asks, our filter after it carries out the obligations.
    Split,
    /// Our filter asks and carries out.
    Call,
}

impl EnforcerKind {
    /// Its name in `context_extensions`, logs and policy input.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Split => "split",
            Self::Call => "call",
        }
    }

    /// Reads the name; `None` for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "native" => Some(Self::Native),
            "split" => Some(Self::Split),
            "call" => Some(Self::Call),
            _ => None,
        }
    }

    /// Whether it can look into responses. A verdict with an obligation that cannot be carried out is a Deny.
    pub fn can_inspect_responses(self) -> bool {
        self.can_edit_body()
    }

    /// Whether it can replace a request body. A verdict with an obligation that cannot be carried out is a Deny.
    pub fn can_edit_body(self) -> bool {
        match self {
            Self::Native => false,
            Self::Split | Self::Call => true,
        }
    }
}

/// The verdict. Ordered by strictness: the maximum of several is the one that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The request goes on.
    Allow,
    /// A person decides; until then the request does not go on.
    Intercept,
    /// The request does not go on.
    Deny,
}

impl Verdict {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Intercept => "intercept",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One replacement in a body: the bytes `start..end` of the original become `text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// First byte replaced, counted in the original body.
    pub start: usize,
    /// One past the last byte replaced; equal to `start` for an insertion.
    pub end: usize,
    /// What stands there afterwards.
    pub text: String,
}

/// Something the enforcement point must do, or else deny.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Obligation {
    /// Edit the request body before it goes on. The edits are sorted, do not overlap, and count in the body that was
    /// judged.
    ReplaceRequestBody {
        /// Size in bytes of the body that was judged; another size means another body.
        length_before: usize,
        /// The edits, in order.
        edits: Vec<Edit>,
    },
    /// Look into the response before it goes back, and do what the rules say.
    InspectResponse {
        /// The rules.
        rules: Box<ResponseRules>,
    },
}

/// The decision as the enforcement point sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforcement {
    /// [`VERSION`].
    pub v: u32,
    /// Id of the decision, the same in every log. Printable ASCII without blanks, at most [`MAX_LABEL_BYTES`].
    pub decision_id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Reason code, `stage.snake_case`. Same characters and length as `decision_id`.
    pub reason: String,
    /// What to do; empty in most decisions. At most one of each kind.
    pub obligations: Vec<Obligation>,
}

/// Why an enforcement could not be read or carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnforcementError {
    /// The dynamic metadata has no such text.
    Missing,
    /// Not the JSON we know: syntax, unknown or duplicate member, unknown obligation or verdict.
    Malformed(String),
    /// A version other than [`VERSION`].
    Version(u32),
    /// Empty, too long or not printable: `decision_id` or `reason`.
    Label(&'static str),
    /// Obligations that contradict each other or do not fit the verdict.
    Contradiction,
    /// An edit reaches past the body, runs backwards or overlaps its neighbour.
    Edit(usize),
    /// The body at hand has another size than the one that was judged.
    Length {
        /// Size that was judged.
        judged: usize,
        /// Size at hand.
        found: usize,
    },
}

impl fmt::Display for EnforcementError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(out, "no enforcement in the answer's dynamic metadata"),
            Self::Malformed(why) => write!(out, "enforcement is not readable: {why}"),
            Self::Version(v) => write!(out, "enforcement has version {v}, this side reads {VERSION}"),
            Self::Label(which) => write!(out, "enforcement has an unfit {which}"),
            Self::Contradiction => write!(out, "enforcement contradicts itself"),
            Self::Edit(index) => write!(out, "edit {index} does not fit the body"),
            Self::Length { judged, found } => {
                write!(out, "body has {found} bytes, the judged one had {judged}")
            }
        }
    }
}

impl std::error::Error for EnforcementError {}

impl Enforcement {
    /// An enforcement of this version.
    pub fn new(
        decision_id: impl Into<String>,
        verdict: Verdict,
        reason: impl Into<String>,
        obligations: Vec<Obligation>,
    ) -> Self {
        Self { v: VERSION, decision_id: decision_id.into(), verdict, reason: reason.into(), obligations }
    }

    /// Reads the JSON text, strictly.
    ///
    /// # Errors
    /// Any deviation from the form, see [`EnforcementError`].
    pub fn parse(text: &str) -> Result<Self, EnforcementError> {
        let read: Self =
            serde_json::from_str(text).map_err(|error| EnforcementError::Malformed(error.to_string()))?;
        read.check()?;
        Ok(read)
    }

    /// The JSON text, checked as [`parse`](Self::parse) would.
    ///
    /// # Errors
    /// When the other side would refuse it.
    pub fn to_json(&self) -> Result<String, EnforcementError> {
        self.check()?;
        serde_json::to_string(self).map_err(|error| EnforcementError::Malformed(error.to_string()))
    }

    /// The string fields of the dynamic metadata: the enforcement itself and the three for access logs.
    ///
    /// # Errors
    /// When the other side would refuse it.
    pub fn metadata(&self) -> Result<[(&'static str, String); 4], EnforcementError> {
        Ok([
            (keys::ENFORCEMENT, self.to_json()?),
            (keys::DECISION_ID, self.decision_id.clone()),
            (keys::VERDICT, self.verdict.as_str().to_owned()),
            (keys::REASON, self.reason.clone()),
        ])
    }

    /// [`metadata`](Self::metadata) as a protobuf Struct.
    ///
    /// # Errors
    /// When the other side would refuse it.
    pub fn to_struct(&self) -> Result<Struct, EnforcementError> {
        let mut fields = Struct::default();
        for (name, text) in self.metadata()? {
            fields.set_string(name, text);
        }
        Ok(fields)
    }

    /// Takes the enforcement out of an answer.
    ///
    /// # Errors
    /// When it is missing or unfit.
    pub fn from_response(response: &CheckResponse) -> Result<Self, EnforcementError> {
        let metadata = response.dynamic_metadata.as_ref().ok_or(EnforcementError::Missing)?;
        Self::parse(metadata.string(keys::ENFORCEMENT).ok_or(EnforcementError::Missing)?)
    }

    /// The body edit, if there is one: judged size and edits.
    pub fn body_edit(&self) -> Option<(usize, &[Edit])> {
        self.obligations
            .iter()
            .filter_map(|obligation| match obligation {
                Obligation::ReplaceRequestBody { length_before, edits } => {
                    Some((*length_before, edits.as_slice()))
                }
                Obligation::InspectResponse { .. } => None,
            })
            .next()
    }

    /// What is to be done to the response, if anything.
    pub fn response_rules(&self) -> Option<&ResponseRules> {
        self.obligations.iter().find_map(|obligation| match obligation {
            Obligation::InspectResponse { rules } => Some(rules.as_ref()),
            Obligation::ReplaceRequestBody { .. } => None,
        })
    }

    fn check(&self) -> Result<(), EnforcementError> {
        if self.v != VERSION {
            return Err(EnforcementError::Version(self.v));
        }
        for (label, name) in [(&self.decision_id, "decision_id"), (&self.reason, "reason")] {
            let fits = !label.is_empty()
                && label.len() <= MAX_LABEL_BYTES
                && label.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                return Err(EnforcementError::Label(name));
            }
        }
        // Two edits of one body would each count in the original: there is no order in which both are right; nor is there
        // one for two sets of rules. A request that does not go on has no body to edit and no response.
        let edits =
            self.obligations.iter().filter(|one| matches!(one, Obligation::ReplaceRequestBody { .. }));
        let edits = edits.count();
        if edits > 1
            || self.obligations.len() > edits + 1
            || (self.verdict != Verdict::Allow && !self.obligations.is_empty())
        {
            return Err(EnforcementError::Contradiction);
        }
        if let Some((length_before, edits)) = self.body_edit() {
            check_edits(length_before, edits)?;
        }
        Ok(())
    }
}

fn check_edits(length: usize, edits: &[Edit]) -> Result<(), EnforcementError> {
    let mut done = 0;
    for (index, edit) in edits.iter().enumerate() {
        if edit.start < done || edit.end < edit.start || edit.end > length {
            return Err(EnforcementError::Edit(index));
        }
        done = edit.end;
    }
    Ok(())
}

/// The body after the edits.
///
/// # Errors
/// When `body` has not the judged size, or an edit does not fit; the body must then not go on.
pub fn apply(body: &[u8], length_before: usize, edits: &[Edit]) -> Result<Vec<u8>, EnforcementError> {
    if body.len() != length_before {
        return Err(EnforcementError::Length { judged: length_before, found: body.len() });
    }
    check_edits(length_before, edits)?;
    let mut after = Vec::with_capacity(body.len());
    let mut done = 0;
    for (index, edit) in edits.iter().enumerate() {
        let kept = body.get(done..edit.start).ok_or(EnforcementError::Edit(index))?;
        after.extend_from_slice(kept);
        after.extend_from_slice(edit.text.as_bytes());
        done = edit.end;
    }
    after.extend_from_slice(body.get(done..).ok_or(EnforcementError::Edit(edits.len()))?);
    Ok(after)
}
