//! Credentials of ours for MCP servers: the agent never holds them, and its own never goes upstream.
//!
//! A credential is a file, looked at once a second at most and read again when it changed, so that rotation (also by a
//! Kubernetes secret, a Vault agent or a rename) needs no restart. A file that is missing, empty, too large or holds
//! anything but one line of visible ASCII denies the request: going upstream without the credential, or with an old
//! one, is never the fallback.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, header};

use crate::identity::config::{ConfigProblem, UpstreamCredentialConfig};
use crate::identity::watched_file::WatchedFile;

/// Largest credential file.
const MAX_BYTES: u64 = 16 * 1024;
/// At most one look at the file in this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Headers that carry the message itself, or that Envoy or MCP give a meaning to.
const RESERVED: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "te",
    "upgrade",
    "x-forwarded-client-cert",
    "last-event-id",
];

/// A configured credential cannot be used now. The answer is a Deny: a request must not go upstream without it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.code())]
pub struct UpstreamCredentialUnavailable;

/// The credentials of all servers.
#[derive(Debug)]
pub struct UpstreamCredentials {
    by_server: HashMap<String, Credential>,
}

struct Credential {
    server: String,
    header: HeaderName,
    /// With its trailing space, or empty.
    prefix: String,
    look_every: Duration,
    state: Mutex<State>,
}

struct State {
    file: WatchedFile,
    looked: Option<Instant>,
    value: Option<HeaderValue>,
}

// === impl UpstreamCredentialUnavailable ===

impl UpstreamCredentialUnavailable {
    /// Stable reason code.
    pub fn code(&self) -> &'static str {
        "internal.upstream_credential_unavailable"
    }
}

// === impl UpstreamCredentials ===

impl UpstreamCredentials {
    /// Checks the configuration. A file that cannot be read yet is logged, and denied when it is needed.
    pub fn start(config: &[UpstreamCredentialConfig]) -> Result<Self, ConfigProblem> {
        Self::looking_every(LOOK_EVERY, config)
    }

    fn looking_every(
        look_every: Duration,
        config: &[UpstreamCredentialConfig],
    ) -> Result<Self, ConfigProblem> {
        let mut by_server = HashMap::new();
        for (index, each) in config.iter().enumerate() {
            let credential = Credential::new(each, look_every).map_err(|(key, message)| {
                ConfigProblem::new(format!("upstream_credentials[{index}].{key}"), message)
            })?;
            let _ = credential.value();
            if by_server.insert(each.server.clone(), credential).is_some() {
                let message = "already has a credential above; a server has one";
                return Err(ConfigProblem::new(format!("upstream_credentials[{index}].server"), message));
            }
        }
        Ok(Self { by_server })
    }

    /// The header to set on requests to this server, replacing what is there; none when no credential is configured
    /// for it. The value is marked sensitive.
    pub fn header_for(
        &self,
        server: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, UpstreamCredentialUnavailable> {
        let Some(credential) = self.by_server.get(server) else { return Ok(None) };
        let value = credential.value().ok_or(UpstreamCredentialUnavailable)?;
        Ok(Some((credential.header.clone(), value)))
    }

    /// The servers that have a credential, so that a start can compare them with the registry.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.by_server.keys().map(String::as_str)
    }
}

// === impl Credential ===

impl Credential {
    fn new(config: &UpstreamCredentialConfig, look_every: Duration) -> Result<Self, (&'static str, String)> {
        let header = HeaderName::from_bytes(config.header.to_ascii_lowercase().as_bytes()).map_err(|_| {
            ("header", "must be a header name such as `authorization` or `x-api-key`".to_owned())
        })?;
        let name = header.as_str();
        if RESERVED.contains(&name) || name.starts_with("mcp-") || name.starts_with("x-envoy-") {
            return Err((
                "header",
                format!("`{name}` has another meaning; use `authorization` or a name of its own"),
            ));
        }
        let bearer = if header == header::AUTHORIZATION { "Bearer" } else { "" };
        let scheme = config.scheme.as_deref().unwrap_or(bearer);
        if !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err((
                "scheme",
                "must be one word such as `Bearer`, or empty for the secret alone".to_owned(),
            ));
        }
        let prefix = if scheme.is_empty() { String::new() } else { format!("{scheme} ") };
        let state = State { file: WatchedFile::new(&config.file, MAX_BYTES), looked: None, value: None };
        Ok(Self { server: config.server.clone(), header, prefix, look_every, state: Mutex::new(state) })
    }

    fn value(&self) -> Option<HeaderValue> {
        // A panic while the lock was held is impossible here; if it happens, the state is still whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|looked| looked.elapsed() >= self.look_every) {
            state.looked = Some(Instant::now());
            self.look(&mut state);
        }
        state.value.clone()
    }

    fn look(&self, state: &mut State) {
        let problem = match state.file.read_if_changed() {
            Ok(None) => return,
            Ok(Some(content)) => {
                state.value = header_value(&self.prefix, &content);
                "is empty or is not one line of visible ASCII".to_owned()
            }
            Err(error) => {
                state.value = None;
                error.to_string()
            }
        };
        if state.value.is_none() {
            let file = state.file.path().display();
            tracing::warn!(server = %self.server, %file, problem, "the upstream credential cannot be used: requests are denied");
        }
    }
}

