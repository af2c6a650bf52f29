//! E-mail addresses, and user names with passwords in addresses: what is around an `@`.

use std::ops::Range;

use super::classes::Builtin;
use super::hit::{Certainty, Found};
use super::text::Text;
use crate::finding::Facet;

/// Most bytes looked at before and behind the sign: a local part has up to 64, a domain up to 253.
const LOCAL: usize = 64;
const DOMAIN: usize = 253;
/// Most bytes of a user name with a password.
const USER_INFO: usize = 512;

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

/// Looks for an address around the `@` at `at`.
pub(crate) fn find(text: &Text<'_>, at: usize, found: &mut Found) {
    let Some(domain) = domain(text, at + 1) else { return };
    let mut start = text.run_back(at, LOCAL + 1, is_local);
    if at - start > LOCAL {
        return;
    }
    // Signs that are allowed in an address and are more often what stands before one.
    while start < at && !text.byte(start).is_ascii_alphanumeric() && text.byte(start) != b'_' {
        start += 1;
    }
    let before = text.slice(start..at);
    let start = before.rfind(['=', '/', '|', '{', '`', '?', '&', '#']).map_or(start, |sign| start + sign + 1);
    let local = text.slice(start..at);
    if local.is_empty() || local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return;
    }
    let value = text.slice(start..domain.end).to_ascii_lowercase();
    let facet = Facet { domain: Some(text.slice(domain.clone()).to_ascii_lowercase()), ..Facet::default() };
    found.add(Builtin::EMAIL, start..domain.end, value, Certainty::Shape, facet);
}

/// A domain of two labels or more that starts at `start` and ends in a top-level domain.
fn domain(text: &Text<'_>, start: usize) -> Option<Range<usize>> {
    let end = text.run(start, DOMAIN + 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let name = text.slice(start..end).trim_end_matches(['.', '-']);
    let (rest, top) = name.rsplit_once('.')?;
    let fits =
        |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let is_top = (2..=24).contains(&top.len())
        && (top.bytes().all(|byte| byte.is_ascii_alphabetic()) || top.starts_with("xn--"));
    // `logo@2x.png` is a file.
    let is_file =
        ["png", "jpg", "jpeg", "gif", "svg", "webp"].iter().any(|kind| top.eq_ignore_ascii_case(kind));
    (name.len() <= DOMAIN && is_top && !is_file && rest.split('.').all(fits))
        .then(|| start..start + name.len())
}

/// The last `://`, and what was seen behind it.
#[derive(Default)]
pub(crate) struct Scheme {
    /// Behind its slashes; zero before the first.
    behind: usize,
    /// Up to where there is nothing behind it that ends an address.
    clean: usize,
    /// Values that were looked at behind it.
    looked: usize,
}

/// More signs behind one scheme are more than a password has.
const SIGNS: usize = 8;

impl Scheme {
    /// Notes the one whose colon is at `at`.
    pub(crate) fn note(&mut self, text: &Text<'_>, at: usize) {
        if text.byte(at + 1) == b'/' && text.byte(at + 2) == b'/' {
            *self = Self { behind: at + 3, clean: at + 3, looked: 0 };
        }
    }

    /// The user name and password that end at `at`.
    fn user_info(&mut self, text: &Text<'_>, at: usize) -> Option<Range<usize>> {
        let (from, clean) = (self.behind, self.clean);
        if from == 0 || at < clean || at - from > USER_INFO {
            return None;
        }
        let is_part = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'<>`".contains(&byte);
        self.clean = text.run(clean, at - clean, is_part);
        (self.clean == at).then_some(from..at)
    }
}

/// Looks for `scheme://user:password@` that ends with the `@` at `at`.
pub(crate) fn find_user_info(text: &Text<'_>, at: usize, last: &mut Scheme, found: &mut Found) {
    let Some(user_info) = last.user_info(text, at) else { return };
    let Some((_, password)) = text.slice(user_info.clone()).split_once(':') else { return };
    let named = text.before(user_info.start - 3).is_ascii_alphanumeric();
    // Behind a slash it is a path; passwords have theirs encoded.
    if !named || password.contains('/') {
        return;
    }
    last.looked += 1;
    found.incomplete |= last.looked > SIGNS;
    if last.looked > SIGNS || super::generic::is_placeholder(password) {
        return;
    }
    let host = text.run(at + 1, DOMAIN, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let host = Some(text.slice(at + 1..host).to_ascii_lowercase()).filter(|host| !host.is_empty());
    let value = text.slice(user_info.clone());
    let facet = Facet { domain: host, ..Facet::default() };
    found.add(Builtin::CONNECTION_STRING, user_info, value, Certainty::Checked, facet);
}
