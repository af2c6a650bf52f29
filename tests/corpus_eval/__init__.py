"""Measures the detectors of crates/content on public corpora: `make corpus`."""
