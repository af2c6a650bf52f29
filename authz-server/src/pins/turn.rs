//! How many reports of one server wait for the thread of the database.
//!
//! A report has up to a megabyte of definitions that are looked through for values. A server that is listed without end
//! must neither fill the memory nor keep what others report from being heard.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most reports of one server that wait.
const MOST: usize = 32;

/// Tenant and registry id of a server.
pub(super) type Place = (String, String);

/// The reports that wait, by server.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Place, usize>>>);

/// A report that waits or is worked on, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    place: Place,
}

impl Turns {
    /// `None`: there are enough of this server; what is left out is told again with the next list.
    pub(super) fn take(&self, place: &Place) -> Option<Turn> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(place.clone()).or_default();
        if *count >= MOST {
            tracing::debug!(
                server = place.1,
                "a report of definitions is left out: too many of this server wait"
            );
            return None;
        }
        *count += 1;
        Some(Turn { turns: self.clone(), place: place.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.place) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(waiting.remove(&self.place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: one server is listed without end.
    #[test]
    fn a_server_has_a_bounded_number_of_reports_waiting_and_others_have_their_own() {
        let turns = Turns::default();
        let place = |server: &str| ("acme".to_owned(), server.to_owned());
        let mut taken: Vec<_> = (0..MOST).map(|_| turns.take(&place("files")).unwrap()).collect();
        assert!(turns.take(&place("files")).is_none());
        let other = turns.take(&place("mail"));
        assert!(other.is_some());
        taken.pop();
        assert!(turns.take(&place("files")).is_some());
        drop((taken, other));
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
