//! The jobs that wait for the thread of the database: those of people first, then one server's report after another's.
//!
//! Whoever lists a server without end must not keep people from answering, nor the reports of other servers from being
//! heard.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::turn::Place;
use super::worker::Job;

/// Who wants something done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asker {
    /// Somebody who waits for the answer.
    Person,
    /// What was seen of this server.
    Report(Place),
}

/// A job, and who wants it.
pub(super) type Asked = (Asker, Job);

/// The jobs that wait.
pub(super) struct Inbox {
    arriving: Receiver<Asked>,
    people: VecDeque<Job>,
    reports: HashMap<Place, VecDeque<Job>>,
    /// Whose report is next; each server that has one stands in it once.
    order: VecDeque<Place>,
}

impl Inbox {
    pub(super) fn new(arriving: Receiver<Asked>) -> Self {
        Self { arriving, people: VecDeque::new(), reports: HashMap::new(), order: VecDeque::new() }
    }

    /// The next job, if there is one in this time.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Job, RecvTimeoutError> {
        // What arrived meanwhile may be of a person.
        while let Ok(asked) = self.arriving.try_recv() {
            self.put(asked);
        }
        if let Some(job) = self.take() {
            return Ok(job);
        }
        self.arriving.recv_timeout(wait).map(|(_, job)| job)
    }

    fn put(&mut self, (asker, job): Asked) {
        let Asker::Report(place) = asker else { return self.people.push_back(job) };
        let waiting = self.reports.entry(place.clone()).or_default();
        if waiting.is_empty() {
            self.order.push_back(place);
        }
        waiting.push_back(job);
    }

    fn take(&mut self) -> Option<Job> {
        if let Some(job) = self.people.pop_front() {
            return Some(job);
        }
        let place = self.order.pop_front()?;
        let waiting = self.reports.get_mut(&place)?;
        let job = waiting.pop_front();
        match waiting.is_empty() {
            true => drop(self.reports.remove(&place)),
            false => self.order.push_back(place),
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::super::worker::Done;
    use super::*;

    #[test]
    fn people_are_first_and_servers_take_turns() {
        let (sender, receiver): (Sender<Asked>, _) = channel();
        let order = Arc::new(Mutex::new(Vec::new()));
        let send = |asker: Asker, word: &'static str| {
            let order = Arc::clone(&order);
            let job: Job = Box::new(move |_| {
                order.lock().unwrap().push(word);
                Done::nothing()
            });
            sender.send((asker, job)).unwrap();
        };
        let of = |server: &str| Asker::Report(("acme".to_owned(), server.to_owned()));
        for word in ["loud 1", "loud 2", "loud 3"] {
            send(of("loud"), word);
        }
        send(of("quiet"), "quiet");
        send(Asker::Person, "person");
        let mut inbox = Inbox::new(receiver);
        let folder = tempfile::tempdir().unwrap();
        let mut file = crate::pins::worker::test_file(folder.path());
        let mut next = |inbox: &mut Inbox| drop(inbox.next(Duration::ZERO).unwrap()(&mut file));
        (0..2).for_each(|_| next(&mut inbox));
        send(Asker::Person, "another");
        (0..4).for_each(|_| next(&mut inbox));
        assert_eq!(*order.lock().unwrap(), ["person", "loud 1", "another", "quiet", "loud 2", "loud 3"]);
        assert_eq!(inbox.next(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        drop(sender);
        assert_eq!(inbox.next(Duration::ZERO).err(), Some(RecvTimeoutError::Disconnected));
    }
}
