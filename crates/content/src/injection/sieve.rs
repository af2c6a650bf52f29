//! The first look at JSON as it is written, several times faster than reading it: of every word only its rarest bytes are
//! looked for, and of two words that have to stand together only the rarer one.
//!
//! JSON is brought into plain form part by part, eight bytes at a time: small letters, escapes as what they stand for. A
//! word that a part cuts off counts as found, so that nothing is missed.

use std::sync::{Arc, LazyLock};

use super::grams::unescaped;

/// Two to this many bits: few enough for the nearest cache, enough that almost none of them are set.
const BITS: u32 = 17;
const CELLS: usize = 1 << (BITS - 5);

/// Bytes that are looked at together.
const PART: usize = 4096;
/// So many bytes of the part before stand in front of each part, as words are looked for by four bytes.
const CARRY: usize = 3;

/// Differs in a small letter and a capital, and here in a quote of JSON and one of a text.
const CASE: u8 = 0x20;
/// Stands where a part begins of which it is not known what is before; no JSON has it.
const UNKNOWN: u8 = 0;

/// Letters, the most frequent one first.
const FREQUENT: &[u8] = b" etaoinsrhldcumfpgwybvkxjqz";
/// Words that are everywhere in text and data: what is a part of one of them is not rare.
const COMMON: &str = " the of and to in is you that it he was for on are as with his they at be this have from or one had by \
    word but not what all were we when your can said there use an each which she do how their if will up other about out \
    many then them these so some her would make like him into time has look two more write go see number no way could \
    people my than first water been call who its now find long down day did get come made may part asked ask over never \
    customer order delivered delivery garden list listed name type title text status state user item items price total \
    date created updated description comment content address country page pages http https www contact company company's \
    record report document house river where nobody again back later front desk result results ";

static IS_COMMON: LazyLock<[u32; 1024]> = LazyLock::new(|| {
    let mut bits = [0; 1024];
    let parts = COMMON.as_bytes().windows(4).chain(COMMON.as_bytes().windows(3));
    for (cell, bit) in parts.map(common) {
        if let Some(cell) = bits.get_mut(cell) {
            *cell |= bit;
        }
    }
    bits
});

/// Where a part of a word is noted.
fn common(part: &[u8]) -> (usize, u32) {
    let bit =
        part.iter().fold(0, |bits: u32, byte| (bits ^ u32::from(*byte)).wrapping_mul(0x9e37_79b1)) >> 17;
    ((bit >> 5) as usize, 1 << (bit & 31))
}

/// A word by its rarest bytes.
#[derive(Debug, Clone)]
struct Word<S> {
    /// The rarest bytes: four, or three and zero.
    anchor: u32,
    /// Where they stand in it.
    at: usize,
    /// In plain form; a blank stands for one or more of them.
    text: Arc<[u8]>,
    says: S,
}

/// Words to look for.
#[derive(Debug, Clone)]
pub(super) struct Sieve<S> {
    bits: Box<[u32; CELLS]>,
    /// In order of their shelves.
    words: Vec<Word<S>>,
    /// Where the words of each shelf start.
    shelves: Vec<usize>,
}

/// A word that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<S> {
    pub(super) says: S,
    /// The place of one of its bytes in the JSON.
    pub(super) at: usize,
    /// The plain byte before it; zero where it is not known.
    pub(super) before: u8,
    /// Those behind it, zero from where they are not known on.
    pub(super) behind: [u8; 5],
}

/// Is told what is found, and says from where on to look further; `None` is right behind it.
pub(super) trait Look<S> {
    /// A word.
    fn word(&mut self, seen: &Seen<S>) -> Option<usize>;

    /// Text that has to be unescaped or folded before it can be read: from where on to look further.
    fn veiled(&mut self, at: usize) -> usize;
}

/// Two to this many shelves.
const SHELVES: u32 = 11;

const fn shelf(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - SHELVES)) as usize
}

const fn place(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)
}

