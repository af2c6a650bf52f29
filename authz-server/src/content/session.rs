//! What is remembered of sessions: marks of the values that they sent, the ends of their last texts, labels.
//!
//! All of it in memory, of one process, bounded, and gone after a while without a call: a restart or another replica
//! counts from zero. Marks are keyed hashes; the ends of texts are raw, and leave this module only to be scanned.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interdict_content::finding::SessionKey;
use interdict_content::tail::Tail;
use interdict_policy::{HOSTILE, Principal};
use moka::sync::Cache;

/// Most sessions.
const MAX_SESSIONS: u64 = 10_000;
/// A session without a call for so long is forgotten.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a session stays hostile.
const HOSTILE_FOR: Duration = Duration::from_secs(60 * 60);
/// Most distinct values of one session; a rule's threshold is at most 100 000.
const MAX_MARKS: usize = 100_001;
/// Most distinct values of all sessions; each takes about 40 bytes.
const MAX_ALL_MARKS: usize = 2_000_000;
/// Most texts of one session whose ends are kept.
pub(super) const MAX_TAILS: usize = 64;

/// More than any threshold.
const UNCOUNTED: u64 = 1 << 32;

/// The first bytes of a keyed hash of a value.
pub(super) type Mark = [u8; 16];

/// Which text of which tool: the same argument of two calls has the same.
pub(super) type Place = u64;

/// Whose session is hostile, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The agent's tenant.
    pub tenant: String,
    /// Registry id of the agent.
    pub agent: String,
    /// The person for whom it acts.
    pub principal: Option<Principal>,
    /// Registry id of the server whose response did it.
    pub server: String,
    /// The decision that let the request for it through.
    pub decision_id: String,
}

/// A session that is hostile, for people.
#[derive(Debug, Clone)]
pub struct Labelled {
    key: [u8; 32],
    /// Whose it is, and why.
    pub cause: Arc<Cause>,
    /// For how long yet, if nothing more comes.
    pub left: Duration,
}

/// What one session sent.
#[derive(Default)]
struct State {
    marks: HashMap<Arc<str>, HashSet<Mark>>,
    counted: Counted,
    tails: HashMap<Place, Tail>,
    order: VecDeque<Place>,
    hostile: Option<(Instant, Arc<Cause>)>,
    /// There was no room for a value: whatever is counted is too much.
    full: bool,
}

/// How many values one session and all of them together have.
#[derive(Default)]
struct Counted {
    own: usize,
    all: Arc<AtomicUsize>,
}

impl Counted {
    fn has_room(&self) -> bool {
        self.own < MAX_MARKS && self.all.load(Ordering::Relaxed) < MAX_ALL_MARKS
    }

