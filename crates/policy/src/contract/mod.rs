//! What an operator says a tool does, and how far it may go: the facts about it that no server is believed.

mod check;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use interdict_content::rules::{Over, Undeclared};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::bundle::read_yaml;
use crate::{BundleError, Registry};

/// The contract of one tool of one server. A path is a list of member names; `*`, once, is every element of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Id of the server.
    pub server: String,
    /// Exact name of the tool.
    pub tool: String,
    /// The person who read and approved it.
    pub signed_by: String,
    /// Everything that a call may do.
    pub effects: Vec<Effect>,
    /// Whether what it does can be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
    /// How sensitive what it touches is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// The amount of money that a call moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueTerm>,
    /// How many rows an answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsTerm>,
    /// To how many a call may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<RecipientsTerm>,
    /// How many things a call may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cardinality: Option<CardinalityTerm>,
    /// Addresses that must lead to an approved host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationTerm>,
    /// How far below the root a file or folder must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_depth: Option<PathDepthTerm>,
    /// What an answer may look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputTerm>,
}

impl Contract {
    /// Whether a call may change something.
    #[must_use]
    pub fn changes_things(&self) -> bool {
        self.effects.iter().any(|effect| *effect != Effect::Read)
    }
}

/// Something that a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Reads and changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Deletes.
    Delete,
    /// Sends something to somebody.
    Send,
    /// Moves money.
    Pay,
    /// Runs code, a command or a query that the caller wrote.
    Execute,
    /// Gives rights to somebody.
    Grant,
}

/// How sensitive something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Anybody may know it.
    Low,
    /// For the house.
    Medium,
    /// For a few.
    High,
}

/// The amount of money that a call moves. `ask_above` and `max` are in the smallest unit of the currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTerm {
    /// Where the amount is.
    pub path: Vec<String>,
    /// ISO 4217 code of the amounts below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where the currency is in the arguments; there it must be `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_path: Option<Vec<String>>,
    /// Decimal places of the argument when it is in the main unit (2: `12.50` is 1250); absent, it is in the smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_units: Option<u8>,
    /// More needs a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_above: Option<u64>,
    /// More is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// A call without an amount is fine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Bounds of the sum over calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<TotalTerm>,
}

/// How far the calls of one agent may go together, within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotalTerm {
    /// How long a call counts, like `24h`: [`crate::window_seconds`].
    pub window: String,
    /// Of `value`: where the payee is; each has a sum of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Vec<String>>,
    /// More, this call included, needs a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_above: Option<u64>,
    /// More, this call included, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// How many rows an answer may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsTerm {
    /// From `structuredContent` to the array; `*` any number of times.
    pub path: Vec<String>,
    /// Most rows.
    pub max: u64,
    /// What happens to more.
    pub over: Over,
}

/// To how many a call may send, over all paths together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipientsTerm {
    /// Where they are: each value is one recipient.
    pub paths: Vec<Vec<String>>,
    /// More need a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_above: Option<u64>,
    /// More are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// A call without recipients is fine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Bounds of the number of distinct recipients over calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<TotalTerm>,
}

/// How many things a call may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardinalityTerm {
    /// Where the things are named: each value is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Vec<String>>,
    /// Where conditions are that choose the things; they are not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Vec<String>>,
    /// More need a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_above: Option<u64>,
    /// More are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// What happens when nothing bounds the call: no name and no condition, or one that is empty or a wildcard.
    #[serde(default)]
    pub unbounded: Unbounded,
    /// Bounds of the number of distinct things over calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<TotalTerm>,
}

/// What happens to a call that nothing bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbounded {
    /// It is refused.
    #[default]
    Deny,
    /// A person is asked.
    Ask,
}

/// An address that must lead to a host of `interdict.destinations.hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationTerm {
    /// Where it is.
    pub path: Vec<String>,
    /// What it is.
    pub kind: DestinationKind,
    /// A call without it is fine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// Form of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// A URL.
    Url,
    /// An e-mail address.
    Email,
    /// The name of a host, with or without port.
    Host,
}

/// How far below the root a file or folder must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathDepthTerm {
    /// Where its path is.
    pub path: Vec<String>,
    /// Fewest parts of the path.
    pub min: u64,
    /// A call without it is fine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// What an answer may look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTerm {
    /// What happens to members that the pinned `outputSchema` does not declare.
    pub undeclared: Undeclared,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractsFile {
    contracts: Vec<Spanned<Contract>>,
}

/// All contracts of a bundle, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contracts {
    /// Server -> tool -> contract.
    by_server: BTreeMap<String, BTreeMap<String, Arc<Contract>>>,
}

impl Contracts {
    /// The contract of a tool.
    pub(crate) fn get(&self, server: &str, tool: &str) -> Option<&Arc<Contract>> {
        self.by_server.get(server)?.get(tool)
    }

    /// All of them, by server and tool.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.by_server.values().flat_map(BTreeMap::values)
    }

    /// Adds a file of contracts. Its servers are known by now.
    pub(crate) fn add(
        &mut self,
        text: &str,
        file: &Path,
        registry: &Registry,
        has_hosts: bool,
    ) -> Result<(), BundleError> {
        for contract in read_yaml::<ContractsFile>(text, file)?.contracts {
            let line = u32::try_from(contract.referenced.line()).ok();
            let contract = contract.value;
            check::contract(&contract, registry, has_hosts).map_err(|error| error.at(file, line))?;
            let tools = self.by_server.entry(contract.server.clone()).or_default();
            if tools.contains_key(&contract.tool) {
                let message = format!(
                    "Tool `{}` of server `{}` has two contracts; each tool has one over all files.",
                    contract.tool, contract.server
                );
                return Err(BundleError::new("bundle.duplicate_contract", message).at(file, line));
            }
            tools.insert(contract.tool.clone(), Arc::new(contract));
        }
        Ok(())
    }
}
