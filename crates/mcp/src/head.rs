//! The part of an HTTP request in front of its body.

/// What [`crate::read`] needs to know of the HTTP request besides the body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `:method`, as sent.
    pub method: &'a str,
    /// `:path` with its query, as sent.
    pub path: &'a str,
    /// Every header in order of arrival, duplicates kept. Names are lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
}
