//! Keys with a format of their own, in long words.

mod checksum;
mod table;

use std::ops::Range;

use self::table::{Alphabet, Check, FORMATS, Format};
use super::classes::Builtin;
use super::generic::entropy;
use super::hit::{Certainty, Found, nothing};
use super::text::Text;

/// The formats by the first byte of their prefix.
pub(crate) struct Formats {
    first: Vec<Vec<&'static Format>>,
}

impl Formats {
    /// Those of the wanted classes.
    pub(crate) fn new(wanted: impl Fn(Builtin) -> bool) -> Self {
        let of = |byte: u8| {
            let starts = |format: &&Format| format.prefix.as_bytes().first() == Some(&byte);
            FORMATS.iter().filter(|format| wanted(format.class)).filter(starts).collect()
        };
        Self { first: (0..128).map(of).collect() }
    }

    /// Looks for keys in a long word. They start with it or behind one of `_` and `-`.
    pub(crate) fn find(&self, text: &Text<'_>, word: &Range<usize>, found: &mut Found) {
        let start = start_of(text, word.start);
        let mut at = start;
        while at + 8 < word.end {
            if let Some(end) = self.find_at(text, at, word.end, found) {
                at = end;
                continue;
            }
            let rest = text.bytes().get(at..word.end).unwrap_or_default();
            match rest.iter().position(|byte| matches!(byte, b'_' | b'-')) {
                Some(joiner) => at += joiner + 1,
                None => return,
            }
        }
    }

    /// The end of a key that starts at `at`.
    fn find_at(&self, text: &Text<'_>, at: usize, end: usize, found: &mut Found) -> Option<usize> {
        let rest = text.slice(at..end);
        let formats = self.first.get(usize::from(text.byte(at)))?;
        for format in formats.iter().filter(|format| rest.starts_with(format.prefix)) {
            let body = at + format.prefix.len();
            let end = text.run(body, format.most + 1, |byte| format.alphabet.has(byte));
            let value = text.slice(at..end);
            if (format.least..=format.most).contains(&(end - body))
                && !text.byte(end).is_ascii_alphanumeric()
                && fits(format, value, text, at)
            {
                found.add(format.class, at..end, value, Certainty::Checked, nothing());
                return Some(end);
            }
        }
        None
    }
}

/// A few prefixes hold a dot, which is not of words.
fn start_of(text: &Text<'_>, word: usize) -> usize {
    for prefix in ["hvs.", "hvb.", "dp.pt."] {
        if text.tail_before(word, prefix.len()) == prefix.as_bytes() {
            return word - prefix.len();
        }
    }
    word
}

fn fits(format: &Format, value: &str, text: &Text<'_>, at: usize) -> bool {
    let body = value.get(format.prefix.len()..).unwrap_or_default();
    match format.check {
        Check::Entropy(tenths) => entropy(body) * 10.0 >= f64::from(tenths) && !is_example(body),
        Check::Crc => checksum::fits(body),
        Check::Near(words) => text.near(at, words) && entropy(body) >= 2.5,
    }
}

/// Fewest characters in which something secret can be.
const LEAST_SECRET: usize = 16;

/// Keys of documentation: little is left of them without `EXAMPLE` and without characters in a row that are the same or
/// follow each other. A real key to which somebody glued such a thing is still there.
fn is_example(value: &str) -> bool {
    let rest: usize = value.split("EXAMPLE").map(|part| outside_of_rows(part.as_bytes())).sum();
    rest < LEAST_SECRET && rest < value.len()
}

/// How many characters are in no row of four or more.
fn outside_of_rows(bytes: &[u8]) -> usize {
    let goes_on = |first: &u8, second: &u8| first == second || first.checked_add(1) == Some(*second);
    bytes.chunk_by(goes_on).map(<[u8]>::len).filter(|length| *length < 4).sum()
}

/// Looks for keys that are told by what stands around a long word.
pub(crate) fn find_around(
    text: &Text<'_>,
    word: &Range<usize>,
    wanted: impl Fn(Builtin) -> bool,
    found: &mut Found,
) {
    let before = text.tail_before(word.start, 64);
    let inside = text.slice(word.clone());
    let (class, start, end) = if before.ends_with(b"SG.") && (16..=32).contains(&inside.len()) {
        let tail = text.run(word.end + 1, 64, is_url);
        let fits = text.byte(word.end) == b'.' && (16..=64).contains(&(tail - word.end - 1));
        (Builtin::SENDGRID_KEY, word.start - 3, if fits { tail } else { 0 })
    } else if let Some(path) = webhook(before) {
        (Builtin::SLACK_TOKEN, word.start - path, word.end)
    } else if inside.len() == 35 && inside.starts_with("AA") && before.ends_with(b":") {
        let id = text.run_back(word.start - 1, 11, |byte| byte.is_ascii_digit());
        let fits = (8..=10).contains(&(word.start - 1 - id));
        (Builtin::VENDOR_TOKEN, id, if fits { word.end } else { 0 })
    } else if is_mailchimp(inside) {
        (Builtin::VENDOR_TOKEN, word.start, word.end)
    } else if let Some(start) = discord(text, word) {
        (Builtin::VENDOR_TOKEN, start, word.end)
    } else {
        return;
    };
    let value = text.slice(start..end);
    if end > start && wanted(class) && entropy(value) >= 3.0 && !is_example(value) {
        found.add(class, start..end, value, Certainty::Checked, nothing());
    }
}

/// 32 hex digits and the data centre, as `-us12`.
fn is_mailchimp(word: &str) -> bool {
    let Some((key, centre)) = word.split_at_checked(32) else { return false };
    let Some(centre) = centre.strip_prefix("-us") else { return false };
    key.bytes().all(|byte| Alphabet::Hex.has(byte))
        && (1..=2).contains(&centre.len())
        && centre.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where a bot's token starts whose last part is this word: an id in base64 (of digits, so it begins with M, N or O), a time
/// of six characters, a signature.
fn discord(text: &Text<'_>, word: &Range<usize>) -> Option<usize> {
    if !(27..=38).contains(&word.len()) || text.before(word.start) != b'.' {
        return None;
    }
    let time = text.run_back(word.start - 1, 7, is_url);
    if word.start - 1 - time != 6 || text.before(time) != b'.' {
        return None;
    }
    let id = text.run_back(time - 1, 27, is_url);
    let fits = (24..=26).contains(&(time - 1 - id)) && matches!(text.byte(id), b'M' | b'N' | b'O');
    fits.then_some(id)
}

fn is_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Length of `T…/B…/` behind the address of a Slack webhook, at the end of `before`.
fn webhook(before: &[u8]) -> Option<usize> {
    const PATH: &[u8] = b"hooks.slack.com/services/";
    if before.last() != Some(&b'/') {
        return None;
    }
    let at = before.windows(PATH.len()).rposition(|window| window == PATH)?;
    Some(before.len() - at - PATH.len())
}

/// Looks behind the `=` at `at` for the key of an Azure connection string.
pub(crate) fn find_azure(text: &Text<'_>, at: usize, found: &mut Found) {
    let named = [&b"AccountKey"[..], b"SharedAccessKey", b"SharedAccessSignature", b"accesskey"];
    if !named.iter().any(|name| text.tail_before(at, 24).ends_with(name)) {
        return;
    }
    let end =
        text.run(at + 1, 200, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    let value = text.slice(at + 1..end);
    if value.len() >= 40 && entropy(value) >= 3.5 && !is_example(value) {
        found.add(Builtin::AZURE_KEY, at + 1..end, value, Certainty::Checked, nothing());
    }
}

#[cfg(test)]
mod tests;
