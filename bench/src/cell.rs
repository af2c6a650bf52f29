//! What is measured: scenarios, payloads, connections, and the cells that they span.

use clap::ValueEnum;
use serde::Serialize;

/// One way to put Envoy before the MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Envoy's router and nothing else: the first floor.
    Bare,
    /// Native ext_authz to a server that answers OK without looking: the second floor.
    Floor,
    /// The Interdict filter in mode `call`, full decision.
    Call,
    /// Native ext_authz to Interdict, full decision, no filter.
    Native,
    /// Native ext_authz to Interdict, and the filter in mode `split` after it.
    Split,
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [Self::Bare, Self::Floor, Self::Call, Self::Native, Self::Split];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Floor => "floor",
            Self::Call => "call",
            Self::Native => "native",
            Self::Split => "split",
        }
    }

    /// A sentence for the report.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Bare => "Envoy, no authorization",
            Self::Floor => "native ext_authz to a server that answers OK without looking",
            Self::Call => "Interdict filter, mode call",
            Self::Native => "native ext_authz to Interdict",
            Self::Split => "native ext_authz to Interdict, filter in mode split",
        }
    }
}

/// How large the arguments of a `tools/call` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) enum Payload {
    #[serde(rename = "1KB")]
    Small,
    #[serde(rename = "64KB")]
    Large,
}

impl Payload {
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Exact length of the JSON text of `params.arguments`, in bytes.
    pub(crate) fn argument_bytes(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => 65_536,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "1KB",
            Self::Large => "64KB",
        }
    }
}

/// Closed-loop connections, each with one request in flight.
pub(crate) const CONNECTIONS: [usize; 2] = [1, 32];

/// A payload over a number of connections: what the scenarios are compared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) payload: Payload,
    pub(crate) connections: usize,
}

impl Group {
    /// The group that the headline latency ratios are taken from.
    pub(crate) const LATENCY: Self = Self { payload: Payload::Small, connections: 1 };
    /// The group that the headline throughput ratio is taken from.
    pub(crate) const THROUGHPUT: Self = Self { payload: Payload::Small, connections: 32 };

    pub(crate) fn all() -> Vec<Self> {
        let pairs = Payload::ALL.into_iter().flat_map(|payload| CONNECTIONS.map(|c| (payload, c)));
        pairs.map(|(payload, connections)| Self { payload, connections }).collect()
    }

    /// For keys and file names, e.g. `1KB_32c`.
    pub(crate) fn name(self) -> String {
        format!("{}_{}c", self.payload.name(), self.connections)
    }
}
