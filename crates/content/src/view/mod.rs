//! Views: the same text as somebody else would read it.
//!
//! A text is looked at as it is, then with its textual encodings undone ([`textual`]), and every run in it that decodes
//! to readable text is looked at as well ([`encoded`]). Every view knows which bytes of the document its bytes come
//! from, so that what is found in a view can be replaced in the document.

pub(crate) mod encoded;
pub(crate) mod fold;
pub(crate) mod literal;
mod map;
pub(crate) mod textual;

pub(crate) use map::{Map, Mapped, Origin};
