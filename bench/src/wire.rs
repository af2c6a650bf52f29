//! An HTTP/1.1 answer while it arrives: with a length, as MCP servers send it, or in chunks, as it comes when Envoy does
//! not know the length.

use std::borrow::Cow;

/// What of an answer is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived<'a> {
    /// Whether the status is 200 and the frame is one that can be read.
    pub(crate) good: bool,
    /// The body as far as it arrived.
    pub(crate) body: Cow<'a, [u8]>,
    /// Whether nothing is to come.
    pub(crate) complete: bool,
}

impl<'a> Arrived<'a> {
    fn bad() -> Self {
        Self { good: false, body: Cow::default(), complete: true }
    }

    fn of(good: bool, body: Cow<'a, [u8]>, complete: bool) -> Self {
        Self { good, body, complete }
    }
}

/// Reads what is there; `None` while the head is not complete.
pub(crate) fn arrived(answer: &[u8]) -> Option<Arrived<'_>> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    let body = rest.get(4..)?;
    let good = head.starts_with(b"HTTP/1.1 200 ");
    let header = |name: &str| {
        head.split(|&b| b == b'\n').find_map(|line| {
            let (found, value) = line.split_at_checked(line.iter().position(|&b| b == b':')?)?;
            found.eq_ignore_ascii_case(name.as_bytes()).then_some(())?;
            std::str::from_utf8(value.get(1..)?).ok().map(str::trim)
        })
    };
    if let Some(length) = header("content-length").and_then(|value| value.parse::<usize>().ok()) {
        return Some(match body.len() {
            is if is > length => Arrived::bad(),
            is => Arrived::of(good, Cow::Borrowed(body), is == length),
        });
    }
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Some(match chunks(body) {
            Some((body, complete)) => Arrived::of(good, Cow::Owned(body), complete),
            None => Arrived::bad(),
        });
    }
    // Neither: nobody knows where it ends.
    Some(Arrived::bad())
}

/// The bytes of the chunks that are there, and whether the last one is; `None` when they cannot be read.
fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let Some(line) = rest.windows(2).position(|w| w == b"\r\n") else { return Some((body, false)) };
        let (size, after) = rest.split_at_checked(line)?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        let after = after.get(2..)?;
        if size == 0 {
            // Envoy sends no trailers here.
            return Some((body, after == b"\r\n"));
        }
        let there = after.get(..size).unwrap_or(after);
        body.extend_from_slice(there);
        match after.get(size..size + 2) {
            Some(b"\r\n") => rest = after.get(size + 2..)?,
            Some(_) => return None,
            None => return Some((body, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n3\r\n 2.\r\n0\r\n\r\n";

    #[test]
    fn chunks_are_put_together_as_they_arrive() {
        for end in 0..CHUNKED.len() {
            let Some(arrived) = arrived(&CHUNKED[..end]) else { continue };
            assert!(arrived.good && !arrived.complete, "after {end} bytes");
            assert!(b"first 2.".starts_with(&arrived.body), "after {end} bytes");
        }
        let whole = arrived(CHUNKED).unwrap();
        assert_eq!((whole.good, &*whole.body, whole.complete), (true, &b"first 2."[..], true));
    }

    #[test]
    fn what_has_no_end_or_a_wrong_one_is_not_read() {
        assert!(!arrived(b"HTTP/1.1 200 OK\r\n\r\nbody").unwrap().good);
        assert!(!arrived(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nbody").unwrap().good);
        assert!(!arrived(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n").unwrap().good);
        assert!(!arrived(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc").unwrap().good);
        assert!(!arrived(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nbody").unwrap().good);
    }
}
