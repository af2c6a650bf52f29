//! Detectors: from a text to the values in it.
//!
//! [`sweep`] goes over a text once and calls the detectors at the places where something of theirs may start. What a
//! detector then looks at is bounded, so that no text costs more than time in proportion to its length.

mod card;
pub mod classes;
mod digits;
mod email;
pub mod exact;
mod generic;
mod hit;
mod iban;
mod ip;
mod mrz;
mod national;
mod pattern;
mod phone;
mod row;
mod seam;
mod sweep;
mod text;
mod token;
mod vendor;

use std::ops::Range;

use self::classes::{Builtin, CLASSES};
use self::digits::Cluster;
use self::exact::Exact;
pub(crate) use self::hit::{Found, Hit, MOST};
pub(crate) use self::pattern::{Bad, Patterns};
use self::sweep::{DIGIT, JOINER, LONG, LOWER, OTHER, UPPER, Visitor};
pub(crate) use self::text::Text;
use self::vendor::Formats;
use crate::view::encoded::{self, spread};
use crate::view::fold::{Fold, fold, is_unseen};
use crate::view::textual;

pub(crate) use self::phone::knows as knows_phones_of;

/// What is looked for.
pub(crate) struct Detectors {
    /// A bit for every built-in class.
    wanted: u64,
    /// The same, by what calls for a detector.
    calls: Calls,
    formats: Formats,
    regions: Vec<String>,
    patterns: Option<Patterns>,
    exact: Vec<Exact>,
    /// There are neither patterns nor exact sets.
    built_in_only: bool,
}

/// Which kinds of places are of interest at all.
#[derive(Default)]
struct Calls {
    /// Fewest digits of a cluster worth collecting.
    digits: usize,
    /// Tokens, keys and values of high entropy.
    secrets: bool,
    /// National numbers.
    numbers: bool,
    /// National numbers with letters.
    letters: bool,
}

impl Detectors {
    /// Of the classes for which `wanted` holds.
    pub(crate) fn new(
        wanted: impl Fn(Builtin) -> bool,
        regions: Vec<String>,
        patterns: Option<Patterns>,
        exact: Vec<Exact>,
    ) -> Self {
        let all = (0u8..).zip(CLASSES).map(|(at, info)| (Builtin(at), info));
        let on = |class: Builtin| wanted(class);
        let bits =
            all.clone().filter(|(class, _)| on(*class)).fold(0, |bits, (class, _)| bits | 1 << class.0);
        let any = |family: &str| all.clone().any(|(class, info)| info.family == family && on(class));
        let digits = match () {
            () if on(Builtin::IP) => 4,
            () if on(Builtin::PHONE) => phone::LEAST,
            () if any("national_id") => 9,
            () if on(Builtin::PAN) => 12,
            () => usize::MAX,
        };
        let calls = Calls {
            digits,
            secrets: any("secret"),
            numbers: any("national_id"),
            letters: national::WITH_LETTERS.iter().any(|class| on(*class)),
        };
        let built_in_only = patterns.is_none() && exact.is_empty();
        Self { wanted: bits, calls, formats: Formats::new(on), regions, patterns, exact, built_in_only }
    }

    fn wants(&self, class: Builtin) -> bool {
        self.wanted >> class.0 & 1 == 1
    }

    /// Whether values are looked for that are secret because of the name beside them.
    fn wants_named(&self) -> bool {
        self.wants(Builtin::GENERIC_SECRET) || self.wants(Builtin::AWS_SECRET_KEY)
    }

    /// Whether nothing of interest can be in a member's name.
    pub(crate) fn is_dull_name(&self, name: &str) -> bool {
        self.built_in_only && sweep::is_dull(name)
    }

    /// Whether nothing of interest can be in a string: shorter than any value that a member's name makes a secret.
    pub(crate) fn is_dull_text(&self, text: &str) -> bool {
        self.built_in_only && text.len() < generic::SHORTEST && sweep::is_dull(text)
    }

    /// Whether nothing of interest can be in a number: it has fewer digits than a national number or a card.
    pub(crate) fn is_dull_number(&self, number: &str) -> bool {
        self.built_in_only && number.len() < 9
    }

    /// Looks through one text. `scratch` is only there to be used again.
    pub(crate) fn find(&self, text: &Text<'_>, scratch: &mut Scratch, found: &mut Found) {
        let mut pass = Pass { detectors: self, found, groups: &mut scratch.groups, done: Done::default() };
        sweep::sweep(text, &mut pass);
        if !text.number && self.wants_named() {
            generic::find_member(text, found);
        }
        if !self.wants(Builtin::AWS_SECRET_KEY) {
            found.rename(Builtin::AWS_SECRET_KEY, Builtin::GENERIC_SECRET);
        }
        if let Some(patterns) = &self.patterns {
            patterns.find(text, found);
        }
        for exact in &self.exact {
            exact.find(text, found);
        }
    }
}

