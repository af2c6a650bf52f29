//! Values of the operator's own, known only by their keyed hashes.
//!
//! The normal form of a value is its letters and digits after NFKC, in lower case: `EMP-00123`, `emp 00123` and
//! `ＥＭＰ00123` are the same. In a text, every run of up to [`ATOMS`] groups of letters and digits is looked up, as long
//! as it holds no more words than the set's longest value. A Bloom filter over a cheap keyed hash goes before the
//! HMAC; a set without one gets [`BUDGET`] HMACs per text.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;

use super::hit::{Certainty, Found, Hit, nothing};
use super::text::Text;
use crate::profile::ExactSet;

/// Most groups of letters and digits that one value can be written in.
pub const ATOMS: usize = 16;
/// Shortest and longest value, in bytes of its normal form.
pub const SHORTEST: usize = 4;
/// See [`SHORTEST`].
pub const LONGEST: usize = 256;
/// Most values of a set.
pub const VALUES: usize = 1_000_000;
/// Most HMACs for one text.
const BUDGET: usize = 20_000;
/// Bits of the filter per value, and bits that a value sets.
const BITS: usize = 32;
const PROBES: u32 = 4;

/// The normal form: what is hashed.
#[must_use]
pub fn normal_form(value: &str) -> String {
    value.nfkc().flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect()
}

/// Makes a set from an operator's values. Values whose normal form is shorter than [`SHORTEST`] or longer than
/// [`LONGEST`] bytes, or that have more than four words, are left out; their number is told.
#[must_use]
pub fn build<'v>(
    class: &str,
    key: &[u8; 32],
    values: impl IntoIterator<Item = &'v str>,
) -> (ExactSet, usize) {
    let (mut normal, mut words, mut left_out) = (Vec::new(), 1, 0);
    for value in values {
        let form = normal_form(value);
        let count = value.split_whitespace().count();
        if (SHORTEST..=LONGEST).contains(&form.len()) && count <= 4 && atoms(value).count() <= ATOMS {
            // `EMP-00123` may be written with a space.
            words = words.max(count).max(atoms(value).count().min(4));
            normal.push(form);
        } else {
            left_out += 1;
        }
    }
    normal.sort_unstable();
    normal.dedup();
    let mut hashes: Vec<[u8; 8]> = normal.iter().map(|form| hash(key, form)).collect();
    hashes.sort_unstable();
    let mut bloom = vec![0u8; bloom_size(normal.len())];
    let seed = seed(key);
    for form in &normal {
        for bit in probes(cheap(seed, form), bloom.len()) {
            if let Some(byte) = bloom.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    let set = ExactSet {
        class: class.to_owned(),
        key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
        hashes: STANDARD.encode(hashes.concat()),
        words: u8::try_from(words).unwrap_or(4),
        bloom: Some(STANDARD.encode(bloom)),
    };
    (set, left_out)
}

/// A power of two, so that a mask chooses a bit.
fn bloom_size(values: usize) -> usize {
    (values.max(1) * BITS / 8).next_power_of_two()
}

/// A set that is ready to be looked up in. Its `Debug` form leaves the key out.
pub(crate) struct Exact {
    class: usize,
    key: [u8; 32],
    seed: u64,
    hashes: Vec<[u8; 8]>,
    bloom: Option<Vec<u8>>,
    words: usize,
}

impl std::fmt::Debug for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exact({} values)", self.hashes.len())
    }
}

impl Exact {
    /// Reads a set. `None` if it is not one.
    pub(crate) fn new(set: &ExactSet, class: usize) -> Option<Self> {
        let key = key(&set.key)?;
        let bytes = STANDARD.decode(&set.hashes).ok()?;
        let (hashes, rest) = bytes.as_chunks::<8>();
        let bloom = set.bloom.as_ref().map(|bloom| STANDARD.decode(bloom)).transpose().ok()?;
        let fits = rest.is_empty()
            && hashes.is_sorted()
            && hashes.len() <= VALUES
            && (1..=4).contains(&set.words)
            && bloom.as_ref().is_none_or(|bloom| bloom.len() == bloom_size(hashes.len()));
        fits.then(|| Self {
            class,
            seed: seed(&key),
            key,
            hashes: hashes.to_vec(),
            bloom,
            words: usize::from(set.words),
        })
    }

