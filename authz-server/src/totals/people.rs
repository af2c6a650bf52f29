//! What people do with totals: see what stands, and let it begin at zero again.

use std::ops::ControlFlow;

use interdict_policy::payee;
use jiff::Timestamp;

use super::name::Name;
use super::{Totals, TotalsError, ask};
use crate::store::totals::Hash;
use crate::store::totals::people::{Stand, Stood, each};

/// Which totals.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// The one with this id.
    pub id: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this person, for whom an agent acts.
    pub subject: Option<String>,
    /// Of this server.
    pub server: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// Of this counter.
    pub counter: Option<String>,
    /// Of this payee, in whatever spelling.
    pub payee: Option<String>,
}

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    counter: Hash,
    /// What it is called.
    pub name: Name,
    /// The amount, or the number of things.
    pub stands: u64,
    /// When it stood there.
    seen: Timestamp,
    /// When the first of it stops to count.
    pub frees_from: Timestamp,
    /// When nothing of it counts any more.
    pub frees_until: Timestamp,
}

/// Some of what stands.
#[derive(Debug, Default)]
pub struct Found {
    /// By agent, server, tool, counter.
    pub totals: Vec<Total>,
    /// Whether there are more.
    pub more: bool,
    /// How many stand besides that nobody can name: counted by a server that kept no names, or with another key.
    pub unnamed: u64,
}

impl Total {
    /// What stands for it in the log and on a command line: a keyed hash.
    #[must_use]
    pub fn id(&self) -> String {
        interdict_audit::hex::encode(self.counter)
    }
}

impl Totals {
    /// What stands now of what is wanted, at most so many.
    ///
    /// # Errors
    /// [`TotalsError::Unavailable`].
    pub async fn find(&self, which: Which, most: usize, now: Timestamp) -> Result<Found, TotalsError> {
        let (Some(jobs), Some(file)) = (&self.jobs, self.file.clone()) else { return Ok(Found::default()) };
        ask(jobs, |file| file.check()).await?;
        let totals = self.clone();
        let search = tokio::task::spawn_blocking(move || {
            let mut found = Found::default();
            let at = now.as_millisecond();
            each(&file, at, |stand| totals.gather(&which, most, (stand, now), &mut found))?;
            found.totals.sort_by(|one, other| one.order().cmp(&other.order()));
            Ok(found)
        });
        search.await.map_err(|_| TotalsError::Unavailable("the search ended".to_owned()))?
    }

    fn gather(
        &self,
        which: &Which,
        most: usize,
        (stand, seen): (Stand, Timestamp),
        found: &mut Found,
    ) -> ControlFlow<()> {
        let name = stand.name.and_then(|sealed| self.names.open(&stand.counter, sealed));
        let Some(name) = name else {
            found.unnamed += 1;
            return ControlFlow::Continue(());
        };
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        let total = Total {
            counter: stand.counter,
            stands: if name.things { stand.rows } else { stand.amount },
            seen,
            name,
            frees_from: at(stand.first),
            frees_until: at(stand.last),
        };
        if !self.fits(which, &total) {
            return ControlFlow::Continue(());
        }
        if found.totals.len() >= most {
            found.more = true;
            return ControlFlow::Break(());
        }
        found.totals.push(total);
        ControlFlow::Continue(())
    }

    fn fits(&self, which: &Which, total: &Total) -> bool {
        let name = &total.name;
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        let subject = name.principal.as_ref().map(|who| who.id.as_str()).unwrap_or_default();
        is(&which.agent, &name.agent)
            && is(&which.subject, subject)
            && is(&which.server, &name.server)
            && is(&which.tool, &name.tool)
            && is(&which.counter, &name.counter)
            && is(&which.id, &total.id())
            && which.payee.as_ref().is_none_or(|whom| self.is_of(total, whom))
    }

    /// Whether this is the counter of this payee: its hash is tried.
    fn is_of(&self, total: &Total, whom: &str) -> bool {
        let name = &total.name;
        let (Some(seconds), Some(whom)) = (interdict_policy::window_seconds(&name.window), payee(whom))
        else {
            return false;
        };
        name.each && self.counter(&name.owner(), &name.counter, seconds, Some(&whom)) == total.counter
    }

    /// Has these begin at zero again, all or none: none when a call was counted since they were found (`false`).
    ///
    /// # Errors
    /// [`TotalsError::Unavailable`].
    pub async fn reset(&self, totals: &[Total]) -> Result<bool, TotalsError> {
        let Some(jobs) = &self.jobs else { return Ok(true) };
        let stood = |total: &Total| Stood {
            counter: total.counter,
            things: total.name.things,
            stands: total.stands,
            at: total.seen.as_millisecond(),
        };
        let stood: Vec<Stood> = totals.iter().map(stood).collect();
        ask(jobs, move |file| file.reset(&stood)).await
    }
}

impl Total {
    fn order(&self) -> impl Ord + '_ {
        let name = &self.name;
        let who = name.principal.as_ref().map(|who| (&who.issuer, &who.id));
        (&name.agent, who, &name.server, &name.tool, &name.counter, &name.window, self.counter)
    }
}

#[cfg(test)]
mod tests;
