//! Looking into a response on its way: JSON and text are kept until their end and read whole, event streams pass event by
//! event and are never kept.
//!
//! What is done to a message is [`interdict_content::response`]; here is how its bytes come and go.

mod events;
mod format;
mod framing;
mod tell;

use crate::event::{HeaderChange, ResponseHead};
use events::Relay;
use format::Format;
use interdict_content::response::{Profiles, Report, Treater};
use interdict_content::rules::ResponseRules;
use std::cell::RefCell;
use std::rc::Rc;

pub use tell::tell;

/// Profiles that one plugin keeps compiled, per worker.
pub const MOST_PROFILES: usize = 16;

/// The compiled profiles of one plugin.
pub type SharedProfiles = Rc<RefCell<Profiles>>;

/// None yet.
pub fn no_profiles() -> SharedProfiles {
    Rc::new(RefCell::new(Profiles::new(MOST_PROFILES)))
}

/// What carries out these rules; `None` if they cannot be carried out.
pub fn treater(rules: &ResponseRules, profiles: &SharedProfiles, decision_id: &str) -> Option<Treater> {
    let detectors = profiles.try_borrow_mut().ok()?.find(rules).ok()?;
    Treater::new(rules, detectors, decision_id).ok()
}

/// What to do with a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Keep it until there is more.
    Keep,
    /// It passes.
    Pass,
    /// Hand out everything that is there.
    Read,
    /// This takes the place of everything that is there, and passes.
    Replace(Vec<u8>),
}

/// How the body is looked into.
#[derive(Debug)]
enum Way {
    /// There is none, or it may pass unread.
    Open,
    /// Kept until its end.
    Whole(Format),
    /// Event by event.
    Events(Box<Relay>),
    /// It cannot be read and may not pass; nothing of it has come yet.
    Unreadable,
    /// Its place is taken; nothing more passes.
    Shut,
}

/// One response that is looked into.
#[derive(Debug)]
pub struct Inspector {
    treater: Treater,
    way: Way,
    /// Bytes that Envoy keeps.
    kept: usize,
    /// The end was shown.
    ended: bool,
}

impl Inspector {
    /// A response begins. The changes of its headers are part of it.
    pub fn new(treater: Treater, head: &ResponseHead) -> (Self, Vec<HeaderChange>) {
        let remove = |name: &str| HeaderChange::Remove(name.to_owned());
        let announced = head.content_length.unwrap_or_default();
        let format = match Format::of(head) {
            // No use in collecting what will not be read.
            Format::Json | Format::Text if announced > treater.max_bytes() as u64 => Format::Other,
            format => format,
        };
        let (way, changes) = match format {
            _ if head.end || head.content_length == Some(0) => (Way::Open, Vec::new()),
            Format::Other if !treater.refuses_unreadable() => (Way::Open, Vec::new()),
            // The errors in its place are JSON.
            Format::Other => {
                let json = HeaderChange::Set("content-type".to_owned(), b"application/json".to_vec());
                (Way::Unreadable, vec![remove("content-length"), remove("content-encoding"), json])
            }
            Format::Events => {
                let relay = Relay::new(treater.max_bytes());
                (Way::Events(Box::new(relay)), vec![remove("content-length")])
            }
            format @ (Format::Json | Format::Text) => (Way::Whole(format), vec![remove("content-length")]),
        };
        (Self { treater, way, kept: 0, ended: false }, changes)
    }

    /// A piece is shown; `size` is everything that Envoy keeps.
    pub fn on_piece(&mut self, size: usize, end: bool) -> Next {
        self.ended |= end;
        match &mut self.way {
            Way::Open => Next::Pass,
            Way::Shut if size == 0 => Next::Pass,
            Way::Shut => Next::Replace(Vec::new()),
            Way::Unreadable if size == 0 => Next::Pass,
            Way::Unreadable => self.unread(),
            // Not shown to be kept, so it cannot be more than Envoy has room for.
            Way::Whole(_) if size > self.treater.max_bytes() => self.unread(),
            Way::Whole(_) => {
                self.kept = size;
                self.at_end(end)
            }
            Way::Events(_) if size > 0 => Next::Read,
            Way::Events(_) if end => self.on_read(&[]),
            Way::Events(_) => Next::Pass,
        }
    }

    /// Bytes that Envoy keeps of what it showed: they are shown again.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The trailers are shown, and with them the end. Envoy takes no more body for an event stream then; what is left of
    /// one is an event without its end, which clients discard.
    pub fn on_trailers(&mut self) -> (Next, usize) {
        self.ended = true;
        match self.way {
            Way::Whole(_) => (self.at_end(true), self.kept),
            _ => (Next::Pass, 0),
        }
    }

    fn at_end(&self, end: bool) -> Next {
        match (end, self.kept) {
            (false, _) => Next::Keep,
            (true, 0) => Next::Pass,
            (true, _) => Next::Read,
        }
    }

    fn unread(&mut self) -> Next {
        self.kept = 0;
        match self.treater.unread() {
            Some(body) => {
                self.way = Way::Shut;
                Next::Replace(body)
            }
            None => {
                self.way = Way::Open;
                Next::Pass
            }
        }
    }

    /// What was read.
    pub fn on_read(&mut self, bytes: &[u8]) -> Next {
        let replaced = match &mut self.way {
            Way::Whole(format) => {
                let replaced = match format {
                    Format::Text => self.treater.text(bytes),
                    _ => self.treater.whole(bytes),
                };
                self.way = Way::Shut;
                self.kept = 0;
                replaced
            }
            Way::Events(relay) => {
                let passing = relay.push(bytes, self.ended, &mut self.treater);
                (passing != bytes).then_some(passing)
            }
            Way::Open | Way::Unreadable | Way::Shut => None,
        };
        replaced.map_or(Next::Pass, Next::Replace)
    }

    /// What was found and done.
    pub fn report(&self) -> &Report {
        self.treater.report()
    }
}
