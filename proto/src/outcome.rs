//! How allowed calls ended, as the enforcement point reports it: `interdict.v1.Outcomes`.

pub use crate::pb::interdict::v1::{
    Ended, Found, Outcome, Quarantined, ReportRequest, ReportResponse, Rpc, Seen, Treated,
};

/// The tonic service: implement [`Outcomes`](server::Outcomes), serve it with [`OutcomesServer`](server::OutcomesServer).
#[cfg(feature = "server")]
pub use crate::pb::interdict::v1::outcomes_server as server;

/// Full name of the gRPC service.
pub const OUTCOMES_SERVICE: &str = "interdict.v1.Outcomes";

/// Its one method.
pub const REPORT_METHOD: &str = "Report";

/// Most outcomes in one batch.
pub const MAX_BATCH: usize = 512;

/// Most classes, entries of lists and quarantined texts in one outcome; what is beyond is left out.
pub const MAX_FOUND: usize = 64;
/// As [`MAX_FOUND`], for entries of lists.
pub const MAX_SEEN: usize = 64;
/// As [`MAX_FOUND`], for quarantined texts.
pub const MAX_QUARANTINED: usize = 16;
/// Longest definition and longest quarantined text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

impl Ended {
    /// Its name in records; `None` when it was not said.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Complete => Some("complete"),
            Self::Reset => Some("reset"),
            Self::LocalReply => Some("local_reply"),
        }
    }
}

impl Rpc {
    /// Its name in records; `None` when it was not said.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Result => Some("result"),
            Self::ToolError => Some("tool_error"),
            Self::Error => Some("error"),
            Self::None => Some("none"),
            Self::Unread => Some("unread"),
        }
    }
}

impl Treated {
    /// Its name in records; `None` when the response was not looked into.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Untouched => Some("untouched"),
            Self::Edited => Some("edited"),
            Self::Refused => Some("refused"),
            Self::Quarantined => Some("quarantined"),
        }
    }
}
