//! Bundles and decisions as the server uses them. One program, because each links the engine again; what exhausts the
//! engine's limit of memory, which is one for the process, is in `limits.rs` beside it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod bundle;
#[path = "../common/mod.rs"]
mod common;
mod content;
mod content_config;
mod contracts;
mod default_bundle;
mod errors_deny;
mod facts;
mod fast;
mod guards;
mod input;
mod manual;
mod replay;
mod tarball;
mod totals;
