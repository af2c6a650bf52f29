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
        server: None,
        stood: None,
        tool: None,
        total: None,
        why: because.why.into(),
        window: None,
    };
    entry(&cause.tenant, None, &body)
}

/// Records that something is about to be lifted. What cannot be recorded may not be done.
///
/// # Errors
/// When it cannot be recorded.
pub async fn record_lift(
    recording: Option<&Recording>,
    lifted: Lifted<'_>,
    because: Because<'_>,
) -> Result<(), AuditError> {
    match recording {
        Some(recording) => recording.say(lifted.entry(because, true)).await,
        None => Ok(()),
    }
}

/// Records that what was recorded could then not be done.
pub fn record_not_lifted(recording: Option<&Recording>, lifted: Lifted<'_>, because: Because<'_>) {
    if let (Some(recording), Some(entry)) = (recording, lifted.entry(because, false)) {
        recording.recorder().submit(entry);
    }
}
