//! Numbers: their grammar and their range.

/// Scans the number at `start` (RFC 8259 section 6) and returns the offset behind it and whether it is an integer
/// literal. `Err` is the offset of a syntax error.
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<(usize, bool), usize> {
    let mut at = start;
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(bytes, at),
        _ => return Err(at),
    }
    let mut integer = true;
    if bytes.get(at) == Some(&b'.') {
        integer = false;
        at = some_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        integer = false;
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = some_digits(bytes, at)?;
    }
    Ok((at, integer))
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

fn some_digits(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let end = digits(bytes, start);
    if end > start { Ok(end) } else { Err(start) }
}

/// Whether every reader gets the same value: RFC 7493 section 2.2.
///
/// An integer literal has to lie within ±(2^53-1). A literal with fraction or exponent has to stay finite as a double
/// and, unless all its digits are zero, different from zero; rounding in between is common to all readers that use
/// doubles and is accepted.
pub(super) fn is_interoperable(token: &str, integer: bool) -> bool {
    const MAX_SAFE: u64 = (1 << 53) - 1;
    if integer {
        let digits = token.strip_prefix('-').unwrap_or(token);
        // Sixteen digits always fit a u64.
        return digits.len() <= 16 && digits.parse::<u64>().is_ok_and(|value| value <= MAX_SAFE);
    }
    let mantissa = token.split(['e', 'E']).next().unwrap_or_default();
    let zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    token.parse::<f64>().is_ok_and(|value| value.is_finite() && (zero || value != 0.0))
}