    /// Looks for its values.
    pub(crate) fn find(&self, text: &Text<'_>, found: &mut Found) {
        let mut budget = BUDGET;
        let atoms: Vec<Atom> = atoms(text.text).map(|range| Atom::new(text, range)).collect();
        for start in 0..atoms.len() {
            let mut end = None;
            let (mut words, mut state, mut length) = (0, self.seed, 0);
            for (at, atom) in atoms.iter().enumerate().skip(start).take(ATOMS) {
                words += usize::from(at == start || atom.after_space);
                length += atom.form.len();
                if words > self.words || length > LONGEST {
                    break;
                }
                state = atom.form.bytes().fold(state, mix);
                if length >= SHORTEST && self.may_have(state) {
                    let Some(left) = budget.checked_sub(1) else {
                        found.incomplete = true;
                        return;
                    };
                    budget = left;
                    let form: String =
                        atoms.get(start..=at).unwrap_or_default().iter().map(|a| a.form.as_str()).collect();
                    if self.hashes.binary_search(&hash(&self.key, &form)).is_ok() {
                        end = Some((atom.range.end, form));
                    }
                }
            }
            if let (Some((end, value)), Some(first)) = (end, atoms.get(start)) {
                let range = first.range.start..end;
                found.push(Hit {
                    class: self.class,
                    range,
                    value,
                    facet: nothing(),
                    certainty: Certainty::Named,
                });
            }
        }
    }

    fn may_have(&self, state: u64) -> bool {
        self.bloom.as_ref().is_none_or(|bloom| {
            probes(finish(state), bloom.len())
                .all(|bit| bloom.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1))
        })
    }
}

/// A group of letters and digits in a text.
struct Atom {
    range: Range<usize>,
    form: String,
    after_space: bool,
}

impl Atom {
    fn new(text: &Text<'_>, range: Range<usize>) -> Self {
        let inside = text.slice(range.clone());
        let form = if inside.is_ascii() { inside.to_ascii_lowercase() } else { normal_form(inside) };
        // The first of a word: what is before it, up to the last atom, holds a space.
        let gap =
            text.slice(0..range.start).chars().rev().take_while(|character| !character.is_alphanumeric());
        let after_space = gap.take(8).any(char::is_whitespace);
        Self { range, form, after_space }
    }
}

/// Groups of letters and digits.
fn atoms(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(char::is_alphanumeric)?;
        let inside = text.get(start..)?;
        let end =
            inside.find(|character: char| !character.is_alphanumeric()).map_or(text.len(), |end| start + end);
        at = end;
        Some(start..end)
    })
}

fn key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != key.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(key)
}

/// The first 8 bytes of the HMAC.
fn hash(key: &[u8; 32], form: &str) -> [u8; 8] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 8] };
    mac.update(form.as_bytes());
    let code = mac.finalize().into_bytes();
    code.first_chunk::<8>().copied().unwrap_or_default()
}

/// Where the cheap hash starts: taken from the key, so that nobody without it can choose texts that collide.
fn seed(key: &[u8; 32]) -> u64 {
    u64::from_le_bytes(hash(key, "interdict/exact/bloom"))
}

/// The cheap hash can go on from where it stopped; texts of several atoms need no second look at the first.
fn mix(state: u64, byte: u8) -> u64 {
    (state ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

fn finish(state: u64) -> u64 {
    let mixed = (state ^ state >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 29
}

fn cheap(seed: u64, form: &str) -> u64 {
    finish(form.bytes().fold(seed, mix))
}

/// The bits that a hash sets in a filter of so many bytes.
fn probes(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let mask = (bytes * 8).saturating_sub(1) as u64;
    let step = hash >> 32 | 1;
    (0..PROBES).map(move |probe| (hash.wrapping_add(step.wrapping_mul(u64::from(probe))) & mask) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str], text: &str, with_bloom: bool) -> Vec<Range<usize>> {
        let (mut set, _) = build("staff", &[7; 32], values.iter().copied());
        if !with_bloom {
            set.bloom = None;
        }
        let exact = Exact::new(&set, 0).unwrap();
        let mut found = Found::default();
        exact.find(&Text { text, name: "", number: false }, &mut found);
        found.hits.into_iter().map(|hit| hit.range).collect()
    }

    #[test]
    fn a_value_is_found_however_it_is_separated() {
        for text in ["EMP-00123", "emp 00123", "id=EMP00123;", "(emp_00123)", "ＥＭＰ-00123"] {
            for with_bloom in [true, false] {
                assert_eq!(found(&["EMP-00123"], text, with_bloom).len(), 1, "{text}");
            }
        }
        assert_eq!(found(&["Jan de Vries"], "ask jan  de vries about it", true), vec![4..17]);
        assert_eq!(found(&["a.user@example.org"], "mail a.user@example.org now", true), vec![5..23]);
    }

    #[test]
    fn what_is_not_in_the_set_is_not_found() {
        for text in ["EMP-00124", "XEMP-00123", "EMP-001234", "jan de", ""] {
            assert!(found(&["EMP-00123", "Jan de Vries"], text, true).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_set_that_is_none_is_refused() {
        let (good, left_out) = build("c", &[1; 32], ["abc", "one two three four five", "abcd"]);
        assert_eq!(left_out, 2);
        assert!(Exact::new(&good, 0).is_some());
        for bad in [
            ExactSet { key: "00".into(), ..good.clone() },
            ExactSet { hashes: "AAAA".into(), ..good.clone() },
            ExactSet { words: 5, ..good.clone() },
            ExactSet { bloom: Some("AAA=".into()), ..good.clone() },
        ] {
            assert!(Exact::new(&bad, 0).is_none());
        }
    }
}
