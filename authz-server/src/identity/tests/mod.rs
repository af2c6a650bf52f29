//! Abuse of identity, one sentence per test.
