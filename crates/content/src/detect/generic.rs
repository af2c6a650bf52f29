//! Values beside a word that says that they are secret, when they are random enough.

use std::ops::Range;

use super::classes::Builtin;
use super::hit::{Certainty, Found, nothing};
use super::text::Text;

/// Longest value.
const LONGEST: usize = 512;
/// Shortest value. What is random enough has at least twelve characters.
pub(crate) const SHORTEST: usize = 10;

/// Words that say that a value is secret, in lower case without separators.
const SECRET: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "wachtwoord",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "accesstoken",
    "authtoken",
    "apitoken",
    "refreshtoken",
    "bearertoken",
    "sessiontoken",
    "authkey",
    "clientsecret",
    "credential",
    "authorization",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "storagekey",
    "accountkey",
    "sharedkey",
    "servicekey",
    "deploykey",
    "webhooksecret",
    "bottoken",
    "usertoken",
    "oauthtoken",
    "privatetoken",
    "personaltoken",
    "licensekey",
    "hmackey",
    "jwtkey",
    "sshkey",
    "dbpass",
    "mysqlpwd",
    "userpwd",
];

/// Names that mean it only when they are the whole name.
const WHOLE: &[&str] = &["token", "auth", "pass", "pwd", "bearer", "key", "pin", "xapikey", "xauthtoken"];

/// Endings of names whose values say something about a secret and are none.
const ABOUT: &[&str] = &[
    "id",
    "name",
    "arn",
    "type",
    "policy",
    "expiry",
    "expires",
    "expiresat",
    "expiresin",
    "length",
    "file",
    "path",
    "url",
    "uri",
    "hint",
    "version",
    "count",
    "enabled",
    "required",
    "status",
    "field",
    "prefix",
    "hash",
    "format",
    "label",
];

/// Whether a name says that its value is secret.
pub(crate) fn says_secret(name: &str) -> bool {
    // Longer names are texts.
    if name.len() > 64 || !may_say_secret(name.as_bytes()) {
        return false;
    }
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if ABOUT.iter().any(|ending| plain.ends_with(ending) && plain.len() > ending.len()) {
        return false;
    }
    WHOLE.contains(&plain.as_str()) || SECRET.iter().any(|word| plain.contains(word))
}

/// Whether a name holds the start of one of the words: most names are done with here.
fn may_say_secret(name: &[u8]) -> bool {
    let mut rest = name;
    while let [first, behind @ ..] = rest {
        // Setting this bit makes letters small.
        let next = |at: usize| behind.get(at).map_or(0, |byte| byte | 0x20);
        let found = match first | 0x20 {
            b'k' => next(0) == b'e' && next(1) == b'y',
            b'p' => {
                matches!((next(0), next(1), next(2)), (b'a', b's', b's') | (b'w', b'd', _) | (b'i', b'n', _))
            }
            b's' => next(0) == b'e' && next(1) == b'c' && next(2) == b'r',
            b't' => next(0) == b'o' && next(1) == b'k' && next(2) == b'e',
            b'c' => next(0) == b'r' && next(1) == b'e' && next(2) == b'd',
            b'a' => next(0) == b'u' && next(1) == b't' && next(2) == b'h',
            b'w' => next(0) == b'a' && next(1) == b'c' && next(2) == b'h',
            b'b' => next(0) == b'e' && next(1) == b'a' && next(2) == b'r',
            _ => false,
        };
        if found {
            return true;
        }
        rest = behind;
    }
    false
}

/// Looks at a text that is the value of a member whose name says that it is secret.
pub(crate) fn find_member(text: &Text<'_>, found: &mut Found) {
    let inside = text.text;
    if (SHORTEST..=LONGEST).contains(&inside.len()) && says_secret(text.name) {
        let start = inside.rfind([' ', '\t']).map_or(0, |space| space + 1);
        // `Bearer …` and `Basic …` have a value behind the space; other texts with spaces are sentences.
        let scheme = inside.get(..start).unwrap_or_default().trim_end();
        let known = ["", "Bearer", "Basic", "Token", "bearer", "basic", "token", "ApiKey"];
        if known.contains(&scheme) {
            take(text, start..inside.len(), text.name, found);
        }
    }
}

/// The last run of characters that a value may have, which is measured once however many names stand in it.
#[derive(Default)]
pub(crate) struct Run {
    range: Range<usize>,
    /// Long values in it that were looked at.
    looked: usize,
}

/// Values of more bytes are long.
const SHORT: usize = 64;
/// Most long values of one run that are looked at: honest ones have one.
const MOST_LONG: usize = 16;

impl Run {
    /// Looks at the value that starts at `from`.
    fn take(&mut self, text: &Text<'_>, from: usize, name: &str, found: &mut Found) {
        if !self.range.contains(&from) {
            let is_part = |byte: u8| byte.is_ascii_graphic() && !b"\"'`,;<>()\\".contains(&byte);
            *self = Self { range: from..text.run(from, usize::MAX, is_part), looked: 0 };
        }
        let value = text.slice(from..self.range.end.min(from + LONGEST + 1));
        // An address goes on behind an ampersand; a sentence ends with a full stop.
        let value = value.split('&').next().unwrap_or_default();
        let length = value.trim_end_matches(['.', '!', '?', ':', ']', '}']).len();
        self.looked += usize::from((SHORT + 1..=LONGEST).contains(&length));
        if self.looked > MOST_LONG {
            found.incomplete = true;
        } else {
            take(text, from..from + length, name, found);
        }
    }
}

