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

/// What a name begins with that we made: it stands in for one that cannot be said, or must not be.
pub(super) const STAND_IN: &str = "[[";

impl Key {
    /// Whether the name is ours: the entry has none that could be shown or called.
    pub fn is_stand_in(&self) -> bool {
        self.name.starts_with(STAND_IN)
    }
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

    /// Whether agents see the approved definition: also where a person is asked about calls.
    pub const fn is_shown(self) -> bool {
        matches!(self, Self::Pinned | Self::Stale)
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
    /// Its name does not follow the guidance of MCP, cannot be used at all, or holds a value.
    Misshapen,
}

impl SeenAs {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::New, Self::ShownNew, Self::Changed, Self::Confusable, Self::Poisoned, Self::Misshapen];

    /// Its name on the wire and in the file.
    pub const fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::ShownNew => "shown_new",
            Self::Changed => "changed",
            Self::Confusable => "confusable",
            Self::Poisoned => "poisoned",
            Self::Misshapen => "misshapen",
        }
    }

    /// The word's meaning.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|seen| seen.label() == label)
    }

    /// Whether a person has to look at this one alone.
    pub const fn is_suspicious(self) -> bool {
        matches!(self, Self::Confusable | Self::Poisoned | Self::Misshapen)
    }
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of the definition as the server wrote it, hex.
    pub digest: String,
    /// The definition, canonical JSON, with marks in the place of values.
    pub definition: String,
    /// What the registry said stood behind it, if it said so.
    pub image: Option<String>,
    /// Who approved it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Who answered, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What was seen last and is not what is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// SHA-256 of the definition as the server wrote it, hex.
    pub digest: String,
    /// The definition, canonical JSON, with marks in the place of values; `None` when it was too long to be told, or holds
    /// a value where no mark can be.
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
    /// Who took the approval back, or refused it, while that holds.
    pub revoked: Option<Answered>,
    /// When it was seen first.
    pub first_seen: Timestamp,
}

/// Whether what is seen first is approved by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It is not.
    None,
    /// It is, as it is served from this image.
    FirstUse {
        /// What the registry says stands behind the server, if it says so.
        image: Option<String>,
    },
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
    /// What stands behind the server, where the registry says so.
    pub image: Option<String>,
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
    /// What stands behind it was replaced.
    Stale,
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
    /// What stands behind the server is not what it was when the definition was reviewed.
    #[error("what stands behind the server is not what was reviewed; look at it, and review again")]
    Replaced,
    /// No text is known under this handle.
    #[error("no text is kept under this handle")]
    QuarantineNotFound,
    /// Nobody could have read it.
    #[error(
        "the definition is longer than what is kept, or holds a value where no mark can be, so nobody can have read it; it cannot be approved"
    )]
    Unread,
    /// It would not be shown.
    #[error("the definition has no name that can be used, so it cannot be approved; it can be revoked")]
    NoName,
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
            Self::Changed | Self::Replaced => "pin.changed",
            Self::QuarantineNotFound => "quarantine.not_found",
            Self::Unread => "pin.unread",
            Self::NoName => "pin.no_name",
            Self::Settled => "pin.settled",
            Self::Unavailable(_) => "pin.store_unavailable",
        }
    }
}

impl Entry {
    /// What was never seen before.
    pub fn first(key: Key, seen: Sighting, trust: &Trust) -> (Self, Happened) {
        let first_seen = seen.at;
        let mut entry =
            Self { key, state: PinState::Review, pin: None, seen: Some(seen), revoked: None, first_seen };
        let happened = entry.trust(trust);
        let happened = happened.unwrap_or_else(|| {
            let digest = entry.seen.as_ref().map(|seen| seen.digest.clone()).unwrap_or_default();
            entry.happened(Event::Seen, digest, None)
        });
        (entry, happened)
    }

    /// Approves what was seen, because it is the first of its name. `None` if that cannot be.
    fn trust(&mut self, trust: &Trust) -> Option<Happened> {
        let Trust::FirstUse { image } = trust else { return None };
        let seen = self.seen.as_ref().filter(|seen| seen.seen_as == SeenAs::ShownNew)?;
        let (digest, definition, at) = (seen.digest.clone(), seen.definition.clone()?, seen.at);
        let (image, by) = (image.clone(), FIRST_USE.to_owned());
        self.pin = Some(Pin { digest: digest.clone(), definition, image, by, at });
        (self.seen, self.state) = (None, PinState::Pinned);
        let image = self.pin.as_ref().and_then(|pin| pin.image.clone());
        Some(Happened { image, ..self.happened(Event::Approved, digest, Some(FIRST_USE)) })
    }

