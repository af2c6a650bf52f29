//! What one entry of a registry has to be, looked at alone.

use super::AgentIdentity;
use crate::BundleError;

pub(super) fn wrong(code: &'static str, message: impl Into<String>) -> BundleError {
    BundleError::new(code, message)
}

/// Ids, tenants and roles are written into logs, metrics and policies: short, visible, no surprises.
pub(super) fn check_label(what: &str, key: &str, value: &str) -> Result<(), BundleError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if value.is_empty() || value.len() > 128 || !value.bytes().all(allowed) {
        let message =
            format!("`{key}` of a {what} is 1 to 128 letters, digits, `-`, `_` or `.`, and not `{value}`.");
        return Err(wrong("bundle.bad_label", message));
    }
    Ok(())
}

/// A tenant's log is a folder of this name, and `_` begins names of our own.
pub(super) fn check_tenant(what: &str, tenant: &str) -> Result<(), BundleError> {
    check_label(what, "tenant", tenant)?;
    if tenant.starts_with(['_', '.']) {
        let message =
            format!("`tenant` of a {what} begins with a letter, a digit or `-`, and `{tenant}` does not.");
        return Err(wrong("bundle.bad_label", message));
    }
    Ok(())
}

pub(super) fn check_owner(what: &str, id: &str, owner: &str) -> Result<(), BundleError> {
    if owner.trim().is_empty() || owner.len() > 256 || owner.chars().any(char::is_control) {
        let message = format!("`owner` of {what} `{id}` names the person or team that answers for it.");
        return Err(wrong("bundle.no_owner", message));
    }
    Ok(())
}

pub(super) fn check_identity(agent: &str, identity: &AgentIdentity) -> Result<(), BundleError> {
    let fine = match identity {
        AgentIdentity::Token { issuer, subject } => !issuer.is_empty() && !subject.is_empty(),
        // SPIFFE ID: scheme, trust domain, path; no query, fragment, port or user.
        AgentIdentity::Spiffe { spiffe } => spiffe.strip_prefix("spiffe://").is_some_and(|rest| {
            let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
            let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !domain.is_empty()
                && domain.bytes().all(in_domain)
                && path
                    .split('/')
                    .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(in_path))
        }),
    };
    if fine {
        return Ok(());
    }
    let message = format!(
        "An identity of agent `{agent}` is wrong: `issuer` and `subject` are not empty, `spiffe` is \
         `spiffe://trust-domain/path`."
    );
    Err(wrong("bundle.bad_identity", message))
}

/// RFC 8707: an absolute URI without fragment. MCP asks for lower-case scheme and host.
pub(super) fn check_resource(id: &str, resource: &str) -> Result<(), BundleError> {
    let fine = resource.split_once("://").is_some_and(|(scheme, rest)| {
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        matches!(scheme, "https" | "http")
            && !host.is_empty()
            && !host.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'@')
            && resource.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}?".contains(&byte))
    });
    if fine {
        return Ok(());
    }
    let message = format!(
        "`resource` of server `{id}` is the absolute URI that clients call, as `https://files.example/mcp`: lower-case \
         scheme and host, no query, no fragment."
    );
    Err(wrong("bundle.bad_resource", message))
}

pub(super) fn check_image(id: &str, digest: Option<&str>) -> Result<(), BundleError> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = |hex: &str| hex.len() == 64 && hex.bytes().all(is_hex);
    if digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(is_digest)) {
        return Ok(());
    }
    let message = format!("`image_digest` of server `{id}` is `sha256:` and 64 lower-case hex digits.");
    Err(wrong("bundle.bad_image_digest", message))
}

pub(super) fn check_host(id: &str, host: &str) -> Result<(), BundleError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fine = host == "*"
        || v6.is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
        || (!host.is_empty() && host.bytes().all(allowed));
    if fine {
        return Ok(());
    }
    let message = format!(
        "Host `{host}` of server `{id}` is `*` or one lower-case name or address without port (IPv6 in brackets)."
    );
    Err(wrong("bundle.bad_host", message))
}

pub(super) fn check_path(id: &str, path: &str) -> Result<(), BundleError> {
    let fine =
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if fine {
        return Ok(());
    }
    let message =
        format!("Path `{path}` of server `{id}` starts with `/` and has no query, fragment or space.");
    Err(wrong("bundle.bad_path", message))
}
