//! Runs that decode to readable text: base64 in both alphabets, hex, and gzip or zlib inside of them.

mod glued;
mod noise;
pub(crate) mod spread;

use std::ops::Range;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

pub(crate) use self::noise::is_noise;

/// A run that may be encoded: at least this long. Fifteen characters of base64 hold eleven bytes.
pub(crate) const SHORTEST: usize = 15;

/// How gzip starts in base64.
const GZIP: &[u8] = b"H4sI";

/// What became of a run.
pub(crate) enum Decoded {
    /// Readable texts, and the bytes that they were decoded from. One word may be read in several ways.
    Texts(Vec<(String, Range<usize>)>),
    /// It is longer than what may be decoded.
    TooLong,
}

/// Whether the run that starts with the word may be on both sides of `border`.
pub(crate) fn may_cross(text: &str, word: &Range<usize>, border: usize) -> bool {
    let bytes = text.as_bytes();
    let before = bytes.get(..word.start).unwrap_or_default();
    let start = word.start - before.iter().rev().take_while(|byte| is_base64(**byte)).count();
    let spread = spread::hex_bytes(bytes, word.start).unwrap_or(0);
    start < border && border < end_of_run(bytes, word.end).max(spread)
}

type Readable = Option<(String, Range<usize>)>;

/// Decodes what starts with the word at `word` of `text`; at most `room` bytes may come out of it.
pub(crate) fn decode(text: &str, word: Range<usize>, room: usize) -> Decoded {
    attempt(text.as_bytes(), &word, room).map_or(Decoded::TooLong, Decoded::Texts)
}

fn attempt(bytes: &[u8], word: &Range<usize>, room: usize) -> Result<Vec<(String, Range<usize>)>, TooLong> {
    if let Some(run) = spread::hex_bytes(bytes, word.start).map(|end| word.start..end) {
        let found = readable(hex(&spread::digits(part(bytes, &run)), room), run, room)?;
        return Ok(found.into_iter().collect());
    }
    if is_hex(part(bytes, word)) {
        let run = word.start..hex_end(bytes, word.end);
        let found = readable(hex(part(bytes, &run), room), run, room)?;
        if found.is_some() {
            return Ok(found.into_iter().collect());
        }
    }
    let end = end_of_run(bytes, word.end);
    let mut all = Vec::new();
    for start in starts(bytes, word) {
        if let Some(found) = plain_base64(bytes, start..end, room)? {
            all.push(found);
            break;
        }
    }
    glued(bytes, word.start..end, room, &mut all)?;
    Ok(all)
}

/// What stands in the run from its first character on.
fn plain_base64(bytes: &[u8], run: Range<usize>, room: usize) -> Result<Readable, TooLong> {
    let inside = part(bytes, &run);
    if !worth_decoding(inside) {
        return Ok(None);
    }
    readable(base64(inside, room), run, room)
}

/// What begins behind the first character.
fn glued(
    bytes: &[u8],
    run: Range<usize>,
    room: usize,
    all: &mut Vec<(String, Range<usize>)>,
) -> Result<(), TooLong> {
    let inside = part(bytes, &run);
    if let Some(at) = inside.windows(GZIP.len()).skip(1).position(|window| window == GZIP) {
        let packed = run.start + at + 1..run.end;
        all.extend(readable(base64(part(bytes, &packed), room), packed, room)?);
    }
    for (text, place) in glued::in_hex(inside).into_iter().chain(glued::in_base64(inside)) {
        if text.len() > room {
            return Err(TooLong);
        }
        let place = run.start + place.start..run.start + place.end;
        let known = |(known, at): &(String, Range<usize>)| {
            at.start <= place.start && place.end <= at.end && known.contains(&text)
        };
        if !all.iter().any(known) {
            all.push((text, place));
        }
    }
    Ok(())
}

fn part<'b>(bytes: &'b [u8], range: &Range<usize>) -> &'b [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

struct TooLong;

