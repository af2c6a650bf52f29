//! How long the caller waits.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// The `grpc-timeout` of a call: at most eight digits and a unit (gRPC over HTTP/2). Envoy sends it for the timeout
/// of its `grpc_service`. `None` when it is missing or malformed.
pub(super) fn of(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.checked_mul(3_600)?),
        "M" => Duration::from_secs(count.checked_mul(60)?),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_eight_digits_at_most_and_a_unit_and_nothing_else() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            of(&metadata)
        };
        assert_eq!(read("10000m"), Some(Duration::from_secs(10)));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("5n"), Some(Duration::from_nanos(5)));
        for text in ["", "m", "10", "10x", "123456789m", "-1m", "1.5S", " 1S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(of(&MetadataMap::new()), None);
    }
}
