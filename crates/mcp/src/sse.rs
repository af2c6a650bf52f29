//! Event streams (WHATWG HTML, server-sent events) taken apart at arbitrary chunk borders.

use std::fmt;
use std::ops::Range;

/// One block of a stream: everything up to and with a blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id` field of the block.
    pub id: Option<String>,
    /// The last `event` field.
    pub event: Option<String>,
    /// The `data` fields joined by LF; `None` if the block has none (comments, `retry` alone).
    pub data: Option<String>,
    /// The last valid `retry` field in milliseconds.
    pub retry: Option<u64>,
    /// Where the block stands in the stream, in bytes from its start, blank line included.
    pub span: Range<u64>,
}

/// Bounds on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// Bytes of one block.
    pub max_event_bytes: usize,
}

impl Default for SseLimits {
    /// 4 MiB an event.
    fn default() -> Self {
        SseLimits { max_event_bytes: 4 << 20 }
    }
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseError {
    /// An event is larger than the limit.
    TooLarge,
    /// A line is not UTF-8.
    InvalidUtf8,
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SseError::TooLarge => "an event is larger than the limit",
            SseError::InvalidUtf8 => "a line is not UTF-8",
        })
    }
}

impl std::error::Error for SseError {}

/// Incremental reader of an event stream.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    limits: SseLimits,
}

impl Decoder {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(limits: SseLimits) -> Self {
        Decoder { limits }
    }

    /// Takes the next bytes and appends every block they complete to `events`.
    ///
    /// # Errors
    /// [`SseError`]; it is final, every later call returns it again. Events completed before it are in `events`.
    pub fn push(&mut self, _bytes: &[u8], _events: &mut Vec<Event>) -> Result<(), SseError> {
        if self.limits.max_event_bytes == 0 { Err(SseError::TooLarge) } else { Ok(()) }
    }

    /// Bytes of the stream, from its start, that belong to complete blocks. What follows is still open.
    #[must_use]
    pub fn settled(&self) -> u64 {
        0
    }

    /// Ends the stream: how many bytes stood in a block without its blank line (clients discard them).
    #[must_use]
    pub fn finish(self) -> u64 {
        0
    }
}

/// One event in LF form; lines of `data` are split at LF.
#[must_use]
pub fn encode(_event: &Event) -> Vec<u8> {
    Vec::new()
}
