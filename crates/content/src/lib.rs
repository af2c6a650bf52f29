//! Looking into content: what flows through tool calls, in both directions.
//!
//! The same code runs in the decision point (on arguments) and in the filter (on responses, as obligations say). No I/O,
//! no clock, no chance; builds for `wasm32-wasip1`. Nothing here ever puts a found value into an error, a `Debug` form or
//! a panic.

mod alike;
pub mod definition;
pub mod detect;
pub mod engine;
pub mod finding;
pub mod injection;
pub mod output;
pub mod profile;
pub mod redact;
mod remove;
pub mod response;
pub mod rows;
pub mod rules;
pub mod schema;
pub mod tail;
mod texts;
mod view;
