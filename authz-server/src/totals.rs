//! Totals over calls: counters of what agents were let do, for the ceilings of contracts.
//!
//! The policy says what a call adds ([`Consume`]) and is told what stands ([`TotalFact`]). A call is counted after
//! everything else has let it through and before its verdict leaves, in one transaction that first looks whether the
//! counters still say what the call was judged by. So of two calls for one last rest only one goes on, whoever
//! decides about them and whenever somebody pulls the plug; what is counted twice at worst is a call that was then not
//! sent.

mod name;
mod people;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use interdict_policy::{Consume, Principal, Quantity, TotalFact};
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, oneshot};

pub use self::name::Name;
use self::name::Names;
pub use self::people::{Found, Total, Which};
use crate::clock::Clock;
use crate::content::mac;
use crate::store::totals::{Adds, Entry, Hash, Standing, TotalsFile};

/// Name of the database, beside that of approvals.
pub const DATABASE: &str = "interdict-totals.db";

/// How often what no longer counts is removed.
const SWEEP: Duration = Duration::from_secs(60);
/// Owners whose calls are counted side by side.
const LANES: usize = 64;

type Job = Box<dyn FnOnce(&mut TotalsFile) + Send>;

/// Why a call cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TotalsError {
    /// The file could not be read or written, or others never left it alone.
    #[error("the totals are unavailable: {0}")]
    Unavailable(String),
    /// There is no room for more.
    #[error("there is no room for more totals")]
    Full,
}

impl TotalsError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "totals.unavailable",
            Self::Full => "totals.full",
        }
    }

    /// What the client is told.
    pub(crate) const fn text(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "What this tool was used for so far cannot be looked up or counted now.",
            Self::Full => "There is no room to count what this tool is used for.",
        }
    }
}

/// Whose calls of what are counted together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) server: &'a str,
    pub(crate) tool: &'a str,
}

/// What became of counting a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is counted, and stays so.
    Yes,
    /// The counters say something else than what the call was judged by; nothing was added.
    Moved(Vec<TotalFact>),
}

/// All counters; cloning shares them. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Totals {
    key: hmac::Key,
    names: Arc<Names>,
    /// None in a rehearsal, like the file.
    jobs: Option<Sender<Job>>,
    file: Option<Arc<Path>>,
    lanes: Arc<[Mutex<()>]>,
}

impl std::fmt::Debug for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totals").field("kept", &self.jobs.is_some()).finish_non_exhaustive()
    }
}

impl Totals {
    /// Opens or creates the file and starts its thread. `secret` is the one that decision points of an installation share.
    ///
    /// # Errors
    /// [`TotalsError::Unavailable`] with the file's name.
    pub fn open(file: &Path, secret: &[u8; 32], clock: Arc<dyn Clock>) -> Result<Self, TotalsError> {
        let path: Arc<Path> = file.into();
        let file = TotalsFile::open(file)?;
        let (jobs, inbox) = channel();
        std::thread::Builder::new()
            .name("totals".to_owned())
            .spawn(move || run(file, &inbox, &*clock))
            .map_err(|error| TotalsError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { jobs: Some(jobs), file: Some(path), ..Self::of(secret) })
    }

    /// Of a rehearsal: every counter stands at zero and stays there.
    pub fn dry() -> Self {
        Self::of(&[0; 32])
    }

    fn of(secret: &[u8; 32]) -> Self {
        let secret = hmac::Key::new(HMAC_SHA256, secret);
        let key = hmac::Key::new(HMAC_SHA256, &mac(&secret, &[b"interdict/totals/1"]));
        let names = Arc::new(Names::new(&mac(&secret, &[b"interdict/totals-names/1"])));
        let lanes = (0..LANES).map(|_| Mutex::new(())).collect();
        Self { key, names, jobs: None, file: None, lanes }
    }

    /// What the counters say before a call.
    pub(crate) async fn standing(
        &self,
        owner: &Owner<'_>,
        consumes: &[Consume],
        now: Timestamp,
    ) -> Result<Vec<TotalFact>, TotalsError> {
        let entries = self.entries(owner, consumes);
        let Some(jobs) = &self.jobs else {
            return Ok(facts(consumes, entries.iter().map(nothing)));
        };
        let now = now.as_millisecond();
        let standing = ask(jobs, move |file| file.standing(&entries, now)).await?;
        Ok(facts(consumes, standing.into_iter()))
    }

