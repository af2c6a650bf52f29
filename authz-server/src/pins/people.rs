//! What people do with pins: list, review, approve, revoke.

use std::collections::BTreeSet;

use interdict_content::definition::{EntryKind, digest_text};
use interdict_content::injection::{Injection, Mark};
use interdict_content::profile::{InjectionAction, InjectionRules};
use interdict_mcp::json::Document;

use super::checks::{Checks, DEFINITION};
use super::{Entry, Event, Happened, Key, PinError, PinState, Pins, Sighting, mask};
use crate::audit::AuditError;
use crate::record::pin_entry;
use crate::store::pins::Query;

/// Why a person's answer was not given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The store refused it.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// It could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// What is suspicious about a definition that waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Suspicion {
    /// `structural`, `contextual`, `lexical`; `schema` when calls could not be checked; `name` when it looks like
    /// another tool's; `content` when there are marks in the place of values.
    pub tier: &'static str,
    /// What it is.
    pub kind: String,
    /// Where in the definition, as a JSON pointer.
    pub path: String,
}

impl Pins {
    /// Everything that matches.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries(
        &self,
        server: Option<String>,
        kind: Option<EntryKind>,
        state: Option<PinState>,
        name: Option<String>,
    ) -> Result<Vec<Entry>, PinError> {
        let query = Query { server, kind, state, name };
        self.run(move |file| Ok((file.entries(&query)?, None))).await
    }

    /// The entry of this server, kind and name. Ids of servers are unique in a bundle; of one that changed its tenant,
    /// what counts is of the tenant that it has now.
    ///
    /// # Errors
    /// [`PinError::NotFound`], and when the database cannot be read.
    pub async fn find(&self, server: &str, kind: EntryKind, name: &str) -> Result<Entry, PinError> {
        let found = self.entries(Some(server.to_owned()), Some(kind), None, Some(name.to_owned())).await?;
        let tenant = self.tenant_of(server);
        let mine = |entry: &Entry| tenant.as_ref().is_none_or(|tenant| *tenant == entry.key.tenant);
        found.into_iter().find(mine).ok_or(PinError::NotFound)
    }

    fn tenant_of(&self, server: &str) -> Option<String> {
        self.bundle.load().registry().server(server).map(|server| server.tenant.clone())
    }

    /// Approves the definition with this digest, as it was reviewed with this image behind its server. Recorded first, then
    /// given effect.
    ///
    /// # Errors
    /// When one of them is not what waits any more, or it cannot be recorded.
    pub async fn approve(
        &self,
        key: &Key,
        digest: &str,
        image: Option<&str>,
        by: &str,
    ) -> Result<Entry, AnswerError> {
        let (digest, name, at) = (digest.to_owned(), by.to_owned(), self.clock.now());
        let entry = self.one(key).await?;
        let image = image.map(str::to_owned);
        if image != self.image_of(&key.server) {
            return Err(PinError::Replaced.into());
        }
        let happened = Happened { image: image.clone(), ..entry.approval(&digest, by)? };
        self.answer(happened, move |entry| entry.approve(&digest, image.as_deref(), &name, at)).await
    }

    /// Takes an approval back, or refuses what waits.
    ///
    /// # Errors
    /// As for [`Pins::approve`].
    pub async fn revoke(&self, key: &Key, by: &str) -> Result<Entry, AnswerError> {
        let (name, at) = (by.to_owned(), self.clock.now());
        let entry = self.one(key).await?;
        let happened = entry.revocation(by)?;
        self.answer(happened, move |entry| entry.revoke(&name, at)).await
    }

    /// Everything that waits for a person: what is new or changed, and what has to be approved again.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting(
        &self,
        server: Option<String>,
        kind: Option<EntryKind>,
    ) -> Result<Vec<Entry>, PinError> {
        let mut entries = self.entries(server, kind, None, None).await?;
        entries.retain(|entry| entry.waits_for().is_some());
        Ok(entries)
    }

    /// Whether a definition may be approved together with others: it waits, can be read, and nothing but noisy phrases are
    /// suspicious about it; about a change of what was approved, not even those. One that has to be approved again was read
    /// before.
    pub fn is_plain(&self, entry: &Entry) -> bool {
        let is_new = |seen: &Sighting| seen.definition.is_some() && !seen.seen_as.is_suspicious();
        match entry.state {
            PinState::Stale => true,
            PinState::Review => {
                entry.seen.as_ref().is_some_and(is_new)
                    && self
                        .suspicions(entry)
                        .iter()
                        .all(|suspicion| suspicion.tier == "lexical" && entry.pin.is_none())
            }
            PinState::Pinned | PinState::Revoked => false,
        }
    }

    /// A digest of everything that waits for one answer: what a person was shown, what it is served from, and no more.
    pub fn digest_of_all<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> String {
        let mut lines: Vec<_> = entries
            .filter_map(|entry| {
                let (key, digest) = (&entry.key, entry.waits_for()?);
                let image = self.image_of(&key.server).unwrap_or_default();
                Some(format!("{}\n{}\n{digest}\n{image}", key.kind.as_str(), key.name))
            })
            .collect();
        lines.sort();
        digest_text(&lines.join("\n\n"))
    }

    async fn one(&self, key: &Key) -> Result<Entry, PinError> {
        let key = key.clone();
        self.run(move |file| Ok((file.entry(&key)?, None))).await
    }

    /// A person's answer opens the way for calls, so it is on record before it holds.
    async fn answer(
        &self,
        happened: Happened,
        change: impl FnOnce(&mut Entry) -> Result<Happened, PinError> + Send + 'static,
    ) -> Result<Entry, AnswerError> {
        if let Some(recorder) = &self.recorder {
            let entry = pin_entry(&happened)
                .ok_or_else(|| AuditError::new("audit.unavailable", "the record has no text"))?;
            recorder.append(crate::audit::NewEntry { at_once: true, ..entry }).await?;
        }
        let key = happened.key.clone();
        let place = (key.tenant.clone(), key.server.clone());
        let changed = self.run(move |file| Ok((file.change(&key, change)?.0, Some(place)))).await;
        if changed.is_err()
            && let Some(recorder) = &self.recorder
            && let Some(entry) = pin_entry(&Happened { event: Event::NotApplied, ..happened })
        {
            recorder.submit(entry);
        }
        Ok(changed?)
    }

    /// What is suspicious about the definition that waits, or about the approved one.
    pub fn suspicions(&self, entry: &Entry) -> Vec<Suspicion> {
        let seen = entry.seen.as_ref().and_then(|seen| seen.definition.as_deref());
        let Some(text) = seen.or(entry.pin.as_ref().map(|pin| pin.definition.as_str())) else {
            return Vec::new();
        };
        let snapshot = self.snapshot.load();
        let tools = snapshot.tools_beside(&entry.key.tenant, &entry.key.server);
        let mut found: Vec<_> = marks(text, &tools).into_iter().map(suspicion).collect();
        found.extend(mask::classes(text).into_iter().map(|kind| Suspicion {
            tier: "content",
            kind,
            path: String::new(),
        }));
        if entry.key.kind == EntryKind::Tool {
            if snapshot.looks_like_another(&entry.key) {
                let kind = "looks_like_another".to_owned();
                found.push(Suspicion { tier: "name", kind, path: "/name".to_owned() });
            }
            if let Some(error) = Checks::new(String::new(), text).problem() {
                let path = "/inputSchema".to_owned();
                found.push(Suspicion { tier: "schema", kind: error.code.to_owned(), path });
            }
        }
        found
    }
}

fn suspicion(mark: Mark) -> Suspicion {
    Suspicion { tier: mark.tier.as_str(), kind: mark.kind.to_owned(), path: mark.path }
}

fn marks(text: &str, tools: &BTreeSet<String>) -> Vec<Mark> {
    let note = InjectionAction::Note;
    let rules = InjectionRules { structural: note, contextual: note, lexical: note };
    match Document::parse(text.as_bytes(), &DEFINITION) {
        Ok(document) => Injection::new(&rules, tools).inspect_definition(document.root()),
        Err(_) => Vec::new(),
    }
}
