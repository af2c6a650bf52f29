//! Evidence: what was decided, in a form that nobody can rewrite unnoticed. No I/O beyond reading an evidence package.
//!
//! [`record`] says what an entry holds, [`canonical`] that it has one spelling, [`merkle`] how entries become one root,
//! [`note`] how a root is signed ([`checkpoint`]), [`package`] what an auditor is given, and [`verify`] what he does
//! with it.

pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod commit;
pub mod hex;
pub mod merkle;
pub mod note;
pub mod package;
pub mod record;
pub mod verify;
