//! One definition of a server: what was approved of it, what was seen of it last, and how the two move.

use interdict_content::definition::EntryKind;
use jiff::Timestamp;
use serde::Serialize;

/// Who approved what was trusted on first use.
pub const FIRST_USE: &str = "first use";

/// Which definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The server's tenant.
    pub tenant: String,
    /// Registry id of the server.
    pub server: String,
    /// What it defines.
    pub kind: EntryKind,
    /// Name, URI or template; empty for instructions.
    pub name: String,
}

/// Where a definition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PinState {
    /// The approved definition is the one that was seen last.
    Pinned,
    /// A person has to look: it is new, or not as it was approved.
    Review,
    /// A person took the approval back, or refused it.
    Revoked,
    /// What stands behind it was replaced: it has to be approved again.
    Stale,
}

impl PinState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pinned, Self::Review, Self::Revoked, Self::Stale];

    /// Its name on the wire and in the file.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Review => "review",
            Self::Revoked => "revoked",
            Self::Stale => "stale",
        }
    }

    /// The state of this name.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.label() == label)
    }
}

/// How the enforcement point found a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenAs {
    /// Not known, and hidden.
    New,
    /// Not known, and shown: to be trusted on first use.
    ShownNew,
    /// Another one than the approved one.
    Changed,
    /// Its name looks like another one's.
    Confusable,
    /// It reads like instructions to a model.
    Poisoned,
}

impl SeenAs {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::New, Self::ShownNew, Self::Changed, Self::Confusable, Self::Poisoned];

    /// Its name on the wire and in the file.
    pub const fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::ShownNew => "shown_new",
            Self::Changed => "changed",
            Self::Confusable => "confusable",
            Self::Poisoned => "poisoned",
        }
    }

    /// The word's meaning.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|seen| seen.label() == label)
    }

    /// Whether a person has to look at this one alone.
    pub const fn is_suspicious(self) -> bool {
        matches!(self, Self::Confusable | Self::Poisoned)
    }
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of the definition, hex.
    pub digest: String,
    /// The definition, canonical JSON.
    pub definition: String,
    /// Who approved it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What was seen last and is not what is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// SHA-256 of the definition, hex.
    pub digest: String,
    /// The definition, canonical JSON; `None` when it was too long to be told.
    pub definition: Option<String>,
    /// How it was found.
    pub seen_as: SeenAs,
    /// When.
    pub at: Timestamp,
}

/// Everything about one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub key: Key,
    /// Where it stands.
    pub state: PinState,
    /// What is approved, or was.
    pub pin: Option<Pin>,
    /// What waits for a person.
    pub seen: Option<Sighting>,
    /// When it was seen first.
    pub first_seen: Timestamp,
}

/// Something that happened to a definition, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Which definition.
    pub key: Key,
    /// What.
    pub event: Event,
    /// The digest that it is about.
    pub digest: String,
    /// The approved digest until then.
    pub previous: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

/// What can happen to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was seen for the first time, or differently while it waits.
    Seen,
    /// It is not as it was approved.
    Drift,
    /// It is approved.
    Approved,
    /// The approval was taken back, or refused.
    Revoked,
    /// A person's answer, recorded before it was given effect, could not be given effect.
    NotApplied,
}

/// Why an answer was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Nothing is known of this definition.
    #[error("nothing is known of this definition")]
    NotFound,
    /// What waits now is not what was shown.
    #[error("the definition is not the one with this digest any more; review it again")]
    Changed,
    /// Nobody could have read it.
    #[error("the definition is longer than what is kept, so nobody can have read it; it cannot be approved")]
    Unread,
    /// It is approved as it is.
    #[error("nothing waits for an answer here")]
    Settled,
    /// The database could not be read or written.
    #[error("the pin store is unavailable: {0}")]
    Unavailable(String),
}

impl PinError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "pin.not_found",
            Self::Changed => "pin.changed",
            Self::Unread => "pin.unread",
            Self::Settled => "pin.settled",
            Self::Unavailable(_) => "pin.store_unavailable",
        }
    }
}

impl Entry {
    /// What was never seen before.
    pub fn first(key: Key, seen: Sighting, trusted: bool) -> (Self, Happened) {
        let first_seen = seen.at;
        let mut entry = Self { key, state: PinState::Review, pin: None, seen: Some(seen), first_seen };
        let happened = match trusted {
            true => entry.trust(),
            false => None,
        };
        let happened = happened.unwrap_or_else(|| {
            let digest = entry.seen.as_ref().map(|seen| seen.digest.clone()).unwrap_or_default();
            entry.happened(Event::Seen, digest, None)
        });
        (entry, happened)
    }

