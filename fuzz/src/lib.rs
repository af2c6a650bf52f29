//! What the fuzz targets check, apart from libFuzzer, so that normal tests can run it too.

pub mod bodies;
pub mod content;