/// Memory that is used again for every text.
#[derive(Default)]
pub(crate) struct Scratch {
    groups: Vec<Range<usize>>,
}

/// How far detectors have looked that look beyond the place they were called at.
#[derive(Default)]
struct Done {
    digits: usize,
    secret: usize,
    encoded: usize,
    colon: usize,
    zone: usize,
    scheme: email::Scheme,
    value: generic::Run,
}

/// One pass over one text.
struct Pass<'p> {
    detectors: &'p Detectors,
    found: &'p mut Found,
    groups: &'p mut Vec<Range<usize>>,
    done: Done,
}

impl Visitor for Pass<'_> {
    fn word(&mut self, text: &Text<'_>, word: Range<usize>, kinds: u8) {
        if kinds & DIGIT != 0 {
            self.digits(text, &word);
            if self.detectors.calls.letters {
                let detectors = self.detectors;
                national::find_letters(text, &word, |class| detectors.wants(class), self.found);
            }
        }
        let armour = text.before(word.end) == b'-';
        if word.len() >= LONG || armour {
            if self.detectors.calls.secrets {
                self.secret(text, &word, kinds);
            }
            if word.len() >= encoded::SHORTEST && word.start >= self.done.encoded {
                self.encoded(text, &word, kinds);
            }
        } else if kinds & DIGIT != 0 && matches!(word.len(), 2 | 4) && word.start >= self.done.encoded {
            self.hex_bytes(text, &word);
        }
    }

    fn mark(&mut self, text: &Text<'_>, byte: u8, at: usize) {
        let detectors = self.detectors;
        match byte {
            // In front of a domain or a host.
            b'@' if text.byte(at + 1).is_ascii_alphanumeric() || text.byte(at + 1) == b'[' => {
                if detectors.wants(Builtin::CONNECTION_STRING) {
                    email::find_user_info(text, at, &mut self.done.scheme, self.found);
                }
                if detectors.wants(Builtin::EMAIL) {
                    email::find(text, at, self.found);
                }
            }
            b'=' | b':' => self.assignment(text, byte, at),
            b'<' if at >= self.done.zone && text.byte(at + 1) == b'<' && detectors.wants(Builtin::MRZ) => {
                self.done.zone = mrz::find(text, at, self.found);
            }
            // Of a run of backslashes the first one speaks for all.
            b'\\' if text.before(at) == b'\\' => {}
            b'%' | b'&' | b'\\' if !self.found.textual => {
                self.found.textual = textual::is_encoded(text.text.get(at..).unwrap_or_default());
            }
            b'\n' if at >= self.done.encoded => {
                if let Some(run) = spread::lines(text.bytes(), at) {
                    self.note(run.clone(), run.end);
                }
            }
            byte if is_unseen(byte) => self.found.textual = true,
            0xc2.. if !self.found.textual => {
                let character = text.text.get(at..).and_then(|rest| rest.chars().next());
                self.found.textual = character.is_some_and(|character| fold(character) != Fold::Keep);
            }
            _ => {}
        }
    }
}

