//! The `interdict` command as a person or a script meets it: exit codes, output, messages.

// Helpers outside of test functions fail a test the same way as the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, dead_code)]

mod approvals;
mod audit;
mod bundle;
mod check;
mod config;
mod contracts;
mod evidence;
mod house;
mod labels;
mod office;
mod pins;
mod policy;
mod quarantine;
mod replay;
mod serve;
mod totals;
mod usage;
mod witness;
