//! What happens to the bundle, for whoever records it.

/// Something happened to the bundle in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A bundle came into force.
    Loaded,
    /// A new one was refused; what was in force stays.
    Refused,
    /// The source has again what is in force, or a kept bundle came into force because the source cannot be reached.
    Restored,
    /// The bundle in force is too old or has expired: consequential calls are denied.
    Stale,
    /// It no longer is.
    Fresh,
}

impl EventKind {
    /// Its name in records and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Refused => "refused",
            Self::Restored => "restored",
            Self::Stale => "stale",
            Self::Fresh => "fresh",
        }
    }
}

/// One event with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleEvent {
    /// What happened.
    pub event: EventKind,
    /// Digest of the bundle in force after the event; absent when none is.
    pub digest: Option<String>,
    /// Digest of the bundle that was in force before, when another came into force.
    pub previous: Option<String>,
    /// Its revision, as its `.manifest` says.
    pub revision: Option<String>,
    /// Its sequence, as its `.manifest` says.
    pub sequence: Option<u64>,
    /// The key that signed it; absent for a bundle that needed no signature.
    pub signed_by: Option<String>,
    /// Where it comes from.
    pub source: String,
    /// Why, for what went wrong.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// Is told of every event, in order, before the next one happens. Called from a thread that may block.
pub trait BundleEvents: Send + Sync {
    /// Something happened.
    fn happened(&self, event: &BundleEvent);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl BundleEvents for NoEvents {
    fn happened(&self, _: &BundleEvent) {}
}
