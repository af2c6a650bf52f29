//! The contract between enforcement point and decision point.
//!
//! [`envoy`] is the subset of Envoy's external-authorization API that the filter speaks (same packages, same field
//! numbers; checked against the `envoy-types` crate by a test). [`enforcement`] is what travels inside of
//! `CheckResponse.dynamic_metadata`: the verdict and what the enforcement point must do. [`outcome`] is what the filter
//! reports after an allowed call has ended; feature `server` adds its tonic service for the decision point.
//!
//! No I/O, builds for `wasm32-wasip1`.

pub mod enforcement;
pub mod envoy;
pub mod outcome;

/// Everything that was generated, under its protobuf package names.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/pb.rs"));
}
