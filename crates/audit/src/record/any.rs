//! A body of any kind, as it was read.

use super::labels::Kind;
use super::{
    Approval, Body, Bundle, Decision, Gap, Health, Key, Lift, Outcome, OutcomeMissing, Pin, RecordError,
    ReplayDifference, Start, Stop,
};

macro_rules! any_body {
    ($($kind:ident)*) => {
        /// A body of any kind, owned.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named like its body")]
        pub enum AnyBody {
            $($kind(Box<$kind<'static>>),)*
        }

        impl AnyBody {
            /// Reads the body of an entry of this kind.
            ///
            /// # Errors
            /// [`RecordError::Body`] for anything else than a body of this kind.
            pub fn read(kind: Kind, json: &str) -> Result<Self, RecordError> {
                let wrong = |error: serde_json::Error| RecordError::Body { kind, message: error.to_string() };
                Ok(match kind {
                    $(Kind::$kind => Self::$kind(Box::new(serde_json::from_str(json).map_err(wrong)?)),)*
                })
            }

            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// See [`Body::to_bytes`].
            ///
            /// # Errors
            /// As there.
            pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
                match self { $(Self::$kind(body) => body.to_bytes(),)* }
            }

            /// The decision that it belongs to.
            #[must_use]
            pub fn decision_id(&self) -> Option<&str> {
                match self {
                    Self::Decision(body) => Some(&body.decision_id),
                    Self::Outcome(body) => Some(&body.decision_id),
                    Self::OutcomeMissing(body) => Some(&body.decision_id),
                    Self::ReplayDifference(body) => Some(&body.decision_id),
                    _ => None,
                }
            }
        }
    };
}

any_body! { Decision Outcome OutcomeMissing Approval Bundle Pin Lift Key Start Stop ReplayDifference Gap Health }
