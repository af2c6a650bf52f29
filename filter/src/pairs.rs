//! Header lists as Envoy hands them over: a count, then the sizes of all names and values, then the bytes, each
//! followed by NUL. All numbers are 32-bit little-endian (proxy-wasm ABI 0.2.1).

/// Reads a list. `None` when the bytes are no such list, or a name is not UTF-8.
pub fn decode(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = number(bytes)?;
    let (mut sizes, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_size, after) = number(sizes)?;
        let (value_size, after) = number(after)?;
        sizes = after;
        let (name, after) = text(texts, name_size)?;
        let (value, after) = text(after, value_size)?;
        texts = after;
        pairs.push((String::from_utf8(name.to_vec()).ok()?, value.to_vec()));
    }
    texts.is_empty().then_some(pairs)
}

/// Writes a list. `None` when it is too large for 32-bit sizes.
pub fn encode(pairs: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut bytes = u32::try_from(pairs.len()).ok()?.to_le_bytes().to_vec();
    for (name, value) in pairs {
        bytes.extend(u32::try_from(name.len()).ok()?.to_le_bytes());
        bytes.extend(u32::try_from(value.len()).ok()?.to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    Some(bytes)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn text(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    let (_nul, rest) = rest.split_first()?;
    Some((text, rest))
}