    /// Approves what was seen, because it is the first of its name. `None` if that cannot be.
    fn trust(&mut self) -> Option<Happened> {
        let seen = self.seen.as_ref().filter(|seen| seen.seen_as == SeenAs::ShownNew)?;
        let (digest, definition, at) = (seen.digest.clone(), seen.definition.clone()?, seen.at);
        self.pin = Some(Pin { digest: digest.clone(), definition, by: FIRST_USE.to_owned(), at });
        (self.seen, self.state) = (None, PinState::Pinned);
        Some(self.happened(Event::Approved, digest, Some(FIRST_USE)))
    }

    /// Notes that it was seen. `None`: that changes nothing. The event is `None` where one like it was told within the
    /// last minute: a server that changes with every list must not fill the log.
    pub fn see(&mut self, seen: Sighting, trusted: bool) -> Option<Option<Happened>> {
        let approved = self.pin.as_ref().is_some_and(|pin| pin.digest == seen.digest);
        if approved && matches!(self.state, PinState::Pinned | PinState::Stale) {
            return None;
        }
        match &mut self.seen {
            Some(known) if known.digest == seen.digest => {
                // A longer look: the definition that did not fit into the first report, or a worse mark.
                let fuller = known.definition.is_none() && seen.definition.is_some();
                let worse = seen.seen_as.is_suspicious() && known.seen_as != seen.seen_as;
                let trusted = trusted
                    && self.pin.is_none()
                    && self.state == PinState::Review
                    && !known.seen_as.is_suspicious()
                    && seen.seen_as == SeenAs::ShownNew;
                if !(fuller || worse || trusted) {
                    return None;
                }
                known.definition = known.definition.take().or(seen.definition);
                known.seen_as = seen.seen_as;
                Some(if trusted { self.trust() } else { None })
            }
            _ => Some(self.differ(seen)),
        }
    }

    /// It is another one than before.
    fn differ(&mut self, seen: Sighting) -> Option<Happened> {
        const QUIET: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
        let told = self.seen.as_ref().is_some_and(|known| seen.at.duration_since(known.at) < QUIET);
        let event = if self.pin.is_some() { Event::Drift } else { Event::Seen };
        let digest = seen.digest.clone();
        self.seen = Some(seen);
        // A refusal holds for whatever comes after it.
        if self.state != PinState::Revoked {
            self.state = PinState::Review;
        }
        (!told).then(|| self.happened(event, digest, None))
    }

    /// What an approval of this digest would be about.
    ///
    /// # Errors
    /// When there is nothing to approve under this digest.
    pub fn approval(&self, digest: &str, by: &str) -> Result<Happened, PinError> {
        let pin = self.pin.as_ref().filter(|pin| pin.digest == digest);
        let seen = self.seen.as_ref().filter(|seen| seen.digest == digest);
        match (pin, seen) {
            (Some(_), _) if self.state == PinState::Pinned => Err(PinError::Settled),
            (None, None) => Err(PinError::Changed),
            (None, Some(seen)) if seen.definition.is_none() => Err(PinError::Unread),
            _ => Ok(self.happened(Event::Approved, digest.to_owned(), Some(by))),
        }
    }

    /// A person approves the definition with this digest: what waits, or the one that was approved before.
    ///
    /// # Errors
    /// As [`Entry::approval`].
    pub fn approve(&mut self, digest: &str, by: &str, at: Timestamp) -> Result<Happened, PinError> {
        let happened = self.approval(digest, by)?;
        let kept = self.pin.take().filter(|pin| pin.digest == digest).map(|pin| pin.definition);
        let shown = self.seen.take().filter(|seen| seen.digest == digest).and_then(|seen| seen.definition);
        let definition = kept.or(shown).ok_or(PinError::Unread)?;
        self.pin = Some(Pin { digest: digest.to_owned(), definition, by: by.to_owned(), at });
        self.state = PinState::Pinned;
        Ok(happened)
    }

    /// What taking the approval back would be about.
    ///
    /// # Errors
    /// When it was taken back before.
    pub fn revocation(&self, by: &str) -> Result<Happened, PinError> {
        if self.state == PinState::Revoked {
            return Err(PinError::Settled);
        }
        let digest = self.pin.as_ref().map(|pin| &pin.digest);
        let digest = digest.or(self.seen.as_ref().map(|seen| &seen.digest)).cloned().unwrap_or_default();
        Ok(self.happened(Event::Revoked, digest, Some(by)))
    }

    /// A person takes the approval back, or refuses what waits.
    ///
    /// # Errors
    /// As [`Entry::revocation`].
    pub fn revoke(&mut self, by: &str) -> Result<Happened, PinError> {
        let happened = self.revocation(by)?;
        self.state = PinState::Revoked;
        Ok(happened)
    }

