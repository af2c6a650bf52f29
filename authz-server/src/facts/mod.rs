//! State that a decision looks at, one file per fact.

pub mod client_capabilities;
pub mod effects;
