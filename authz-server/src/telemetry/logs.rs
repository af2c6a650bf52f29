//! Set-up of the structured log.
