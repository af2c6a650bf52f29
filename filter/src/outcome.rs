//! How an allowed call ended: collected while its response passes, told when the stream is over.
//!
//! Nothing here can hold a response back. Copies of the body are read when the stream has ended; only an event stream
//! that grows beyond the limit is read on the way, a limit's worth at a time, and forgotten.

use crate::event::ResponseHead;
use crate::response::Shape;
use crate::rpc::{Asked, Findings};
use interdict_mcp::sse::{Decoder, SseLimits};
use interdict_proto::outcome::{Ended, Outcome, Rpc};

/// Who made the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// There is none yet.
    Nobody,
    /// The server.
    Server,
    /// Envoy or this filter.
    Local,
}

/// A part of the piece of body that is just passing, to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Where it starts in the piece.
    pub start: usize,
    /// Its length.
    pub length: usize,
}

/// How the body is read.
#[derive(Debug, Clone)]
enum Reader {
    /// Not at all, or no more.
    Off,
    /// Kept until the end.
    Json(Vec<u8>),
    /// Kept until the end or until it is too much; then decoded.
    Events { kept: Vec<u8>, decoder: Decoder },
}

/// What is known of one allowed call.
#[derive(Debug, Clone)]
pub struct Watch {
    decision_id: String,
    limit: usize,
    asked: Asked,
    findings: Findings,
    reader: Reader,
    origin: Origin,
    status: u16,
    grpc_status: Option<u32>,
    bytes: u64,
    /// The response's end was seen.
    ended: bool,
    /// Size of the piece that is passing.
    piece: usize,
}

impl Watch {
    /// An allowed call without a response. At most `limit` bytes of its body are kept.
    pub fn new(decision_id: String, limit: usize, asked: Asked) -> Self {
        Self {
            decision_id,
            limit,
            asked,
            findings: Findings::default(),
            reader: Reader::Off,
            origin: Origin::Nobody,
            status: 0,
            grpc_status: None,
            bytes: 0,
            ended: false,
            piece: 0,
        }
    }

    /// A response begins; `local` when Envoy or this filter made it.
    pub fn on_response(&mut self, head: &ResponseHead, local: bool) {
        self.origin = if local { Origin::Local } else { Origin::Server };
        self.status = head.status.unwrap_or_default();
        self.grpc_status = head.grpc_status;
        self.ended = head.end;
        self.reader = match Shape::of(head.content_type.as_deref()) {
            _ if local || head.end || self.limit == 0 || !is_identity(head.content_encoding.as_deref()) => {
                Reader::Off
            }
            Shape::Json => Reader::Json(Vec::new()),
            // Where nothing was asked, nothing in a stream is an answer.
            Shape::EventStream if !self.asked.is_settled() => Reader::Events {
                kept: Vec::new(),
                decoder: Decoder::new(SseLimits { max_event_bytes: self.limit }),
            },
            Shape::EventStream | Shape::Other => Reader::Off,
        };
    }

    /// A piece of the body passes. Returns what to copy of it.
    pub fn on_piece(&mut self, size: usize, end: bool) -> Option<Copied> {
        self.on_arrival(size, end);
        self.offer(size)
    }

    /// Bytes of the body came, and are read by somebody else ([`on_bytes`](Self::on_bytes)) or not at all.
    pub fn on_arrival(&mut self, size: usize, end: bool) {
        self.bytes = self.bytes.saturating_add(size as u64);
        self.ended |= end;
    }

    /// Bytes that arrived, as somebody else read them.
    pub fn on_bytes(&mut self, bytes: &[u8]) {
        let mut next = self.offer(bytes.len());
        while let Some(part) = next {
            let copy = bytes.get(part.start..part.start.saturating_add(part.length));
            next = self.on_copy(part, copy);
        }
    }

    fn offer(&mut self, size: usize) -> Option<Copied> {
        self.piece = size;
        if let Reader::Json(kept) = &self.reader
            && kept.len().saturating_add(size) > self.limit
        {
            self.reader = Reader::Off;
        }
        self.copy_from(0)
    }

    fn copy_from(&self, start: usize) -> Option<Copied> {
        let length = self.piece.saturating_sub(start).min(self.limit);
        (length > 0 && !matches!(self.reader, Reader::Off)).then_some(Copied { start, length })
    }

    /// The copy, `None` when the host did not make it. Returns what to copy next of the same piece.
    pub fn on_copy(&mut self, copied: Copied, bytes: Option<&[u8]>) -> Option<Copied> {
        let Some(bytes) = bytes else {
            self.reader = Reader::Off;
            return None;
        };
        match &mut self.reader {
            Reader::Off => return None,
            Reader::Json(kept) => kept.extend_from_slice(bytes),
            Reader::Events { kept, .. } => {
                if kept.len().saturating_add(bytes.len()) <= self.limit {
                    kept.extend_from_slice(bytes);
                } else {
                    self.decode();
                    if let Reader::Events { kept, .. } = &mut self.reader {
                        kept.extend_from_slice(bytes);
                    }
                }
            }
        }
        self.copy_from(copied.start.saturating_add(copied.length))
    }

    /// Reads the events in what was kept.
    fn decode(&mut self) {
        let Reader::Events { kept, decoder } = &mut self.reader else { return };
        let mut events = Vec::new();
        let outcome = decoder.push(kept, &mut events);
        kept.clear();
        for data in events.iter().filter_map(|event| event.data.as_deref()) {
            self.findings.read(data.as_bytes(), &mut self.asked, self.limit);
        }
        // Everything was answered, or nothing more can be read.
        if self.asked.is_settled() || outcome.is_err() {
            self.reader = Reader::Off;
        }
    }

    /// The trailers, and with them the end of the response.
    pub fn on_trailers(&mut self, grpc_status: Option<u32>) {
        self.ended = true;
        self.grpc_status = grpc_status.or(self.grpc_status);
    }

    /// The stream is over after `duration_us`. `status` is what Envoy answered past this filter, if it did.
    pub fn finish(mut self, duration_us: u64, status: Option<u16>) -> Outcome {
        if self.origin == Origin::Nobody
            && let Some(status) = status.filter(|status| *status != 0)
        {
            self.origin = Origin::Local;
            self.status = status;
        }
        let ended = match self.origin {
            Origin::Local => Ended::LocalReply,
            Origin::Server if self.ended => Ended::Complete,
            Origin::Server | Origin::Nobody => Ended::Reset,
        };
        let (rpc, rpc_code) = self.answer();
        Outcome {
            decision_id: self.decision_id,
            http_status: self.status.into(),
            bytes: self.bytes,
            duration_us,
            ended: ended.into(),
            rpc: rpc.into(),
            rpc_code,
            grpc_status: self.grpc_status,
            ..Outcome::default()
        }
    }

    fn answer(&mut self) -> (Rpc, Option<i64>) {
        let asked = !self.asked.is_settled();
        self.decode();
        if let Reader::Json(kept) = std::mem::replace(&mut self.reader, Reader::Off) {
            self.findings.read(&kept, &mut self.asked, self.limit);
        }
        let silent = self.bytes == 0 || self.origin != Origin::Server;
        match self.findings.told() {
            Some(told) => told,
            None if silent || !asked => (Rpc::None, None),
            None => (Rpc::Unread, None),
        }
    }
}

fn is_identity(encoding: Option<&[u8]>) -> bool {
    encoding.is_none_or(|encoding| encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity"))
}