impl Pass<'_> {
    /// Every cluster of digits that starts in the word.
    fn digits(&mut self, text: &Text<'_>, word: &Range<usize>) {
        let mut at = word.start.max(self.done.digits);
        while at < word.end {
            if !text.byte(at).is_ascii_digit() {
                at += 1;
                continue;
            }
            if follows_letters(text, at) {
                self.letters_before(text, at);
            }
            let end = text.run(at, usize::MAX, |byte| byte.is_ascii_digit());
            // Too few digits, and a letter behind them: most are such, in ids and digests.
            if end - at < self.detectors.calls.digits && text.byte(end).is_ascii_alphabetic() {
                at = end;
                self.done.digits = end;
                continue;
            }
            let end = digits::collect(text, at, self.groups);
            at = if self.groups.len() < digits::GROUPS { end } else { self.overlap(end) };
            self.done.digits = at;
            self.cluster(text);
            if self.detectors.wants(Builtin::PAN) {
                let starts = self.groups.iter().filter(|group| row::may_start(text, group));
                starts.for_each(|group| card::find_row(text, group, self.found));
            }
        }
    }

    /// A long row of groups is looked at in pieces that overlap.
    fn overlap(&self, end: usize) -> usize {
        self.groups.get(digits::GROUPS - 20).map_or(end, |group| group.start)
    }

    /// Numbers that start with two letters.
    fn letters_before(&mut self, text: &Text<'_>, at: usize) {
        if self.detectors.wants(Builtin::IBAN) && text.before(at).is_ascii_alphabetic() {
            iban::find(text, at, self.found);
        }
        if self.detectors.wants(Builtin::GB_NINO) {
            national::find_nino(text, at, self.found);
        }
    }

    fn cluster(&mut self, text: &Text<'_>) {
        let cluster = Cluster::new(*text, self.groups);
        let (detectors, total) = (self.detectors, cluster.total());
        if total < detectors.calls.digits {
            return;
        }
        if total >= 12 && detectors.wants(Builtin::PAN) {
            card::find(&cluster, self.found);
        }
        if detectors.calls.numbers {
            national::find(&cluster, |class| detectors.wants(class), self.found);
        }
        if total >= phone::LEAST && detectors.wants(Builtin::PHONE) {
            phone::find(&cluster, &detectors.regions, self.found);
        }
        if cluster.groups.len() >= 4 && detectors.wants(Builtin::IP) {
            ip::find_v4(&cluster, self.found);
        }
    }

    /// Tokens and keys in and around a long word. What is inside of a key or a token is looked at like anything else: it
    /// may be of a class that is treated more strictly.
    fn secret(&mut self, text: &Text<'_>, word: &Range<usize>, kinds: u8) {
        let detectors = self.detectors;
        let wants = |class| detectors.wants(class);
        if word.start >= self.done.secret {
            let mut done = None;
            // Armour has both.
            if kinds & JOINER != 0 && kinds & UPPER != 0 && wants(Builtin::PRIVATE_KEY) {
                done = token::find_private_key(text, word, self.found);
            }
            if done.is_none() && wants(Builtin::JWT) && text.byte(word.end) == b'.' {
                done = token::find_jwt(text, word, self.found);
            }
            self.done.secret = done.unwrap_or(self.done.secret);
        }
        detectors.formats.find(text, word, self.found);
        vendor::find_around(text, word, wants, self.found);
        if detectors.wants_named() {
            generic::find_before(text, word, &mut self.done.value, self.found);
        }
    }

    /// Notes a long word that may be the start of something encoded.
    fn encoded(&mut self, text: &Text<'_>, word: &Range<usize>, kinds: u8) {
        let inside = || text.bytes().get(word.clone()).unwrap_or_default();
        let (base64, hex) = (kinds & UPPER != 0 && kinds & LOWER != 0, kinds & OTHER == 0);
        let has_hex =
            || if hex { word.len() > encoded::SHORTEST } else { encoded::hex_run(inside()).is_some() };
        if base64 || (kinds & DIGIT != 0 && has_hex()) {
            if kinds & JOINER != 0 || !encoded::is_noise(text.bytes(), word, hex) {
                self.note(word.clone(), encoded::end_of_run(text.bytes(), word.end));
            }
        } else if kinds & DIGIT != 0 {
            self.hex_bytes(text, word);
        }
    }

    /// Notes bytes in hex that are spread out.
    fn hex_bytes(&mut self, text: &Text<'_>, word: &Range<usize>) {
        if let Some(end) = spread::hex_bytes(text.bytes(), word.start) {
            self.note(word.clone(), end);
        }
    }

    fn note(&mut self, word: Range<usize>, end: usize) {
        self.done.encoded = end;
        if self.found.encoded.len() >= MOST {
            self.found.incomplete = true;
        } else {
            self.found.encoded.push(word);
        }
    }

    fn assignment(&mut self, text: &Text<'_>, byte: u8, at: usize) {
        let detectors = self.detectors;
        if detectors.wants_named() {
            generic::find_assignment(text, at, &mut self.done.value, self.found);
        }
        if byte == b':' {
            self.done.scheme.note(text, at);
        }
        if byte == b'=' && detectors.wants(Builtin::AZURE_KEY) {
            vendor::find_azure(text, at, self.found);
        }
        if byte == b':' && at >= self.done.colon && detectors.wants(Builtin::IP) {
            self.done.colon = ip::find_v6(text, at, self.found);
        }
    }
}

/// Whether two letters that stand alone are in front of `at`, perhaps with a space behind them.
#[inline]
fn follows_letters(text: &Text<'_>, at: usize) -> bool {
    let two = |end: usize| {
        matches!(text.tail_before(end, 3), [rest @ .., a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic()
            && !rest.first().is_some_and(u8::is_ascii_alphanumeric))
    };
    two(at) || (text.before(at) == b' ' && two(at - 1))
}

#[cfg(test)]
mod tests;
