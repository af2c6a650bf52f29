"""Long runs under load; `tests/e2e` runs the same in small."""
