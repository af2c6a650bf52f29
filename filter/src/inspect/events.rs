//! An event stream on its way: what is complete passes at once, an unfinished event is kept here.

use interdict_content::response::{Body, Treater};
use interdict_mcp::sse::{self, Decoder, Event, SseLimits};

use super::framing;

/// What happens to the rest of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It is looked into.
    Read,
    /// It passes unread.
    Pass,
    /// It does not pass.
    Drop,
}

/// An event stream.
pub(super) struct Relay {
    decoder: Decoder,
    /// Bytes that came and did not pass yet: an unfinished event.
    kept: Vec<u8>,
    /// Where in the stream those begin.
    start: u64,
    rest: Rest,
    /// A CR came last; whether a LF belongs to it is not known yet, and one alone is no line end for everybody.
    held_cr: bool,
}

impl std::fmt::Debug for Relay {
    /// Without the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relay({:?} {} bytes kept)", self.rest, self.kept.len())
    }
}

impl Relay {
    pub(super) fn new(max_event_bytes: usize) -> Self {
        let decoder = Decoder::new(SseLimits { max_event_bytes });
        Self { decoder, kept: Vec::new(), start: 0, rest: Rest::Read, held_cr: false }
    }

    /// Takes a piece and returns what passes now. At the end everything that is left counts as an event.
    pub(super) fn push(&mut self, bytes: &[u8], end: bool, treater: &mut Treater) -> Vec<u8> {
        match self.rest {
            Rest::Read => {}
            Rest::Pass => return bytes.to_vec(),
            Rest::Drop => return Vec::new(),
        }
        let mut passing = Vec::new();
        if self.held_cr && (end || !bytes.is_empty()) {
            passing.extend_from_slice(if bytes.starts_with(b"\n") { b"\r" } else { b"\r\n" });
            self.held_cr = false;
        }
        self.take(bytes, end, treater, &mut passing);
        if !end && self.rest == Rest::Read && passing.last() == Some(&b'\r') {
            passing.pop();
            self.held_cr = true;
        }
        passing
    }

    fn take(&mut self, bytes: &[u8], end: bool, treater: &mut Treater, passing: &mut Vec<u8>) {
        self.kept.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut outcome = self.decoder.push(bytes, &mut events);
        let complete = self.decoder.settled();
        if end && outcome.is_ok() {
            outcome = self.decoder.push(b"\n\n", &mut events);
        }
        let open = !end;
        let mut done = self.start;
        for event in events {
            passing.extend_from_slice(self.told_alike(done, event.span.start, open));
            done = event.span.end;
            if self.event(&event, treater, passing, open) {
                return;
            }
        }
        if outcome.is_err() && self.shut(treater.unreadable(), passing) {
            return;
        }
        let all = outcome.is_err() || end;
        let until = if all { u64::MAX } else { complete };
        if outcome.is_err() {
            passing.extend_from_slice(self.between(done, until));
            self.rest = Rest::Pass;
        } else {
            passing.extend_from_slice(self.told_alike(done, until, open));
        }
        let taken = if all { self.kept.len() } else { self.place(complete) };
        self.kept.drain(..taken);
        self.start = self.start.saturating_add(taken as u64);
    }

    /// Treats one event. True when nothing behind it passes.
    fn event(&mut self, event: &Event, treater: &mut Treater, passing: &mut Vec<u8>, open: bool) -> bool {
        let raw = self.between(event.span.start, event.span.end);
        let alike = framing::is_alike(without_mark(raw, event.span.start), open);
        match treat(event, treater) {
            Body::Keep if alike => passing.extend_from_slice(raw),
            Body::Keep => framing::anew(event, event.data.as_deref(), passing),
            Body::Edited(data) => match String::from_utf8(data) {
                Ok(data) if alike && !data.contains(framing::ends_lines_for_some) => {
                    rewrite(raw, data.as_bytes(), passing);
                }
                Ok(data) => framing::anew(event, Some(&data), passing),
                Err(_) => {}
            },
            Body::Drop if alike => strip(raw, event, passing),
            Body::Drop => framing::anew(&Event { event: None, ..event.clone() }, None, passing),
            body @ Body::End(_) => return self.shut(body, passing),
        }
        false
    }

