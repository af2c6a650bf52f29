//! The one token of a request (RFC 6750 section 2.1). Tokens in the query string or in a form body are not looked at:
//! both end up in logs.

use bytes::Bytes;

use super::IdentityError;

/// Longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The token of the only `authorization` header.
pub(crate) fn token(headers: &[(String, Bytes)]) -> Result<&str, IdentityError> {
    let mut values = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let (_, value) = values.next().ok_or(IdentityError::TokenMissing)?;
    if values.next().is_some() {
        return Err(IdentityError::TokenRepeated);
    }
    let value = std::str::from_utf8(value).map_err(|_| IdentityError::TokenMalformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(IdentityError::SchemeNotBearer)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(IdentityError::SchemeNotBearer);
    }
    let token = token.trim_start_matches(' ');
    if token.len() > MAX_TOKEN_BYTES {
        return Err(IdentityError::TokenTooLarge);
    }
    // base64url and dots. No comma: joined headers ("Bearer a,Bearer b") are not one token.
    if token.is_empty()
        || !token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err(IdentityError::TokenMalformed);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<String, IdentityError> {
        let headers: Vec<_> = values
            .iter()
            .map(|v| ("authorization".to_owned(), Bytes::copy_from_slice(v.as_bytes())))
            .collect();
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn exactly_one_bearer_token_is_read_and_the_scheme_may_be_written_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(read(&[value]).unwrap(), "a.b.c");
        }
    }

    #[test]
    fn no_header_two_headers_and_joined_headers_are_refused() {
        assert_eq!(read(&[]), Err(IdentityError::TokenMissing));
        assert_eq!(read(&["Bearer a.b.c", "Bearer a.b.c"]), Err(IdentityError::TokenRepeated));
        assert_eq!(read(&["Bearer a.b.c,Bearer d.e.f"]), Err(IdentityError::TokenMalformed));
        assert_eq!(read(&["Bearer a.b.c, Bearer d.e.f"]), Err(IdentityError::TokenMalformed));
    }

    #[test]
    fn other_schemes_and_odd_forms_are_refused() {
        for value in
            ["Basic dXNlcjpwYXNz", "", "Bearer", "a.b.c", "DPoP a.b.c", " Bearer a.b.c", "Bearer\ta.b.c"]
        {
            assert_eq!(read(&[value]), Err(IdentityError::SchemeNotBearer), "{value:?}");
        }
        for value in [
            "Bearer ",
            "Bearer a.b.c ",
            "Bearer a b",
            "Bearer a.b.c\r\nx: y",
            "Bearer ä.b.c",
            "Bearer a.b.c=",
        ] {
            assert_eq!(read(&[value]), Err(IdentityError::TokenMalformed), "{value:?}");
        }
    }

    #[test]
    fn a_token_larger_than_16_kib_is_refused_unread() {
        assert!(read(&[&format!("Bearer {}", "a".repeat(16 * 1024))]).is_ok());
        assert_eq!(
            read(&[&format!("Bearer {}", "a".repeat(16 * 1024 + 1))]),
            Err(IdentityError::TokenTooLarge)
        );
    }
}
