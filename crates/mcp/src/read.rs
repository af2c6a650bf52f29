//! From HTTP head and body to a reading.

use crate::{Batch, Era, Head, Limits, Message, Refusal};

/// What a request means.
#[derive(Clone, Debug)]
pub enum Reading<'b> {
    /// GET: the client opens the stream of a session (up to 2025-11-25).
    OpenStream {
        /// The revision in force.
        era: Era,
    },
    /// DELETE: the client ends its session (up to 2025-11-25).
    EndSession {
        /// The revision in force.
        era: Era,
    },
    /// POST with one message.
    Message(Message<'b>),
    /// POST with an array of messages (2025-03-26 only).
    Batch(Batch<'b>),
}

/// Reads one HTTP request.
///
/// # Errors
/// A [`Refusal`] for everything that has no single reading.
pub fn read<'b>(_head: &Head<'_>, _body: &'b [u8], _limits: &Limits) -> Result<Reading<'b>, Refusal> {
    Err(Refusal::new("parse.syntax", 400, crate::reply::code::PARSE_ERROR, "not implemented"))
}
