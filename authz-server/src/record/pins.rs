//! Records of definitions: what was seen, and what people made of it.

use interdict_audit::record::{Defined, Pin, PinEvent};
use interdict_content::definition::EntryKind;

use super::entries::entry;
use super::evidence::short;
use crate::audit::NewEntry;
use crate::pins::{Event, Happened};

/// Bytes of a name: no longer one is kept.
const MAX_NAME: usize = 512;

/// The entry, in the log of the server's tenant.
pub(crate) fn pin_entry(happened: &Happened) -> Option<NewEntry> {
    let key = &happened.key;
    let body = Pin {
        by: happened.by.as_deref().map(Into::into),
        digest: happened.digest.as_str().into(),
        event: match happened.event {
            Event::Seen => PinEvent::Seen,
            Event::Drift => PinEvent::Drift,
            Event::Approved => PinEvent::Approved,
            Event::Revoked => PinEvent::Revoked,
            Event::Stale => PinEvent::Stale,
            Event::NotApplied => PinEvent::NotApplied,
        },
        image: happened.image.as_deref().map(Into::into),
        kind: match key.kind {
            EntryKind::Tool => Defined::Tool,
            EntryKind::Prompt => Defined::Prompt,
            EntryKind::Resource => Defined::Resource,
            EntryKind::Template => Defined::Template,
            EntryKind::Instructions => Defined::Instructions,
        },
        name: short(&key.name, MAX_NAME).into(),
        previous: happened.previous.as_deref().map(Into::into),
        server: key.server.as_str().into(),
    };
    entry(&key.tenant, None, &body)
}
