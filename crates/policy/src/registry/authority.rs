//! The name by which a request calls a server.

/// `host` or `host:port`, without user information; names, IPv4 and bracketed IPv6 addresses.
pub(super) fn is_authority(text: &str) -> bool {
    let name = host_without_port(text);
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    let port = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    fits && (text == name || port.is_some_and(|port| port.parse::<u16>().is_ok()))
}

/// `host[:port]` or `[v6][:port]` without the port.
pub(super) fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
