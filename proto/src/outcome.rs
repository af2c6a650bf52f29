//! How allowed calls ended, as the enforcement point reports it: `interdict.v1.Outcomes`.

pub use crate::pb::interdict::v1::{Ended, Outcome, ReportRequest, ReportResponse, Rpc};

/// The tonic service: implement [`Outcomes`](server::Outcomes), serve it with [`OutcomesServer`](server::OutcomesServer).
#[cfg(feature = "server")]
pub use crate::pb::interdict::v1::outcomes_server as server;

/// Full name of the gRPC service.
pub const OUTCOMES_SERVICE: &str = "interdict.v1.Outcomes";

/// Its one method.
pub const REPORT_METHOD: &str = "Report";

/// Most outcomes in one batch.
pub const MAX_BATCH: usize = 512;

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