/// The trailing line break that editors leave is cut off; nothing else is repaired.
fn header_value(prefix: &str, content: &[u8]) -> Option<HeaderValue> {
    let text = std::str::from_utf8(content).ok()?;
    let secret = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text);
    if secret.trim() != secret || secret.is_empty() || !secret.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("{prefix}{secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("server", &self.server)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(file: &Path) -> UpstreamCredentialConfig {
        UpstreamCredentialConfig {
            server: "files".to_owned(),
            header: "authorization".to_owned(),
            scheme: None,
            file: file.to_owned(),
        }
    }

    fn always_looking(config: UpstreamCredentialConfig) -> UpstreamCredentials {
        UpstreamCredentials::looking_every(Duration::ZERO, &[config]).unwrap()
    }

    fn value(credentials: &UpstreamCredentials) -> Result<String, UpstreamCredentialUnavailable> {
        let (_, value) = credentials.header_for("files")?.unwrap();
        Ok(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_secret_is_sent_with_its_scheme_and_marked_sensitive() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        let credentials = always_looking(config(&file));
        let (name, value) = credentials.header_for("files").unwrap().unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer s3cret"));
        assert!(value.is_sensitive());
        assert!(!format!("{credentials:?}").contains("s3cret"));
        assert_eq!(credentials.header_for("other"), Ok(None));

        let own_header = UpstreamCredentialConfig { header: "X-Api-Key".to_owned(), ..config(&file) };
        let (name, value) = always_looking(own_header).header_for("files").unwrap().unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-api-key", "s3cret"));
        let bare = UpstreamCredentialConfig { scheme: Some(String::new()), ..config(&file) };
        assert_eq!(self::value(&always_looking(bare)).unwrap(), "s3cret");
    }

    #[test]
    fn a_rotated_secret_is_used_without_a_restart_however_it_was_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "one").unwrap();
        let credentials = always_looking(config(&file));
        assert_eq!(value(&credentials).unwrap(), "Bearer one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(value(&credentials).unwrap(), "Bearer two");
        std::fs::write(dir.path().join("new"), "six").unwrap();
        std::fs::rename(dir.path().join("new"), &file).unwrap();
        assert_eq!(value(&credentials).unwrap(), "Bearer six");
    }

    #[test]
    fn a_kubernetes_secret_volume_that_swaps_its_link_is_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (version, secret) in [("..v1", "one"), ("..v2", "two")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("token"), secret).unwrap();
        }
        std::os::unix::fs::symlink("..v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/token", at("token")).unwrap();
        let credentials = always_looking(config(&at("token")));
        assert_eq!(value(&credentials).unwrap(), "Bearer one");
        std::os::unix::fs::symlink("..v2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(value(&credentials).unwrap(), "Bearer two");
    }

    #[test]
    fn a_missing_empty_oversized_or_many_lined_secret_denies_and_never_falls_back_to_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let credentials = always_looking(config(&file));
        assert_eq!(value(&credentials), Err(UpstreamCredentialUnavailable));
        let oversized = "a".repeat(16 * 1024 + 1);
        for bad in ["", "\n", " ", "a\nb", "a\r\nx-admin: yes", "a\r", " a", "a\n\n", "ä", "a\0", &oversized]
        {
            std::fs::write(&file, "good").unwrap();
            assert_eq!(value(&credentials).unwrap(), "Bearer good");
            std::fs::write(&file, bad).unwrap();
            assert_eq!(value(&credentials), Err(UpstreamCredentialUnavailable), "{:?}", bad.get(..20));
        }
        std::fs::write(&file, "good").unwrap();
        assert!(value(&credentials).is_ok());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(value(&credentials), Err(UpstreamCredentialUnavailable));
        assert_eq!(UpstreamCredentialUnavailable.code(), "internal.upstream_credential_unavailable");
    }

    #[test]
    fn a_header_with_another_meaning_is_refused_at_the_start() {
        let file = Path::new("none");
        for header in
            ["Host", "content-length", "mcp-session-id", "x-envoy-original-path", "two words", ":path", ""]
        {
            let config = UpstreamCredentialConfig { header: header.to_owned(), ..config(file) };
            let problem = UpstreamCredentials::start(&[config]).unwrap_err();
            assert_eq!(problem.path, "upstream_credentials[0].header", "{header}");
        }
        let twice = UpstreamCredentials::start(&[config(file), config(file)]).unwrap_err();
        assert_eq!(twice.path, "upstream_credentials[1].server");
        let scheme = UpstreamCredentialConfig { scheme: Some("a b".to_owned()), ..config(file) };
        assert_eq!(UpstreamCredentials::start(&[scheme]).unwrap_err().path, "upstream_credentials[0].scheme");
    }
}
