//! Event streams (WHATWG HTML section 9.2, server-sent events) taken apart at arbitrary chunk borders.
//!
//! A stream is a sequence of blocks that end with a blank line. [`Decoder::push`] reports every block that holds a
//! field as an [`Event`] with the bytes it occupies; [`Decoder::settled`] says up to which byte everything is complete.
//! A relay that inspects events forwards the bytes below `settled`, except those of an event it replaces. Comments
//! (keep-alives such as `: ping`) settle with their own line, so they are never held back.
//!
//! Lines end with LF, CR or CRLF, also when the two bytes of CRLF arrive in different chunks. A byte order mark at the
//! start of the stream is skipped, as clients do.

use std::fmt;
use std::ops::Range;

/// One block of a stream with at least one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id` field of the block; one with a NUL inside is ignored, as the standard says.
    pub id: Option<String>,
    /// The last `event` field.
    pub event: Option<String>,
    /// The `data` fields joined by LF; `None` if the block has none.
    pub data: Option<String>,
    /// The last `retry` field that is a number, in milliseconds.
    pub retry: Option<u64>,
    /// Where the block stands in the stream, in bytes from its start, with its blank line. If the blank line ends with
    /// CRLF and the chunk ended between the two, the LF is not part of the span (but [`Decoder::settled`] soon covers it).
    pub span: Range<u64>,
}

/// Bounds on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// Bytes of one block that is not yet complete.
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

impl SseError {
    /// Stable reason code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            SseError::TooLarge => "parse.event_too_large",
            SseError::InvalidUtf8 => "parse.invalid_utf8",
        }
    }
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

/// Incremental reader of an event stream. It keeps the open block and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    limits: SseLimits,
    /// The part of a line whose end has not come yet.
    partial: Vec<u8>,
    block: Event,
    /// Bytes taken so far.
    position: u64,
    settled: u64,
    /// The last byte was a CR: a LF right behind it belongs to the same line end.
    after_cr: bool,
    /// The first line has been seen; before it, a byte order mark is skipped.
    begun: bool,
    failed: Option<SseError>,
}

impl Decoder {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(limits: SseLimits) -> Self {
        Decoder { limits, ..Decoder::default() }
    }

    /// Takes the next bytes and appends every block they complete to `events`.
    ///
    /// # Errors
    /// [`SseError`]; it is final, every later call returns it again. Events completed before it are in `events`.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.take(bytes, events);
        self.failed = outcome.err();
        outcome
    }

    fn take(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        // An empty chunk says nothing about what follows a CR.
        if bytes.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.after_cr)
            && let [b'\n', rest @ ..] = bytes
        {
            self.end_line(1);
            bytes = rest;
        }
        while let Some(length) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(length);
            let terminator = if rest.starts_with(b"\r\n") { 2 } else { 1 };
            self.after_cr = rest == b"\r";
            self.advance(line.len() + 1)?;
            // The LF of a CRLF is not held against the limit, as it may just as well come with the next chunk.
            self.position += terminator - 1;
            if self.partial.is_empty() {
                self.line(line, events)?;
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, events)?;
            }
            bytes = rest.get(usize::from(terminator == 2) + 1..).unwrap_or_default();
        }
        self.advance(bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// The LF of a CRLF whose CR came in the chunk before.
    fn end_line(&mut self, length: u64) {
        if self.settled == self.position {
            self.settled += length;
            self.block.span.start = self.settled;
        }
        self.position += length;
    }

    fn advance(&mut self, length: usize) -> Result<(), SseError> {
        self.position += length as u64;
        if self.position - self.settled > self.limits.max_event_bytes as u64 {
            return Err(SseError::TooLarge);
        }
        Ok(())
    }

    /// Takes a whole line without its end; `position` is behind it.
    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        let line = std::str::from_utf8(line).map_err(|_| SseError::InvalidUtf8)?;
        let line = match (std::mem::replace(&mut self.begun, true), line.strip_prefix('\u{feff}')) {
            (false, Some(rest)) => rest,
            _ => line,
        };
        if line.is_empty() {
            let mut block = std::mem::take(&mut self.block);
            if !is_empty(&block) {
                block.span.end = self.position;
                events.push(block);
            }
            self.settle();
            return Ok(());
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "data" => match &mut self.block.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "event" => self.block.event = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.block.retry = value.parse().ok();
            }
            _ => {}
        }
        // Only comments and unknown fields so far: nothing that would have to be held back.
        if is_empty(&self.block) {
            self.settle();
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.settled = self.position;
        self.block.span.start = self.position;
    }

    /// Bytes of the stream, from its start, that belong to complete blocks and comments. What follows is still open.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Ends the stream: how many bytes stood in a block without its blank line. Clients discard them.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.position - self.settled
    }
}

fn is_empty(block: &Event) -> bool {
    block.id.is_none() && block.event.is_none() && block.data.is_none() && block.retry.is_none()
}

/// One event in LF form. `data` is split at every line end; line ends and NUL inside `id` and `event` are left out,
/// because the format cannot carry them.
#[must_use]
pub fn encode(event: &Event) -> Vec<u8> {
    let mut text = String::new();
    for (field, value) in [("event", &event.event), ("id", &event.id)] {
        if let Some(value) = value {
            text.push_str(field);
            text.push_str(": ");
            text.extend(value.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')));
            text.push('\n');
        }
    }
    if let Some(retry) = event.retry {
        text.push_str(&format!("retry: {retry}\n"));
    }
    if let Some(data) = &event.data {
        for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests;
