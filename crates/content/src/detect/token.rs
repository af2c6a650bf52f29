//! JSON Web Tokens and private keys in PEM armour.

use std::ops::Range;

use interdict_mcp::json::{Document, Limits};

use super::classes::Builtin;
use super::hit::{Certainty, Found, nothing};
use super::text::Text;
use crate::view::encoded;

/// Longest token, and longest header of one.
const TOKEN: usize = 16_384;
const HEADER: usize = 2048;

fn is_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Looks for a token whose header is the word: three parts with dots between them, and a header that names an algorithm.
/// Returns where the token ends.
pub(crate) fn find_jwt(text: &Text<'_>, word: &Range<usize>, found: &mut Found) -> Option<usize> {
    let start = word.start + text.slice(word.clone()).find("eyJ")?;
    if start > word.start
        && is_url(text.before(start))
        && text.before(start) != b'_'
        && text.before(start) != b'-'
    {
        return None;
    }
    let payload = text.run(word.end + 1, TOKEN, is_url);
    let signature = text.run(payload + 1, TOKEN, is_url);
    let parts = text.byte(word.end) == b'.' && payload > word.end + 1 && text.byte(payload) == b'.';
    if !parts || word.end - start > HEADER {
        return None;
    }
    let header = encoded::plain(text.slice(start..word.end));
    let document = Document::parse(&header, &Limits::default()).ok()?;
    document.root().get("alg")?.as_str()?;
    let value = text.slice(start..signature);
    found.add(Builtin::JWT, start..signature, value, Certainty::Checked, nothing());
    Some(signature)
}

/// Looks for a private key whose armour starts before the word and ends its first line in it:
/// `-----BEGIN … PRIVATE KEY-----`. A key that does not end in the text is taken up to where its base64 ends. Returns
/// where it ends.
pub(crate) fn find_private_key(text: &Text<'_>, word: &Range<usize>, found: &mut Found) -> Option<usize> {
    const LABEL: &str = "KEY-----";
    const BEGIN: &[u8] = b"-----BEGIN ";
    let line_end = word.start + text.slice(word.clone()).find(LABEL)? + LABEL.len();
    let head = text.tail_before(line_end, 64);
    let begin = head.windows(BEGIN.len()).rposition(|window| window == BEGIN)?;
    let label = head.get(begin + BEGIN.len()..)?;
    let start = line_end - (head.len() - begin);
    if !label.windows(11).any(|window| window == b"PRIVATE KEY") {
        return None;
    }
    let end = end_of_armour(text, line_end);
    // A few lines without a key behind them are documentation.
    let body = text.slice(line_end..end).bytes().filter(u8::is_ascii_alphanumeric).count();
    if body < 40 {
        return None;
    }
    let value = text.slice(start..end);
    found.add(Builtin::PRIVATE_KEY, start..end, value, Certainty::Checked, nothing());
    Some(end)
}

/// Behind the end line, or where what may stand in armour ends. Line breaks may be escaped.
fn end_of_armour(text: &Text<'_>, from: usize) -> usize {
    let in_armour = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || byte.is_ascii_whitespace()
            || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b':' | b',' | b'-')
    };
    let end = text.run(from, TOKEN * 2, in_armour);
    let inside = text.slice(from..end);
    let body = inside.find("-----END").map_or(inside.len(), |at| {
        let behind = inside.get(at + 8..).unwrap_or_default();
        behind.find("-----").map_or(inside.len(), |dashes| at + 8 + dashes + 5)
    });
    from + inside.get(..body).unwrap_or_default().trim_end().len()
}