/// Where base64 may start: with the word, or before it where the alphabet has characters that are not of words.
fn starts(bytes: &[u8], word: &Range<usize>) -> impl Iterator<Item = usize> {
    let before = bytes.get(..word.start).unwrap_or_default();
    let more = before.iter().rev().take(4096).take_while(|byte| is_base64(**byte)).count();
    let inner = bytes.get(word.clone()).unwrap_or_default();
    // A word such as `data-aGVsbG8…`.
    let glued = inner.iter().rposition(|byte| matches!(byte, b'-' | b'_')).map(|at| word.start + at + 1);
    let glued = glued.filter(|start| word.end - start >= SHORTEST);
    let extended = (more > 0).then(|| word.start - more);
    [Some(word.start), extended, glued].into_iter().flatten()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The end of a run of base64 that goes on behind a word: padding belongs to it, and line breaks with full lines.
pub(crate) fn end_of_run(bytes: &[u8], mut at: usize) -> usize {
    loop {
        while bytes.get(at).is_some_and(|byte| is_base64(*byte)) {
            at += 1;
        }
        let gap = match bytes.get(at..) {
            Some([b'\n', next, ..]) if is_base64(*next) => 1,
            Some([b'\r', b'\n', next, ..]) if is_base64(*next) => 2,
            _ => break,
        };
        let line = bytes.get(at + gap..).unwrap_or_default();
        let length = line.iter().take(80).take_while(|byte| is_base64(**byte)).count();
        // A last line may be short; then nothing else stands in it.
        let ends = matches!(line.get(length), None | Some(b'\n' | b'\r' | b'=' | b'"'));
        if !ends || length < 4 {
            break;
        }
        at += gap + length;
    }
    let padding =
        bytes.get(at..).unwrap_or_default().iter().take(2).take_while(|byte| **byte == b'=').count();
    at + padding
}

/// Looks at the first bytes: most words that are as long as this decode to noise.
fn worth_decoding(run: &[u8]) -> bool {
    let start = base64(run.get(..run.len().min(344)).unwrap_or_default(), 256);
    is_compressed(&start) || is_wide(&start) || share_of_printable(&start) >= 60
}

/// What a short run of base64 says, readable or not.
pub(crate) fn plain(run: &str) -> Vec<u8> {
    base64(run.as_bytes(), run.len())
}

/// Decodes leniently: both alphabets, line breaks skipped, padding ends it, at most `room` bytes and one more.
fn base64(run: &[u8], room: usize) -> Vec<u8> {
    let mut decoded = Vec::with_capacity((run.len() / 4 * 3 + 3).min(room + 1));
    let (mut bits, mut count) = (0u32, 0);
    for byte in run.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        let Some(value) = sextet(*byte) else { break };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            if decoded.len() > room {
                break;
            }
            decoded.push((bits >> count & 0xff) as u8);
        }
    }
    decoded
}

/// What a character of either alphabet stands for.
fn sextet(byte: u8) -> Option<u8> {
    SEXTETS.get(usize::from(byte)).copied().filter(|value| *value < 64)
}

/// The values of all bytes; 64 where there is none.
const SEXTETS: [u8; 256] = {
    let (mut values, mut byte) = ([64; 256], 0);
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "an index below 256, at compile time")]
        {
            values[byte] = match byte as u8 {
                letter @ b'A'..=b'Z' => letter - b'A',
                letter @ b'a'..=b'z' => letter - b'a' + 26,
                digit @ b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => 64,
            };
        }
        byte += 1;
    }
    values
};

/// Whether a word is hex; one of decimal digits alone may be as well.
pub(crate) fn is_hex(word: &[u8]) -> bool {
    word.len().is_multiple_of(2) && word.iter().all(u8::is_ascii_hexdigit)
}