    /// Counts a call that was judged by `seen`.
    pub(crate) async fn add(
        &self,
        owner: &Owner<'_>,
        consumes: &[Consume],
        seen: &[TotalFact],
        now: Timestamp,
    ) -> Result<Added, TotalsError> {
        let Some(jobs) = &self.jobs else { return Ok(Added::Yes) };
        let (mut entries, whose) = (self.entries(owner, consumes), self.whose(owner));
        for (entry, consume) in entries.iter_mut().zip(consumes) {
            entry.name = self.names.seal(&entry.counter, &Name::of(owner, consume));
        }
        let judged_by: Vec<Standing> = seen.iter().map(|fact| (fact.before, fact.new)).collect();
        let now = now.as_millisecond();
        let moved = ask(jobs, move |file| file.add(whose, &entries, &judged_by, now)).await?;
        Ok(moved.map_or(Added::Yes, |standing| Added::Moved(facts(consumes, standing.into_iter()))))
    }

    /// The turn of one call of an owner. Nobody needs it to be counted right, but without one all calls that wait would
    /// be judged again whenever one is counted.
    pub(crate) async fn turn(&self, owner: &Owner<'_>) -> Option<MutexGuard<'_, ()>> {
        let [first, ..] = self.whose(owner);
        Some(self.lanes.get(usize::from(first) % LANES)?.lock().await)
    }

    fn whose(&self, owner: &Owner<'_>) -> Hash {
        self.hash(&owner.who())
    }

    fn hash(&self, parts: &[&[u8]]) -> Hash {
        let mut hash = Hash::default();
        hash.iter_mut().zip(mac(&self.key, parts)).for_each(|(to, from)| *to = from);
        hash
    }

    fn entries(&self, owner: &Owner<'_>, consumes: &[Consume]) -> Vec<Entry> {
        consumes.iter().map(|consume| self.entry(owner, consume)).collect()
    }

    fn counter(&self, owner: &Owner<'_>, counter: &str, seconds: u64, of: Option<&str>) -> Hash {
        let seconds = seconds.to_be_bytes();
        let mut parts = owner.who().to_vec();
        parts.extend([owner.server.as_bytes(), owner.tool.as_bytes(), counter.as_bytes(), &seconds]);
        parts.extend(of.map(str::as_bytes));
        self.hash(&parts)
    }

    fn entry(&self, owner: &Owner<'_>, consume: &Consume) -> Entry {
        let counter = self.counter(owner, &consume.counter, consume.seconds, consume.of.as_deref());
        let adds = match &consume.quantity {
            // At most 2^53.
            Quantity::Amount(amount) => Adds::Amount(i64::try_from(*amount).unwrap_or(i64::MAX)),
            Quantity::Things(things) => {
                let mut hashes: Vec<_> =
                    things.iter().map(|thing| self.hash(&[&counter, thing.as_bytes()])).collect();
                hashes.sort_unstable();
                hashes.dedup();
                Adds::Things(hashes)
            }
        };
        let window = i64::try_from(consume.seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        Entry { counter, window, adds, name: Vec::new() }
    }
}

impl Owner<'_> {
    /// The agent, and the person for whom it acts.
    fn who(&self) -> [&[u8]; 4] {
        let issuer = self.principal.map(|who| who.issuer.as_str()).unwrap_or_default();
        let subject = self.principal.map(|who| who.id.as_str()).unwrap_or_default();
        [self.tenant, self.agent, issuer, subject].map(str::as_bytes)
    }
}

fn nothing(entry: &Entry) -> Standing {
    match &entry.adds {
        Adds::Amount(_) => (0, None),
        Adds::Things(things) => (0, Some(things.len() as u64)),
    }
}

fn facts(consumes: &[Consume], standing: impl Iterator<Item = Standing>) -> Vec<TotalFact> {
    let fact = |(consume, (before, new)): (&Consume, Standing)| TotalFact {
        counter: consume.counter.clone(),
        window: consume.window.clone(),
        before,
        new,
    };
    consumes.iter().zip(standing).map(fact).collect()
}

/// Has the thread do something. Once it is sent it is done, whether or not the caller is still there.
async fn ask<T: Send + 'static>(
    jobs: &Sender<Job>,
    work: impl FnOnce(&mut TotalsFile) -> Result<T, TotalsError> + Send + 'static,
) -> Result<T, TotalsError> {
    let gone = || TotalsError::Unavailable("the totals have stopped".to_owned());
    let (answer, result) = oneshot::channel();
    let asked = Instant::now();
    let job: Job = Box::new(move |file| {
        let _ = answer.send(file.begin(asked).and_then(|()| work(file)));
    });
    jobs.send(job).map_err(|_| gone())?;
    result.await.map_err(|_| gone())?
}

/// The thread.
fn run(mut file: TotalsFile, inbox: &Receiver<Job>, clock: &dyn Clock) {
    let mut swept = Instant::now();
    loop {
        match inbox.recv_timeout(SWEEP.saturating_sub(swept.elapsed())) {
            Ok(job) => job(&mut file),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            if let Err(error) = file.sweep(clock.now().as_millisecond()) {
                tracing::warn!(code = error.code(), error = %error, "old totals could not be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests;
