//! Many words at once, faster than an automaton: the last four bytes of every word are in a small bit set, and almost all
//! places of honest text are done with after one look into it.
//!
//! Texts are read in a plain form: small letters, any blanks in a row as one. Words are in the same form.

/// Two to this many bits: few enough for the nearest cache, enough that most of them are not set.
const BITS: u32 = 17;
const CELLS: usize = 1 << (BITS - 5);

/// What was read last, for comparing whole words. A power of two.
const KEPT: usize = 128;
/// Longer words are looked for by their ends.
pub(super) const LONGEST: usize = 96;
/// Shorter words are looked for by their first byte.
pub(super) const SHORT: usize = 3;

/// Marks bytes that need a closer look.
const SPECIAL: u16 = 1 << 8;
/// Stands before a word of three bytes; no text has it.
const ANY: u8 = 0xff;

/// A word in plain form, and what it says.
#[derive(Debug, Clone)]
struct Word<S> {
    text: Vec<u8>,
    says: S,
}

/// Words to look for.
#[derive(Debug, Clone)]
pub(super) struct Grams<S> {
    plain: [u16; 256],
    json: [u16; 256],
    bits: Box<[u32; CELLS]>,
    /// By their last four bytes; open addressing.
    slots: Vec<Slot>,
    words: Vec<Word<S>>,
    short: Vec<Word<S>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    gram: u32,
    from: usize,
    to: usize,
}

/// Is told what a pass over a text finds.
pub(super) trait Sink<S> {
    /// A word; one more than the place of its last byte, where an escape is one byte.
    fn word(&mut self, says: &S, at: usize);

    /// Text that has to be unescaped or folded before it can be read.
    fn veiled(&mut self);

    /// Whether the rest of the text does not matter.
    fn has_enough(&self) -> bool {
        false
    }
}

/// The plain form of a byte.
pub(super) const fn plain(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t'..=b'\r' => b' ',
        _ => byte.to_ascii_lowercase(),
    }
}

/// The plain form of a word.
pub(super) fn plain_word(word: &str) -> Vec<u8> {
    let mut out: Vec<u8> = word.bytes().map(plain).collect();
    out.dedup_by(|next, one| *next == b' ' && *one == b' ');
    out
}

const fn place(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)
}

fn gram_of(word: &[u8]) -> u32 {
    let start = word.len().saturating_sub(4);
    let last = word.get(start..).unwrap_or_default();
    let first = if last.len() < 4 { u32::from(ANY) } else { 0 };
    last.iter().fold(first, |gram, byte| gram << 8 | u32::from(*byte))
}

impl<S> Grams<S> {
    /// `words` in plain form, none of them empty or longer than [`LONGEST`].
    pub(super) fn new(words: impl Iterator<Item = (Vec<u8>, S)>) -> Self {
        let (short, mut words): (Vec<_>, Vec<_>) =
            words.map(|(text, says)| Word { text, says }).partition(|word| word.text.len() < SHORT);
        words.sort_by_key(|word| gram_of(&word.text));
        let slots = vec![Slot::default(); (words.len() * 2).next_power_of_two().max(4)];
        let (plain, json) = tables(&short);
        let mut grams = Self { plain, json, bits: Box::new([0; CELLS]), slots, words, short };
        grams.index();
        grams
    }

    fn index(&mut self) {
        let mut from = 0;
        while let Some(word) = self.words.get(from) {
            let (gram, is_whole) = (gram_of(&word.text), word.text.len() > SHORT);
            let same = self.words.iter().skip(from).take_while(|word| gram_of(&word.text) == gram).count();
            self.put(Slot { gram, from, to: from + same });
            if is_whole {
                self.set(gram);
            } else {
                let small = (0..=u8::MAX).filter(|before| !before.is_ascii_uppercase());
                small.for_each(|before| self.set(gram & 0x00ff_ffff | u32::from(before) << 24));
            }
            from += same;
        }
    }

