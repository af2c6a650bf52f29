//! The Envoy filter: asks the decision point before a request of an MCP client goes on, and does what it is told.
//!
//! [`stream::Stream`] is the state machine of one HTTP stream. It knows no host: [`event::Event`]s go in,
//! [`event::Action`]s come out, and [`drive::drive`] carries them out on a [`drive::Host`]. The proxy-wasm side
//! (`adapter`, only on wasm32) translates callbacks into events and actions into host calls, and holds no logic.
//!
//! Everything that is unknown, out of order or failing denies the request.

pub mod answer;
pub mod check;
pub mod config;
pub mod drive;
pub mod event;
pub mod inspect;
pub mod message;
pub mod metrics;
pub mod outcome;
pub mod pairs;
pub mod report;
pub mod response;
pub mod rpc;
pub mod stream;

#[cfg(target_arch = "wasm32")]
mod adapter;