    /// Notes that it was seen. `None`: that changes nothing. The event is `None` where one like it was told within the
    /// last minute: a server that changes with every list must not fill the log.
    pub fn see(&mut self, seen: Sighting, trust: &Trust) -> Option<Option<Happened>> {
        let approved = self.pin.as_ref().is_some_and(|pin| pin.digest == seen.digest);
        if approved && self.state.is_shown() {
            return None;
        }
        match &mut self.seen {
            Some(known) if known.digest == seen.digest => {
                // A longer look: the definition that did not fit into the first report, or a worse mark.
                let fuller = known.definition.is_none() && seen.definition.is_some();
                let worse = seen.seen_as.is_suspicious() && known.seen_as != seen.seen_as;
                let trusted = *trust != Trust::None
                    && self.pin.is_none()
                    && self.state == PinState::Review
                    && !known.seen_as.is_suspicious()
                    && seen.seen_as == SeenAs::ShownNew;
                if !(fuller || worse || trusted) {
                    return None;
                }
                known.definition = known.definition.take().or(seen.definition);
                known.seen_as = seen.seen_as;
                Some(if trusted { self.trust(trust) } else { None })
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
            _ if self.key.is_stand_in() => Err(PinError::NoName),
            (None, Some(seen)) if seen.definition.is_none() => Err(PinError::Unread),
            _ => Ok(self.happened(Event::Approved, digest.to_owned(), Some(by))),
        }
    }

    /// A person approves the definition with this digest, as it is served from this image: what waits, or the one that was
    /// approved before.
    ///
    /// # Errors
    /// As [`Entry::approval`].
    pub fn approve(
        &mut self,
        digest: &str,
        image: Option<&str>,
        by: &str,
        at: Timestamp,
    ) -> Result<Happened, PinError> {
        let happened = self.approval(digest, by)?;
        let kept = self.pin.take().filter(|pin| pin.digest == digest).map(|pin| pin.definition);
        let shown = self.seen.take().filter(|seen| seen.digest == digest).and_then(|seen| seen.definition);
        let definition = kept.or(shown).ok_or(PinError::Unread)?;
        let (digest, image, by) = (digest.to_owned(), image.map(str::to_owned), by.to_owned());
        self.pin = Some(Pin { digest, definition, image, by, at });
        (self.state, self.revoked) = (PinState::Pinned, None);
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
    pub fn revoke(&mut self, by: &str, at: Timestamp) -> Result<Happened, PinError> {
        let happened = self.revocation(by)?;
        (self.state, self.revoked) = (PinState::Revoked, Some(Answered { by: by.to_owned(), at }));
        Ok(happened)
    }

    /// What stands behind the server is this now. `None`: as when it was approved, or somebody has to look anyway.
    pub fn served_from(&mut self, image: Option<&str>) -> Option<Happened> {
        let pin = self
            .pin
            .as_ref()
            .filter(|pin| self.state == PinState::Pinned && pin.image.as_deref() != image)?;
        let digest = pin.digest.clone();
        self.state = PinState::Stale;
        let image = image.map(str::to_owned);
        Some(Happened { image, ..self.happened(Event::Stale, digest, None) })
    }

    /// The digest that a person would approve: of what was seen last, or of what is approved and stale.
    pub fn waits_for(&self) -> Option<&str> {
        match self.state {
            PinState::Review => self.seen.as_ref().map(|seen| seen.digest.as_str()),
            PinState::Stale => self.pin.as_ref().map(|pin| pin.digest.as_str()),
            PinState::Pinned | PinState::Revoked => None,
        }
    }

    fn happened(&self, event: Event, digest: String, by: Option<&str>) -> Happened {
        let previous = self.pin.as_ref().map(|pin| pin.digest.clone()).filter(|pinned| *pinned != digest);
        let by = by.map(str::to_owned);
        Happened { key: self.key.clone(), event, digest, previous, image: None, by }
    }
}

#[cfg(test)]
mod tests;