    fn add_one(&mut self) {
        self.own += 1;
        self.all.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// What a call adds to its session once it goes on.
#[derive(Default)]
pub(super) struct Lesson {
    pub(super) marks: Vec<(Arc<str>, Mark)>,
    pub(super) tails: Vec<(Place, Tail)>,
}

/// All sessions.
pub(super) struct Sessions {
    by_key: Cache<[u8; 32], Arc<Mutex<State>>>,
    all: Arc<AtomicUsize>,
}

impl Default for Sessions {
    fn default() -> Self {
        let by_key = Cache::builder().max_capacity(MAX_SESSIONS).time_to_idle(IDLE).build();
        Self { by_key, all: Arc::default() }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    fn of(&self, key: &SessionKey) -> Option<Arc<Mutex<State>>> {
        self.by_key.get(key.bytes())
    }

    fn of_or_new(&self, key: &SessionKey) -> Arc<Mutex<State>> {
        let all = Arc::clone(&self.all);
        let counted = Counted { own: 0, all };
        self.by_key.get_with(*key.bytes(), || Arc::new(Mutex::new(State { counted, ..State::default() })))
    }

    /// Distinct values by class, those of a call that is being decided included.
    pub(super) fn distinct(&self, key: &SessionKey, new: &[(Arc<str>, Mark)]) -> BTreeMap<Arc<str>, u64> {
        let state = self.of(key);
        let state = state.as_deref().map(locked);
        let mut distinct: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for (class, marks) in state.iter().flat_map(|state| &state.marks) {
            distinct.insert(Arc::clone(class), marks.len() as u64);
        }
        let known = |class: &Arc<str>, mark: &Mark| {
            let marks = state.as_ref().and_then(|state| state.marks.get(class));
            marks.is_some_and(|marks| marks.contains(mark))
        };
        let fresh: BTreeSet<_> = new.iter().filter(|(class, mark)| !known(class, mark)).collect();
        for (class, _) in fresh {
            *distinct.entry(Arc::clone(class)).or_default() += 1;
        }
        if state.is_some_and(|state| state.full) {
            distinct.values_mut().for_each(|count| *count = UNCOUNTED);
        }
        distinct
    }

    /// What the session is.
    pub(super) fn labels(&self, key: &SessionKey) -> BTreeSet<String> {
        let hostile = self.of(key).and_then(|state| locked(&state).hostile());
        hostile.map(|_| HOSTILE.to_owned()).into_iter().collect()
    }

    /// Every session that is hostile.
    pub(super) fn hostile(&self) -> Vec<Labelled> {
        let all = self.by_key.iter().filter_map(|(key, state)| {
            let (left, cause) = locked(&state).hostile()?;
            Some(Labelled { key: *key, cause, left })
        });
        all.collect()
    }

    /// Takes the label from a session that has it for this cause; whether it did.
    pub(super) fn clear(&self, labelled: &Labelled) -> bool {
        let Some(state) = self.by_key.get(&labelled.key) else { return false };
        let mut state = locked(&state);
        let same = state.hostile().is_some_and(|(_, cause)| cause == labelled.cause);
        if same {
            state.hostile = None;
        }
        same
    }

    /// The ends of the last texts at a place.
    pub(super) fn tail(&self, key: &SessionKey, place: Place) -> Option<Tail> {
        self.of(key).and_then(|state| locked(&state).tails.get(&place).cloned())
    }

    /// Something was said to the session that reads like instructions.
    pub(super) fn make_hostile(&self, key: &SessionKey, cause: Arc<Cause>) {
        locked(&self.of_or_new(key)).hostile = Some((Instant::now(), cause));
    }

    /// A call went on.
    pub(super) fn learn(&self, key: &SessionKey, lesson: Lesson) {
        if lesson.marks.is_empty() && lesson.tails.is_empty() {
            return;
        }
        let state = self.of_or_new(key);
        let mut state = locked(&state);
        for (class, mark) in lesson.marks {
            let room = state.counted.has_room();
            let marks = state.marks.entry(class).or_default();
            match room {
                true if marks.insert(mark) => state.counted.add_one(),
                false if !marks.contains(&mark) => state.full = true,
                _ => {}
            }
        }
        for (place, tail) in lesson.tails {
            state.keep(place, tail);
        }
    }
}

impl State {
    /// For how long it is hostile yet, and why.
    fn hostile(&self) -> Option<(Duration, Arc<Cause>)> {
        let (since, cause) = self.hostile.as_ref()?;
        let left = HOSTILE_FOR.checked_sub(since.elapsed()).filter(|left| !left.is_zero())?;
        Some((left, Arc::clone(cause)))
    }

    fn keep(&mut self, place: Place, tail: Tail) {
        if self.tails.insert(place, tail).is_none() {
            self.order.push_back(place);
        }
        while self.order.len() > MAX_TAILS {
            if let Some(oldest) = self.order.pop_front() {
                self.tails.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey::new([1; 32]);

    fn marks(class: &str, all: &[u8]) -> Vec<(Arc<str>, Mark)> {
        all.iter().map(|byte| (Arc::from(class), [*byte; 16])).collect()
    }

    #[test]
    fn a_session_counts_each_value_once_and_those_of_the_call_at_hand() {
        let sessions = Sessions::default();
        let count = |new: &[(Arc<str>, Mark)]| sessions.distinct(&KEY, new).get("pan").copied();
        assert_eq!(count(&[]), None);
        assert_eq!(count(&marks("pan", &[1, 2, 2])), Some(2));
        sessions.learn(&KEY, Lesson { marks: marks("pan", &[1, 2]), tails: Vec::new() });
        assert_eq!(count(&[]), Some(2));
        assert_eq!(count(&marks("pan", &[2, 3])), Some(3));
        assert_eq!(count(&marks("email", &[2, 3])), Some(2));
        assert!(sessions.distinct(&SessionKey::new([2; 32]), &[]).is_empty());
    }

    fn cause(decision: &str) -> Arc<Cause> {
        let text = str::to_owned;
        let (tenant, agent, server) = (text("acme"), text("bot"), text("web"));
        Arc::new(Cause { tenant, agent, principal: None, server, decision_id: text(decision) })
    }

    #[test]
    fn a_hostile_session_stays_so_and_no_other_becomes_so() {
        let sessions = Sessions::default();
        assert!(sessions.labels(&KEY).is_empty());
        sessions.make_hostile(&KEY, cause("1"));
        assert_eq!(sessions.labels(&KEY), BTreeSet::from([HOSTILE.to_owned()]));
        assert!(sessions.labels(&SessionKey::new([2; 32])).is_empty());
    }

    /// Attack: while a person reads one text, another one comes; its label is not what the person lifts.
    #[test]
    fn a_label_is_taken_only_from_the_session_and_for_the_cause_that_was_seen() {
        let sessions = Sessions::default();
        let other = SessionKey::new([2; 32]);
        sessions.make_hostile(&KEY, cause("1"));
        sessions.make_hostile(&other, cause("2"));
        let seen: Vec<_> =
            sessions.hostile().into_iter().filter(|one| one.cause.decision_id == "1").collect();
        assert!(seen[0].left > Duration::from_secs(60));
        assert!(sessions.clear(&seen[0]) && !sessions.clear(&seen[0]));
        assert!(sessions.labels(&KEY).is_empty());
        assert!(!sessions.labels(&other).is_empty());
        sessions.make_hostile(&KEY, cause("3"));
        assert!(!sessions.clear(&seen[0]) && !sessions.labels(&KEY).is_empty());
    }

    /// Attack: an agent names ever new arguments, and the server remembers them without end.
    #[test]
    fn the_oldest_ends_of_texts_are_forgotten() {
        let sessions = Sessions::default();
        let tail = || Tail::default().with("x", 256);
        for place in 0..1_000 {
            sessions.learn(&KEY, Lesson { marks: Vec::new(), tails: vec![(place, tail())] });
        }
        assert!(sessions.tail(&KEY, 0).is_none());
        assert!(sessions.tail(&KEY, 999).is_some());
        let state = sessions.of(&KEY).unwrap();
        assert_eq!(locked(&state).tails.len(), MAX_TAILS);
    }
}
