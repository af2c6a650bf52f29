//! Protocol revisions.

use std::fmt;

/// A published MCP revision. The order is the order of publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// 2024-11-05: HTTP+SSE, two URLs.
    V2024_11_05,
    /// 2025-03-26: streamable HTTP; the only revision with JSON-RPC batches.
    V2025_03_26,
    /// 2025-06-18: `MCP-Protocol-Version` header, no batches.
    V2025_06_18,
    /// 2025-11-25: tasks (experimental), URL elicitation.
    V2025_11_25,
    /// 2026-07-28: stateless, POST only, headers mirror the body.
    V2026_07_28,
}

impl Era {
    /// Every revision, oldest first.
    pub const ALL: [Era; 5] =
        [Era::V2024_11_05, Era::V2025_03_26, Era::V2025_06_18, Era::V2025_11_25, Era::V2026_07_28];

    /// What a server has to assume when the version header is absent (MCP 2025-06-18 and later, transports).
    pub const ASSUMED: Era = Era::V2025_03_26;

    /// The revision's name on the wire, such as `2025-11-25`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Era::V2024_11_05 => "2024-11-05",
            Era::V2025_03_26 => "2025-03-26",
            Era::V2025_06_18 => "2025-06-18",
            Era::V2025_11_25 => "2025-11-25",
            Era::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision with exactly this name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Era> {
        Era::ALL.into_iter().find(|era| era.label() == label)
    }

    /// Whether the revision is stateless with a per-request envelope (2026-07-28 and later).
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self, Era::V2026_07_28)
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip_and_nothing_else_is_a_revision() {
        for era in Era::ALL {
            assert_eq!(Era::from_label(era.label()), Some(era));
        }
        for label in ["", "2024-10-07", "2026-07-28 ", "2099-01-01", "draft"] {
            assert_eq!(Era::from_label(label), None, "{label}");
        }
    }
}