    /// Ends the stream with errors, if that is what follows.
    fn shut(&mut self, body: Body, passing: &mut Vec<u8>) -> bool {
        let Body::End(errors) = body else { return false };
        for error in errors {
            let data = String::from_utf8(error).ok();
            let event = Event { event: Some("message".to_owned()), data, ..Event::default() };
            passing.extend_from_slice(&sse::encode(&event));
        }
        self.rest = Rest::Drop;
        self.kept = Vec::new();
        true
    }

    /// What stands between events, if everybody takes it for comments.
    fn told_alike(&self, from: u64, to: u64, open: bool) -> &[u8] {
        let raw = self.between(from, to);
        if framing::is_alike(without_mark(raw, from), open) { raw } else { b"" }
    }

    /// The bytes from one place in the stream to another, as far as they are here.
    fn between(&self, from: u64, to: u64) -> &[u8] {
        self.kept.get(self.place(from)..self.place(to)).unwrap_or_default()
    }

    fn place(&self, at: u64) -> usize {
        usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.kept.len())
    }
}

fn treat(event: &Event, treater: &mut Treater) -> Body {
    let data = event.data.as_deref().unwrap_or_default();
    // The first event of a resumable stream has an id and no data.
    if data.trim_ascii().is_empty() {
        return Body::Keep;
    }
    // Some clients trim names, and what stands in front of the data.
    let named = !matches!(event.event.as_deref().map(str::trim), None | Some("" | "message"));
    // Clients ignore events of other names, or (2024-11-05) take their data for a path.
    if named && !data.trim_start().starts_with(['{', '[']) {
        return treater.treat_text(data.as_bytes());
    }
    treater.event(data.as_bytes())
}

/// The event with other data; its other lines stay as they are.
fn rewrite(raw: &[u8], data: &[u8], passing: &mut Vec<u8>) {
    let mut placed = false;
    for Line { text, end } in lines(raw) {
        let (mark, field) = text.strip_prefix(MARK).map_or((&[] as &[u8], text), |rest| (MARK, rest));
        if !is_data(field) {
            passing.extend_from_slice(text);
            passing.extend_from_slice(end);
        } else if !std::mem::replace(&mut placed, true) {
            passing.extend_from_slice(mark);
            let between: &[u8] = if end.is_empty() { b"\n" } else { end };
            for (index, part) in data.split(|byte| *byte == b'\n').enumerate() {
                passing.extend_from_slice(if index == 0 { b"" } else { between });
                passing.extend_from_slice(b"data: ");
                passing.extend_from_slice(part);
            }
            passing.extend_from_slice(end);
        }
    }
}

/// What is left of an event without its data: the id that a client resumes with and the time it waits.
fn strip(raw: &[u8], event: &Event, passing: &mut Vec<u8>) {
    if event.id.is_none() && event.retry.is_none() {
        return;
    }
    for Line { text, end } in lines(raw) {
        let field = text.strip_prefix(MARK).unwrap_or(text);
        if !(is_data(field) || field == b"event" || field.starts_with(b"event:")) {
            passing.extend_from_slice(text);
            passing.extend_from_slice(end);
        }
    }
}

/// Byte order mark, which may stand before the first line of a stream.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Only at the start of a stream it is passed over.
fn without_mark(raw: &[u8], at: u64) -> &[u8] {
    raw.strip_prefix(MARK).filter(|_| at == 0).unwrap_or(raw)
}

fn is_data(field: &[u8]) -> bool {
    field == b"data" || field.starts_with(b"data:")
}

struct Line<'b> {
    text: &'b [u8],
    end: &'b [u8],
}

fn lines(mut raw: &[u8]) -> impl Iterator<Item = Line<'_>> {
    std::iter::from_fn(move || {
        if raw.is_empty() {
            return None;
        }
        let length = raw.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(raw.len());
        let (text, rest) = raw.split_at(length);
        let (end, rest) = rest.split_at(if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) });
        raw = rest;
        Some(Line { text, end })
    })
}