    fn set(&mut self, gram: u32) {
        let bit = place(gram);
        if let Some(cell) = self.bits.get_mut((bit >> 5) as usize) {
            *cell |= 1 << (bit & 31);
        }
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = place(slot.gram) as usize & mask;
        while let Some(found) = self.slots.get_mut(at) {
            if found.to == 0 {
                *found = slot;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn slot(&self, gram: u32) -> &[Word<S>] {
        let mask = self.slots.len() - 1;
        let mut at = place(gram) as usize & mask;
        // A half of the slots is empty, so that this ends.
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.to > 0) {
            if slot.gram == gram {
                return self.words.get(slot.from..slot.to).unwrap_or_default();
            }
            at = (at + 1) & mask;
        }
        &[]
    }

    fn may_end(&self, gram: u32) -> bool {
        let bit = place(gram);
        self.bits.get((bit >> 5) as usize).is_some_and(|cell| cell >> (bit & 31) & 1 != 0)
    }

    /// Reads plain text.
    pub(super) fn read(&self, text: &str, sink: &mut impl Sink<S>) {
        self.pass::<false>(text.as_bytes(), sink);
    }

    /// Reads the inside of a string of JSON as it is written: escapes of one letter as what they stand for.
    pub(super) fn read_json(&self, raw: &str, sink: &mut impl Sink<S>) {
        self.pass::<true>(raw.as_bytes(), sink);
    }

    // What changes with each byte is in variables of its own, so that it stays in registers.
    fn pass<const JSON: bool>(&self, text: &[u8], sink: &mut impl Sink<S>) {
        let table = if JSON { &self.json } else { &self.plain };
        let mut kept = [0; KEPT];
        let (mut length, mut gram) = (0_usize, 0_u32);
        // `skew`: how many bytes of escapes stand for nothing of their own.
        let (mut raw, mut skew) = (0, 0);
        while let Some(byte) = text.get(raw) {
            let [mut byte, special] =
                table.get(usize::from(*byte)).copied().unwrap_or_default().to_le_bytes();
            if special != 0 && JSON && byte == b'\\' {
                raw += 1;
                skew += 1;
                let escape = text.get(raw).copied().unwrap_or_default();
                if escape == b'u' {
                    sink.veiled();
                }
                byte = unescaped(escape);
            } else if special != 0 {
                self.special::<JSON>(byte, text.get(raw..).unwrap_or_default(), raw - skew, sink);
            }
            raw += 1;
            // A blank behind a blank counts for nothing.
            if byte == b' ' && gram & 0xff == u32::from(b' ') {
                continue;
            }
            if let Some(kept) = kept.get_mut(length % KEPT) {
                *kept = byte;
            }
            length += 1;
            gram = gram << 8 | u32::from(byte);
            if self.may_end(gram) {
                self.words(&Last { kept: &kept, length, gram }, raw - skew, sink);
                if sink.has_enough() {
                    return;
                }
            }
        }
    }

    #[cold]
    fn special<const JSON: bool>(&self, byte: u8, rest: &[u8], at: usize, sink: &mut impl Sink<S>) {
        if JSON && byte >= 0x80 {
            sink.veiled();
        }
        for word in self.short.iter().filter(|word| rest.starts_with(&word.text)) {
            sink.word(&word.says, at + word.text.len());
        }
    }

    #[inline(never)]
    fn words(&self, last: &Last<'_>, at: usize, sink: &mut impl Sink<S>) {
        let three = last.gram & 0x00ff_ffff | u32::from(ANY) << 24;
        let ending = self.slot(last.gram).iter().chain(self.slot(three));
        for word in ending.filter(|word| last.ends_with(&word.text)) {
            sink.word(&word.says, at);
        }
    }
}

/// What was read last.
struct Last<'k> {
    kept: &'k [u8; KEPT],
    length: usize,
    gram: u32,
}

impl Last<'_> {
    /// The byte with `count` bytes behind it; zero before the start.
    fn back(&self, count: usize) -> u8 {
        let at = self.length.wrapping_sub(count + 1) % KEPT;
        self.kept.get(at).copied().unwrap_or_default()
    }

    fn ends_with(&self, word: &[u8]) -> bool {
        word.iter().rev().enumerate().all(|(count, byte)| self.back(count) == *byte)
    }
}

fn tables<S>(short: &[Word<S>]) -> ([u16; 256], [u16; 256]) {
    let special = |byte| short.iter().any(|word| word.text.first() == Some(&byte));
    let entry = |index: usize| {
        let byte = u8::try_from(index).unwrap_or_default();
        u16::from(plain(byte)) | if special(byte) { SPECIAL } else { 0 }
    };
    let plain = std::array::from_fn(entry);
    let json = std::array::from_fn(|index| match index {
        0x5c | 0x80.. => entry(index) | SPECIAL,
        _ => entry(index),
    });
    (plain, json)
}

/// In plain form.
pub(super) const fn unescaped(escape: u8) -> u8 {
    match escape {
        b'n' | b'r' | b't' | b'f' => b' ',
        b'b' => 8,
        other => other,
    }
}