    fn happened(&self, event: Event, digest: String, by: Option<&str>) -> Happened {
        let previous = self.pin.as_ref().map(|pin| pin.digest.clone()).filter(|pinned| *pinned != digest);
        Happened { key: self.key.clone(), event, digest, previous, by: by.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn key() -> Key {
        let word = |text: &str| text.to_owned();
        Key { tenant: word("acme"), server: word("files"), kind: EntryKind::Tool, name: word("read") }
    }

    fn seen(digest: &str, seen_as: SeenAs, second: i64) -> Sighting {
        let definition = Some(format!("{{\"name\":\"{digest}\"}}"));
        Sighting { digest: digest.to_owned(), definition, seen_as, at: at(second) }
    }

    #[test]
    fn what_is_seen_first_is_pinned_where_that_is_trusted_and_waits_elsewhere() {
        let (entry, happened) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), true);
        assert_eq!((entry.state, happened.event), (PinState::Pinned, Event::Approved));
        assert_eq!(happened.by.as_deref(), Some(FIRST_USE));
        let (entry, happened) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), false);
        assert_eq!((entry.state, happened.event), (PinState::Review, Event::Seen));
        for worse in [SeenAs::Poisoned, SeenAs::Confusable, SeenAs::New] {
            let (entry, _) = Entry::first(key(), seen("a", worse, 0), true);
            assert_eq!(entry.state, PinState::Review, "{worse:?}");
        }
        let unread = Sighting { definition: None, ..seen("a", SeenAs::ShownNew, 0) };
        let (mut entry, _) = Entry::first(key(), unread, true);
        assert_eq!(entry.state, PinState::Review, "nobody can check calls against what is not there");
        entry.see(seen("a", SeenAs::ShownNew, 5), true).unwrap().unwrap();
        assert_eq!(entry.state, PinState::Pinned, "the definition came with a later list");
    }

    #[test]
    fn a_change_waits_for_a_person_also_where_first_use_is_trusted_and_even_if_it_goes_away_again() {
        let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), true);
        assert_eq!(entry.see(seen("a", SeenAs::ShownNew, 1), true), None);
        let drift = entry.see(seen("b", SeenAs::Changed, 2), true).unwrap().unwrap();
        assert_eq!((drift.event, drift.digest.as_str()), (Event::Drift, "b"));
        assert_eq!(drift.previous.as_deref(), Some("a"));
        entry.see(seen("a", SeenAs::Changed, 3), true);
        assert_eq!(entry.state, PinState::Review);
        assert_eq!(entry.approve("b", "ana", at(4)), Err(PinError::Changed), "b is not what is there now");
        entry.approve("a", "ana", at(5)).unwrap();
        assert_eq!((entry.state, entry.seen), (PinState::Pinned, None));
    }

    #[test]
    fn only_what_was_shown_is_approved() {
        let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::New, 0), false);
        entry.see(seen("b", SeenAs::New, 1), false);
        assert_eq!(entry.approve("a", "ana", at(2)), Err(PinError::Changed));
        let unread = Sighting { definition: None, ..seen("c", SeenAs::New, 3) };
        entry.see(unread, false);
        assert_eq!(entry.approve("c", "ana", at(4)), Err(PinError::Unread));
        entry.see(seen("c", SeenAs::New, 5), false);
        let approved = entry.approve("c", "ana", at(6)).unwrap();
        assert_eq!((approved.previous, approved.by.as_deref()), (None, Some("ana")));
        assert_eq!(entry.approve("c", "ana", at(7)), Err(PinError::Settled));
    }

    #[test]
    fn a_refusal_holds_until_somebody_approves() {
        let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::New, 0), false);
        entry.revoke("ana").unwrap();
        assert_eq!(entry.revoke("ana"), Err(PinError::Settled));
        assert_eq!(entry.see(seen("a", SeenAs::ShownNew, 100), true), None);
        entry.see(seen("b", SeenAs::ShownNew, 200), true);
        assert_eq!((entry.state, entry.pin.is_none()), (PinState::Revoked, true));
        entry.approve("b", "ana", at(201)).unwrap();
        assert_eq!(entry.state, PinState::Pinned);
    }

    /// Attack: a server changes with every list, to fill the log.
    #[test]
    fn changes_in_quick_succession_are_told_once() {
        let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), true);
        let told = (1..100).filter_map(|n| entry.see(seen(&format!("d{n}"), SeenAs::Changed, n), true)?);
        assert_eq!(told.count(), 1);
        assert_eq!(entry.seen.unwrap().digest, "d99", "the last one is what is reviewed");
    }
}