fn rarity(bytes: &[u8]) -> usize {
    let (cell, bit) = common(bytes);
    if IS_COMMON.get(cell).is_some_and(|cell| cell & bit != 0) {
        return 0;
    }
    let one = |byte: &u8| FREQUENT.iter().position(|other| other == byte).unwrap_or(FREQUENT.len());
    bytes.iter().map(one).sum()
}

/// The rarest `N` bytes of `word` and where they stand, without a blank between two of them: in a text there may be more
/// than one.
fn rarest<const N: usize>(word: &[u8]) -> Option<(usize, [u8; N])> {
    let parts = word.windows(N).enumerate().filter_map(|(at, part)| Some((at, *part.first_chunk::<N>()?)));
    let solid = parts.filter(|(_, part)| part.get(1..N - 1).is_some_and(|inner| !inner.contains(&b' ')));
    solid.max_by_key(|(_, part)| rarity(part))
}

const fn short([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl<S: Copy> Word<S> {
    /// `None` where it has no bytes to be looked for by.
    fn new(text: Vec<u8>, says: S) -> Option<Self> {
        let (four, three) = (rarest::<4>(&text), rarest::<3>(&text));
        let is_rare = |part: &[u8]| rarity(part) > 0;
        let (at, anchor) = match (four, three) {
            // Three bytes that are rare are better than four that are not.
            (Some((_, four)), Some((at, three))) if !is_rare(&four) && is_rare(&three) => (at, short(three)),
            (Some((at, four)), _) => (at, u32::from_le_bytes(four)),
            (None, Some((at, three))) => (at, short(three)),
            (None, None) => return None,
        };
        Some(Self { anchor, at, text: text.into(), says })
    }

    fn is_short(&self) -> bool {
        self.anchor >> 24 == 0
    }

    /// Whether the word stands in `plain` with its rarest bytes at `found`, and what is around it.
    fn seen(&self, plain: &[u8], found: usize) -> Option<(u8, [u8; 5])> {
        let (before, rest) = self.text.split_at_checked(self.at)?;
        let (ahead, behind) = plain.split_at_checked(found)?;
        let mut ahead = ahead.iter().rev().copied().peekable();
        let mut behind = behind.iter().copied().peekable();
        let fits = reads(before.iter().rev(), rest.first() == Some(&b' '), &mut ahead)
            && reads(rest.iter(), false, &mut behind);
        let around =
            || (ahead.next().unwrap_or(UNKNOWN), std::array::from_fn(|_| behind.next().unwrap_or(UNKNOWN)));
        fits.then(around)
    }
}

/// Whether `bytes` starts with `text`, as far as it is known.
fn reads<'t>(
    text: impl Iterator<Item = &'t u8>,
    mut blank: bool,
    bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>,
) -> bool {
    for wanted in text {
        while blank && bytes.next_if_eq(&b' ').is_some() {}
        match bytes.next() {
            None | Some(UNKNOWN) => return true,
            Some(byte) if byte == *wanted => blank = byte == b' ',
            Some(_) => return false,
        }
    }
    true
}

impl<S: Copy> Sieve<S> {
    /// Nothing to look for.
    pub(super) fn new() -> Self {
        Self { bits: Box::new([0; CELLS]), words: Vec::new(), shelves: Vec::new() }
    }

    /// Looks for `words` as well, in plain form. `false` if one of them cannot be looked for.
    pub(super) fn add(&mut self, words: impl Iterator<Item = (Vec<u8>, S)>) -> bool {
        for (text, says) in words {
            let Some(word) = Word::new(text, says) else { return false };
            let last = if word.is_short() { 0..=u32::from(u8::MAX) } else { 0..=0 };
            last.for_each(|last| self.set(word.anchor | last << 24));
            self.words.push(word);
        }
        self.words.sort_by_key(|word| shelf(word.anchor));
        self.shelves = vec![0; 2 + (1 << SHELVES)];
        for word in &self.words {
            self.shelves.get_mut(1 + shelf(word.anchor)).into_iter().for_each(|count| *count += 1);
        }
        let mut start = 0;
        for count in &mut self.shelves {
            start += *count;
            *count = start;
        }
        true
    }

    fn set(&mut self, gram: u32) {
        let bit = place(gram);
        if let Some(cell) = self.bits.get_mut((bit >> 5) as usize) {
            *cell |= 1 << (bit & 31);
        }
    }

    fn may_be(&self, gram: u32) -> bool {
        let bit = place(gram);
        self.bits.get((bit >> 5) as usize).is_some_and(|cell| cell >> (bit & 31) & 1 != 0)
    }

    /// Reads JSON as it is written.
    pub(super) fn read(&self, raw: &[u8], look: &mut impl Look<S>) {
        let (mut part, mut at) = (Part::new(), 0);
        while at < raw.len() {
            let veiled = part.fill(raw, at);
            let next = self.look_at(&part, look).or_else(|| veiled.map(|at| look.veiled(at)));
            at = next.unwrap_or(part.end);
            match next {
                Some(_) => part.forget(),
                None => part.carry(),
            }
        }
    }

    fn words_of(&self, anchor: u32) -> impl Iterator<Item = &Word<S>> {
        let shelf = match self.shelves.get(shelf(anchor)..) {
            Some([from, to, ..]) => self.words.get(*from..*to).unwrap_or_default(),
            _ => &[],
        };
        shelf.iter().filter(move |word| word.anchor == anchor)
    }

    fn look_at(&self, part: &Part, look: &mut impl Look<S>) -> Option<usize> {
        for (at, gram) in part.plain().array_windows::<4>().enumerate() {
            let gram = u32::from_le_bytes(*gram);
            if self.may_be(gram)
                && let Some(next) = self.look_closer(part, at, gram, look)
            {
                return Some(next);
            }
        }
        None
    }

    #[inline(never)]
    fn look_closer(&self, part: &Part, at: usize, gram: u32, look: &mut impl Look<S>) -> Option<usize> {
        for anchor in [gram, gram & 0x00ff_ffff] {
            for word in self.words_of(anchor) {
                let Some((before, behind)) = word.seen(part.plain(), at) else { continue };
                let seen = Seen { says: word.says, at: part.raw(at + 2), before, behind };
                if let Some(next) = look.word(&seen) {
                    return Some(next);
                }
            }
        }
        None
    }
}

/// A part of JSON in plain form.
struct Part {
    plain: [u8; PART],
    length: usize,
    /// Where it starts in the JSON, and where it ends.
    start: usize,
    end: usize,
    /// Places in `plain` that were written as an escape, in order.
    escapes: Vec<usize>,
}

impl Part {
    fn new() -> Self {
        Self { plain: [UNKNOWN; PART], length: CARRY, start: 0, end: 0, escapes: Vec::new() }
    }

    fn plain(&self) -> &[u8] {
        self.plain.get(..self.length).unwrap_or_default()
    }

    /// The place in the JSON of the plain byte at `at`, or of the last byte of its escape.
    fn raw(&self, at: usize) -> usize {
        (self.start + at + self.escapes.partition_point(|escape| *escape <= at)).saturating_sub(CARRY)
    }

    /// Starts anew, as if nothing were in front.
    fn forget(&mut self) {
        self.plain.first_chunk_mut::<CARRY>().into_iter().for_each(|carry| *carry = [UNKNOWN; CARRY]);
        self.length = CARRY;
    }

    /// Keeps the last bytes in front of what comes.
    fn carry(&mut self) {
        let last = self.plain().last_chunk::<CARRY>().copied();
        if let Some((carry, last)) = self.plain.first_chunk_mut().zip(last) {
            *carry = last;
        }
        self.length = CARRY;
    }

    /// Reads what starts at `at`; says where it stopped at text that is veiled.
    fn fill(&mut self, raw: &[u8], at: usize) -> Option<usize> {
        self.escapes.clear();
        // In variables of their own, so that they stay in registers.
        let (mut from, mut to) = (at, self.length);
        let mut veiled = None;
        while let Some(room) = self.plain.get_mut(to..).and_then(<[u8]>::first_chunk_mut::<8>) {
            let (bytes, most) = eight(raw, from);
            *room = plain(bytes).to_le_bytes();
            let special = special(bytes);
            let count = ((special.trailing_zeros() / 8) as usize).min(most);
            (from, to) = (from + count, to + count);
            if special == 0 {
                if most < 8 {
                    break;
                }
                continue;
            }
            let Some(escaped) = escaped(raw, from) else {
                veiled = Some(from);
                break;
            };
            if let Some(place) = self.plain.get_mut(to) {
                *place = escaped;
            }
            self.escapes.push(to);
            (from, to) = (from + 2, to + 1);
        }
        (self.start, self.end, self.length) = (at, from, to);
        veiled
    }
}

/// What the escape at `at` stands for, in plain form; `None` where it is none, or a veiled one.
fn escaped(raw: &[u8], at: usize) -> Option<u8> {
    match raw.get(at..) {
        Some([b'\\', escape, ..]) if *escape != b'u' => Some(unescaped(*escape)),
        _ => None,
    }
}

/// Eight bytes from `at` on, and how many of them there are.
fn eight(raw: &[u8], at: usize) -> (u64, usize) {
    let rest = raw.get(at..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk::<8>() {
        return (u64::from_le_bytes(*bytes), 8);
    }
    let mut bytes = [0; 8];
    let count = bytes.iter_mut().zip(rest).map(|(place, byte)| *place = *byte).count();
    (u64::from_le_bytes(bytes), count)
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Eight bytes in plain form: capitals as small letters, quotes as what no text has. Others than ASCII do not matter.
const fn plain(bytes: u64) -> u64 {
    let low = bytes & !HIGH;
    let is_capital =
        (low + ONES * (0x80 - b'A' as u64)) & !(low + ONES * (0x7f - b'Z' as u64)) & !bytes & HIGH;
    let other = bytes ^ (ONES * b'"' as u64);
    let is_quote = !(((other & !HIGH) + !HIGH) | other) & HIGH;
    bytes ^ (((is_capital | is_quote) >> 7) * CASE as u64)
}

/// The highest bit of the first byte that is a backslash or not ASCII; bits of later bytes say nothing.
const fn special(bytes: u64) -> u64 {
    let other = bytes ^ (ONES * b'\\' as u64);
    (other.wrapping_sub(ONES) & !other | bytes) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_become_plain_at_once() {
        for byte in 0..0x80_u8 {
            for at in 0..8 {
                let mut bytes = *b"aZ\"@[`{ ";
                bytes[at] = byte;
                let expected =
                    bytes.map(|byte| if byte == b'"' { b'"' ^ CASE } else { byte.to_ascii_lowercase() });
                assert_eq!(plain(u64::from_le_bytes(bytes)).to_le_bytes(), expected);
            }
        }
    }

    #[test]
    fn the_first_escape_or_foreign_byte_is_seen() {
        for at in 0..8 {
            for byte in [b'\\', 0x80, 0xff] {
                let mut bytes = [b']'; 8];
                bytes[at..].fill(byte);
                assert_eq!(special(u64::from_le_bytes(bytes)).trailing_zeros() / 8, at as u32);
            }
        }
        assert_eq!(special(u64::from_le_bytes(*b"[]\"{}~\x7f ")), 0);
    }

    #[test]
    fn a_word_is_looked_for_by_its_rarest_bytes_without_blanks_in_between() {
        assert_eq!(rarest::<4>(b"you must execute"), Some((10, *b"xecu")));
        assert_eq!(rarest::<4>(b"as an ai"), Some((2, *b" an ")));
        assert_eq!(rarest::<4>(b"a b c"), None);
        assert_eq!(rarest::<3>(b"a b c"), Some((1, *b" b ")));
        assert_eq!(rarest::<3>(b"a b"), None);
    }
}
