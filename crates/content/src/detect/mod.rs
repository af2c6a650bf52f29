//! Detectors: from a text to the values in it.

pub mod classes;