/// The longest run of hex in a word, if it is long enough: behind `0x`, or between other letters.
// Seldom needed, and would make the pass over every word larger.
#[inline(never)]
pub(crate) fn hex_run(word: &[u8]) -> Option<Range<usize>> {
    let (mut longest, mut start) = (0..0, 0);
    // A run that is long enough reaches over the byte that ends a short one: most of a word is never looked at.
    while let Some(least) = word.get(start..start + SHORTEST.max(longest.len()) + 1) {
        if let Some(other) = least.iter().rposition(|byte| !byte.is_ascii_hexdigit()) {
            start += other + 1;
            continue;
        }
        let behind = word.get(start..).unwrap_or_default();
        let length = behind.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        longest = start..start + length;
        start += length;
    }
    (!longest.is_empty()).then_some(longest)
}

/// Where hex ends that goes on in lines.
fn hex_end(bytes: &[u8], word: usize) -> usize {
    let end = end_of_run(bytes, word);
    let rest = bytes.get(word..end).unwrap_or_default();
    let all = rest.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'\n' | b'\r'));
    if all { end } else { word }
}

/// Decodes hex, line breaks skipped, at most `room` bytes and one more.
fn hex(run: &[u8], room: usize) -> Vec<u8> {
    let mut digits = run.iter().filter_map(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity((run.len() / 2).min(room + 1));
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        if decoded.len() > room {
            break;
        }
        decoded.push((high << 4 | low) as u8);
    }
    decoded
}

fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8]) || matches!(bytes, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
}

/// Whether it is ASCII in UTF-16: every second byte is zero.
fn is_wide(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.as_chunks::<2>();
    let start = pairs.get(..pairs.len().min(16)).unwrap_or_default();
    start.len() >= 6
        && (start.iter().all(|[low, high]| *low != 0 && *high == 0)
            || start.iter().all(|[high, low]| *low != 0 && *high == 0))
}

/// The text in decoded bytes, unpacked if they are packed.
fn readable(decoded: Vec<u8>, run: Range<usize>, room: usize) -> Result<Readable, TooLong> {
    let unpacked = if is_compressed(&decoded) { unpack(&decoded, room)? } else { None };
    let packed = unpacked.is_some();
    let bytes = unpacked.unwrap_or(decoded);
    if bytes.len() > room {
        // What is not readable at its start is a picture or the like: its size and type are all there is to it.
        let start = bytes.get(..room.min(1024)).unwrap_or_default();
        return if packed || share_of_printable(start) >= 90 { Err(TooLong) } else { Ok(None) };
    }
    let bytes = if is_wide(&bytes) { bytes.into_iter().filter(|byte| *byte != 0).collect() } else { bytes };
    if bytes.len() < 4 || share_of_printable(&bytes) < 90 {
        return Ok(None);
    }
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), run)))
}

/// Unpacks gzip (a header of ten bytes and what its flags say) or zlib.
fn unpack(bytes: &[u8], room: usize) -> Result<Option<Vec<u8>>, TooLong> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
    let unpacked = match gzip_body(bytes) {
        Some(body) => decompress_to_vec_with_limit(body, room),
        None => decompress_to_vec_zlib_with_limit(bytes, room),
    };
    match unpacked {
        Ok(unpacked) => Ok(Some(unpacked)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(TooLong),
        // Cut off or damaged: what came out of it until then is readable to others as well.
        Err(error) => Ok(Some(error.output).filter(|output| !output.is_empty())),
    }
}

fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    let flags = *bytes.strip_prefix(&[0x1f, 0x8b, 8])?.first()?;
    let mut body = bytes.get(10..)?;
    if flags & 4 != 0 {
        let length = usize::from(u16::from_le_bytes([*body.first()?, *body.get(1)?]));
        body = body.get(2 + length..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = body.iter().position(|byte| *byte == 0)?;
            body = body.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 { body.get(2..) } else { Some(body) }
}

/// Per cent of the characters that a person could read. Bytes that are no UTF-8 are none of them.
fn share_of_printable(bytes: &[u8]) -> usize {
    let (mut printable, mut total) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            total += 1;
            printable += usize::from(!character.is_control() || matches!(character, '\n' | '\r' | '\t'));
        }
        total += chunk.invalid().len();
    }
    (printable * 100_usize).checked_div(total).unwrap_or(0)
}

#[cfg(test)]
mod tests;
