//! Records of what happens to the bundle: which policy was in force when, and what was refused.

use std::sync::Arc;

use interdict_audit::record::{Bundle, BundleEvent as Word};

use super::entries::system;
use super::evidence::short;
use crate::audit::Recorder;
use crate::bundle::{BundleEvent, BundleEvents, EventKind};

/// Bytes of a message: it can quote a file.
const MAX_MESSAGE: usize = 1_024;
/// Bytes of names that the bundle's author or source chose.
const MAX_NAME: usize = 256;

/// Records bundle events in the log of no tenant.
pub(crate) struct BundleRecords(Arc<dyn Recorder>);

impl BundleRecords {
    pub(crate) fn new(recorder: Arc<dyn Recorder>) -> Self {
        Self(recorder)
    }
}

impl BundleEvents for BundleRecords {
    fn happened(&self, event: &BundleEvent) {
        let cut = |text: &Option<String>, most| text.as_deref().map(|text| short(text, most).into());
        let body = Bundle {
            code: cut(&event.code, MAX_NAME),
            digest: event.digest.as_deref().map(Into::into),
            event: word(event.event),
            message: cut(&event.message, MAX_MESSAGE),
            previous: event.previous.as_deref().map(Into::into),
            revision: cut(&event.revision, MAX_NAME),
            sequence: event.sequence.map(Into::into),
            signed_by: cut(&event.signed_by, MAX_NAME),
            source: short(&event.source, MAX_MESSAGE).into(),
        };
        if let Some(mut entry) = system(&body) {
            entry.at_once = true;
            self.0.submit(entry);
        }
    }
}

fn word(event: EventKind) -> Word {
    match event {
        EventKind::Loaded => Word::Loaded,
        EventKind::Refused => Word::Refused,
        EventKind::Restored => Word::Restored,
        EventKind::Stale => Word::Stale,
        EventKind::Fresh => Word::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::memory::MemoryLog;

    #[test]
    fn what_happens_to_the_bundle_is_recorded_in_the_log_of_no_tenant_with_long_words_cut() {
        let log = Arc::new(MemoryLog::default());
        BundleRecords::new(log.clone()).happened(&BundleEvent {
            event: EventKind::Refused,
            digest: Some("d1".to_owned()),
            previous: None,
            revision: Some("r".repeat(10_000)),
            sequence: Some(7),
            signed_by: None,
            source: "https://bundles.test/a.tar.gz".to_owned(),
            code: Some("bundle.signature".to_owned()),
            message: Some("m".repeat(1_000_000)),
        });
        let (tenant, kind, body) = log.only();
        assert_eq!((tenant.as_str(), kind), ("_system", interdict_audit::record::Kind::Bundle));
        assert_eq!((&body["event"], &body["code"]), (&"refused".into(), &"bundle.signature".into()));
        assert!(body.to_string().len() < 2_000, "{body}");
    }
}
