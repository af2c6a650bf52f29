//! Records of what people lift: totals that begin at zero again, labels that are taken away. Both let calls through that
//! would have asked or been refused, so they are on record before they hold.

use interdict_audit::record::{Count, Lift, LiftEvent, Principal};
use interdict_policy::HOSTILE;

use super::Recording;
use super::entries::entry;
use crate::audit::{AuditError, NewEntry};
use crate::content::Cause;
use crate::totals::Total;

/// Who lifts something, and why.
#[derive(Debug, Clone, Copy)]
pub struct Because<'a> {
    /// The person.
    pub by: &'a str,
    /// The reason.
    pub why: &'a str,
}

/// What is lifted.
#[derive(Debug, Clone, Copy)]
pub enum Lifted<'a> {
    /// A total over calls.
    Total(&'a Total),
    /// The label of a session.
    Label(&'a Cause),
}

impl Lifted<'_> {
    /// The entry; `applied` is false for one that follows an act that then could not be done.
    fn entry(self, because: Because<'_>, applied: bool) -> Option<NewEntry> {
        match self {
            Self::Total(total) => of_total(total, because, applied),
            Self::Label(cause) => of_label(cause, because, applied),
        }
    }
}

fn event(done: LiftEvent, applied: bool) -> LiftEvent {
    if applied { done } else { LiftEvent::NotApplied }
}

fn principal(who: Option<&interdict_policy::Principal>) -> Option<Principal<'_>> {
    who.map(|who| Principal { id: who.id.as_str().into(), issuer: who.issuer.as_str().into() })
}

fn of_total(total: &Total, because: Because<'_>, applied: bool) -> Option<NewEntry> {
    let name = &total.name;
    let body = Lift {
        agent: name.agent.as_str().into(),
        by: because.by.into(),
        counter: Some(total.id().into()),
        event: event(LiftEvent::TotalReset, applied),
        label: None,
        principal: principal(name.principal.as_ref()),
        server: Some(name.server.as_str().into()),
        stood: Some(Count::new(total.stands)),
        tool: Some(name.tool.as_str().into()),
        total: Some(name.counter.as_str().into()),
        why: because.why.into(),
        window: Some(name.window.as_str().into()),
    };
    entry(&name.tenant, None, &body)
}

fn of_label(cause: &Cause, because: Because<'_>, applied: bool) -> Option<NewEntry> {
    let body = Lift {
        agent: cause.agent.as_str().into(),
        by: because.by.into(),
        counter: None,
        event: event(LiftEvent::LabelCleared, applied),
        label: Some(HOSTILE.into()),
        principal: principal(cause.principal.as_ref()),
        server: Some(cause.server.as_str().into()),
        stood: None,
        tool: None,
        total: None,
        why: because.why.into(),
        window: None,
    };
    entry(&cause.tenant, None, &body)
}

/// Records that all of these are about to be lifted: queued before the first is waited for, so that they share their
/// commits. Those that are on record, and why the first of the others is not: what cannot be recorded may not be done.
pub async fn record_lifts<'a>(
    recording: Option<&Recording>,
    lifted: impl Iterator<Item = Lifted<'a>>,
    because: Because<'_>,
) -> (Vec<Lifted<'a>>, Option<AuditError>) {
    let Some(recording) = recording else { return (lifted.collect(), None) };
    let queued: Vec<_> = lifted.map(|one| (one, recording.queue(one.entry(because, true)))).collect();
    let (mut recorded, mut refused) = (Vec::new(), None);
    for (one, queued) in queued {
        let written = match queued {
            Ok(appending) => appending.await.map(drop),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => recorded.push(one),
            Err(error) => drop(refused.get_or_insert(error)),
        }
    }
    (recorded, refused)
}

/// Records that what was recorded could then not be done.
pub fn record_not_lifted(recording: Option<&Recording>, lifted: Lifted<'_>, because: Because<'_>) {
    if let (Some(recording), Some(entry)) = (recording, lifted.entry(because, false)) {
        recording.recorder().submit(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use interdict_audit::record::Kind;

    use super::*;
    use crate::record::RecordingSettings;
    use crate::record::memory::MemoryLog;
    use crate::record::outcomes::Outcomes;
    use crate::telemetry::metrics::Metrics;

    fn cause(server: &str) -> Cause {
        Cause {
            tenant: "acme".into(),
            agent: "bot".into(),
            principal: None,
            server: server.into(),
            decision_id: "d".into(),
        }
    }

    fn recording(log: &Arc<MemoryLog>) -> Recording {
        let outcomes = Arc::new(Outcomes::new(Duration::from_secs(300), &Metrics::new()));
        let settings = RecordingSettings { show_arguments: false, allow_unrecorded_reads: false };
        Recording::new(log.clone(), outcomes, settings)
    }

    const WHY: Because<'static> = Because { by: "ana", why: "recall" };

    #[tokio::test]
    async fn what_is_lifted_together_shares_its_commits() {
        let log = Arc::new(MemoryLog::allowing(0));
        let (recording, causes) = (recording(&log), [cause("a"), cause("b"), cause("c")]);
        let written = record_lifts(Some(&recording), causes.iter().map(Lifted::Label), WHY);
        let waits = tokio::time::timeout(Duration::from_millis(50), written).await;
        assert!(waits.is_err(), "nothing is on record before it is committed");
        let servers: Vec<_> =
            log.of(Kind::Lift).into_iter().map(|body| body["server"].as_str().unwrap().to_owned()).collect();
        assert_eq!(servers, ["a", "b", "c"], "all were queued before the first was committed");
    }

    #[tokio::test]
    async fn what_could_not_be_recorded_is_not_among_what_is_on_record() {
        let log = Arc::new(MemoryLog::default());
        let (recording, causes) = (recording(&log), [cause("a"), cause("b")]);
        let (recorded, refused) = record_lifts(Some(&recording), causes.iter().map(Lifted::Label), WHY).await;
        assert_eq!((recorded.len(), refused), (2, None));
        log.fail(Some("audit.disk_full"));
        let (recorded, refused) = record_lifts(Some(&recording), causes.iter().map(Lifted::Label), WHY).await;
        assert_eq!((recorded.len(), refused.unwrap().code), (0, "audit.disk_full"));
    }
}
