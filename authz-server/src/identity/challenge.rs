//! How a client learns where to get a token: the 401 challenge (RFC 6750) and the metadata document (RFC 9728).

use super::IdentityError;

/// Where the metadata document lives (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The value of `WWW-Authenticate` for a refusal whose [`IdentityError::is_challenge`] is true.
///
/// `resource` is the canonical URI of the MCP server. There is no `error_description`: what exactly was wrong with a
/// token is for the operator's log, not for whoever sent it.
pub fn challenge_header(resource: &str, error: &IdentityError) -> String {
    let mut value = String::from("Bearer");
    let mut separator = ' ';
    if let Some(code) = error.challenge_error() {
        value.push_str(" error=\"");
        value.push_str(code);
        value.push('"');
        separator = ',';
    }
    if let Some(url) = metadata_url(resource) {
        value.push(separator);
        if separator == ',' {
            value.push(' ');
        }
        value.push_str("resource_metadata=\"");
        value.push_str(&url);
        value.push('"');
    }
    value
}

/// URL of the metadata document of a resource: the well-known path goes between host and path (RFC 9728 section 3.1).
///
/// None when `resource` is not an http(s) URI. A parsed URL holds no quotes, spaces or line breaks.
pub fn metadata_url(resource: &str) -> Option<String> {
    let url = url::Url::parse(resource).ok()?;
    if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let path = if url.path() == "/" { "" } else { url.path() };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{WELL_KNOWN}{path}{query}", url.origin().ascii_serialization()))
}

/// The path of the MCP server whose metadata a request asks for: `/.well-known/oauth-protected-resource/mcp` is about
/// `/mcp`, and the bare well-known path about `/`. None when the request asks for something else.
///
/// `path` may have a query, which is ignored.
pub fn well_known_target(path: &str) -> Option<&str> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match path.strip_prefix(WELL_KNOWN)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// The metadata document (RFC 9728 section 2) as JSON bytes; serve it as `application/json` with status 200.
pub fn resource_metadata(resource: &str, authorization_servers: &[String]) -> Vec<u8> {
    let mut document = serde_json::json!({ "resource": resource, "bearer_methods_supported": ["header"] });
    if let Some(members) = document.as_object_mut()
        && !authorization_servers.is_empty()
    {
        members.insert("authorization_servers".to_owned(), authorization_servers.into());
    }
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_token_is_challenged_without_an_error_code() {
        assert_eq!(
            challenge_header("https://files.example.com/mcp", &IdentityError::TokenMissing),
            "Bearer resource_metadata=\"https://files.example.com/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn a_bad_token_is_challenged_with_invalid_token_and_no_description() {
        assert_eq!(
            challenge_header("http://127.0.0.1:8080/mcp", &IdentityError::SignatureInvalid),
            "Bearer error=\"invalid_token\", \
             resource_metadata=\"http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn a_resource_cannot_smuggle_anything_into_the_challenge_header() {
        let hostile = "https://h.example/\"\r\nset-cookie: a=b\"";
        let value = challenge_header(hostile, &IdentityError::TokenMissing);
        assert_eq!(value.matches('"').count(), 2);
        assert!(http::HeaderValue::from_str(&value).is_ok());
        assert_eq!(challenge_header("not a uri", &IdentityError::TokenMissing), "Bearer");
    }

    #[test]
    fn the_metadata_url_of_a_resource_without_a_path_has_none_either() {
        for resource in ["https://h.example", "https://h.example/"] {
            assert_eq!(
                metadata_url(resource).unwrap(),
                "https://h.example/.well-known/oauth-protected-resource"
            );
        }
    }

    #[test]
    fn the_well_known_path_leads_back_to_the_path_of_the_server() {
        assert_eq!(well_known_target("/.well-known/oauth-protected-resource/mcp"), Some("/mcp"));
        assert_eq!(well_known_target("/.well-known/oauth-protected-resource/a/b?x=1"), Some("/a/b"));
        assert_eq!(well_known_target("/.well-known/oauth-protected-resource"), Some("/"));
        assert_eq!(well_known_target("/.well-known/oauth-protected-resources"), None);
        assert_eq!(well_known_target("/mcp"), None);
    }

    #[test]
    fn the_metadata_document_names_resource_and_authorization_servers() {
        let bytes = resource_metadata("https://h.example/mcp", &["https://login.example".to_owned()]);
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document["resource"], "https://h.example/mcp");
        assert_eq!(document["authorization_servers"], serde_json::json!(["https://login.example"]));
        assert_eq!(document["bearer_methods_supported"], serde_json::json!(["header"]));
    }
}