/// Whether before `border` a name may stand that makes what is behind it a value: an end of a name counts as well.
pub(crate) fn may_name_a_value(text: &Text<'_>, border: usize) -> bool {
    let before = text.bytes().get(..border).unwrap_or_default().iter().enumerate();
    before.filter(|(_, byte)| matches!(byte, b'=' | b':')).any(|(at, _)| {
        let (start, end) = name_before(text, at);
        may_say_secret(text.bytes().get(start..end).unwrap_or_default())
    })
}

/// The name before the `=` or `:` at `at`: where it starts and ends.
fn name_before(text: &Text<'_>, at: usize) -> (usize, usize) {
    let end = text.run_back(at, 4, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b':'));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (text.run_back(end, 48, is_name), end)
}

/// Looks at the `=` or `:` at `at`: a word before it, a value behind it.
pub(crate) fn find_assignment(text: &Text<'_>, at: usize, run: &mut Run, found: &mut Found) {
    let (start, end) = name_before(text, at);
    // Most words before a colon end in something else, and many colons stand in a time of day.
    let before = text.before(end);
    if !before.is_ascii_alphanumeric() || (before.is_ascii_digit() && text.byte(at + 1).is_ascii_digit()) {
        return;
    }
    let name = text.slice(start..end);
    if !says_secret(name) {
        return;
    }
    let mut from =
        text.run(at + 1, 8, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b'=' | b'>' | b'\t'));
    for scheme in ["Bearer ", "Basic ", "Token ", "bearer ", "basic ", "token "] {
        if text.slice(from..from + scheme.len()) == scheme {
            from += scheme.len();
        }
    }
    run.take(text, from, name, found);
}

/// Looks before a long word for `Bearer` or a flag such as `--password`.
pub(crate) fn find_before(text: &Text<'_>, word: &Range<usize>, run: &mut Run, found: &mut Found) {
    let end = text.run_back(word.start, 2, |byte| byte == b' ');
    if end == word.start {
        return;
    }
    let start = text.run_back(end, 24, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = text.slice(start..end);
    let flag = name.starts_with("--") && says_secret(name);
    if flag || ["bearer", "basic", "is"].iter().any(|said| name.eq_ignore_ascii_case(said)) {
        if name.eq_ignore_ascii_case("is")
            && !text.near(start, &["password", "secret", "token", "key", "passphrase"])
        {
            return;
        }
        run.take(text, word.start, name, found);
    }
}

fn take(text: &Text<'_>, range: Range<usize>, name: &str, found: &mut Found) {
    let value = text.slice(range.clone());
    if (SHORTEST..=LONGEST).contains(&value.len()) && is_random(value) && !is_placeholder(value) {
        let class = if is_aws(value, name, text, range.start) {
            Builtin::AWS_SECRET_KEY
        } else {
            Builtin::GENERIC_SECRET
        };
        let certainty = if class == Builtin::GENERIC_SECRET { Certainty::Shape } else { Certainty::Context };
        found.add(class, range, value, certainty, nothing());
    }
}

/// Secret access keys have no form of their own but their length and alphabet.
fn is_aws(value: &str, name: &str, text: &Text<'_>, at: usize) -> bool {
    let fits = value.len() == 40
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+'));
    let name = name.to_ascii_lowercase();
    fits && (name.contains("aws")
        || name.replace(['_', '-'], "").contains("secretaccesskey")
        || text.near(at, &["aws"]))
}

/// At least 3.5 bits per character, and not made of words.
pub(crate) fn is_random(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':'));
    if entropy(value) < 3.5 || is_uuid(value) || digits == value.len() {
        return false;
    }
    !plain || (value.len() >= 20 && turns(value) * 3 >= value.len())
}

/// How often the case of neighbouring letters changes: seldom in words that are written together.
fn turns(value: &str) -> usize {
    let bytes = value.as_bytes();
    bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(a, b)| a.is_ascii_uppercase() != b.is_ascii_uppercase())
        .count()
}

fn is_uuid(value: &str) -> bool {
    let parts: Vec<usize> = value.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Shannon's entropy in bits per character.
pub(crate) fn entropy(value: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = value.len() as f64;
    let share = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// Words in values that only show where a value would stand.
const STOP: &[&str] = &[
    "example",
    "changeme",
    "change_me",
    "placeholder",
    "xxxx",
    "****",
    "....",
    "your_",
    "your-",
    "yourpass",
    "yoursecret",
    "yourtoken",
    "yourkey",
    "insert",
    "replace",
    "redacted",
    "dummy",
    "sample",
    "undefined",
    "process.env",
    "os.environ",
    "getenv",
    "config.",
    "settings.",
    "secrets.",
    "env.",
    "vault:",
    "keyvault",
    "secretsmanager",
    "arn:aws",
    "123456789",
    "abcdefgh",
    "todo",
    "fixme",
    "lorem",
    "test_key",
    "mypassword",
    "not-a-real",
    "fake",
];

/// Whether a value only shows where one would stand.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let starts = ["$", "<", "{", "%", "(", "/", "./", "http:", "https:", "file:", "@", "#"];
    let words = [
        "", "password", "pass", "passwd", "pwd", "secret", "token", "x", "user", "null", "none", "true",
        "false",
    ];
    starts.iter().any(|start| lower.starts_with(start))
        || words.contains(&lower.as_str())
        || STOP.iter().any(|word| lower.contains(word))
        || lower.bytes().all(|byte| Some(byte) == lower.bytes().next())
}
