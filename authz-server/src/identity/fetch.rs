//! Where JWK Sets are read from: a file, or an HTTP server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::{JwksConfig, is_loopback};
use super::jwks;
use super::watched_file::WatchedFile;

/// A fetch that takes longer has failed. Requests with an unknown `kid` wait for it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Largest bearer token file.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

/// Where a JWK Set comes from.
#[derive(Debug)]
pub(crate) enum Source {
    File(WatchedFile),
    Url(Box<Remote>),
}

#[derive(Debug)]
pub(crate) struct Remote {
    client: reqwest::Client,
    url: url::Url,
    bearer_token_file: Option<PathBuf>,
}

/// What a read found.
#[derive(Debug)]
pub(crate) enum Fetch {
    Unchanged,
    Content(Vec<u8>),
}

// === impl Source ===

impl Source {
    /// Builds the client; reads nothing but the file of trusted authorities.
    pub(crate) fn new(config: &JwksConfig) -> Result<Self, String> {
        if let Some(path) = &config.file {
            return Ok(Self::file(path));
        }
        let url = config.url.as_deref().unwrap_or_default();
        let url = url::Url::parse(url).map_err(|error| error.to_string())?;
        let client = client(&url, config.ca_file.as_deref(), TIMEOUT)?;
        Ok(Self::Url(Box::new(Remote { client, url, bearer_token_file: config.bearer_token_file.clone() })))
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::File(WatchedFile::new(path, jwks::MAX_BYTES as u64))
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads the set. The error is for the log and holds no secret.
    pub(crate) async fn read(&mut self) -> Result<Fetch, String> {
        match self {
            // A small local file: the blocking read is shorter than handing it to another thread.
            Self::File(file) => match file.read_if_changed() {
                Ok(Some(content)) => Ok(Fetch::Content(content)),
                Ok(None) => Ok(Fetch::Unchanged),
                Err(error) => Err(format!("{}: {error}", file.path().display())),
            },
            Self::Url(remote) => remote.get().await.map(Fetch::Content),
        }
    }

    /// What was read was no good: do not take the same file as unchanged next time.
    pub(crate) fn forget(&mut self) {
        if let Self::File(file) = self {
            *file = WatchedFile::new(file.path(), jwks::MAX_BYTES as u64);
        }
    }
}

// === impl Remote ===

impl Remote {
    async fn get(&self) -> Result<Vec<u8>, String> {
        let mut request = self.client.get(self.url.clone()).header("accept", "application/json");
        if let Some(path) = &self.bearer_token_file {
            let token = WatchedFile::new(path, MAX_TOKEN_BYTES)
                .read_if_changed()
                .ok()
                .flatten()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| format!("{}: cannot be read as a token", path.display()))?;
            request = request.bearer_auth(token.trim());
        }
        let mut response = request.send().await.map_err(|error| innermost(&error))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{} answered {}", self.url, response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| innermost(&error))? {
            if body.len() + chunk.len() > jwks::MAX_BYTES {
                return Err(format!("{} answered more than {} bytes", self.url, jwks::MAX_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A client for this one URL, which is `https`, or `http` on a loopback address. It follows no redirect: who is asked, and
/// who sees a token, is what the configuration says.
pub(crate) fn client(
    url: &url::Url,
    ca_file: Option<&Path>,
    timeout: Duration,
) -> Result<reqwest::Client, String> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("interdict/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIMEOUT.min(timeout))
        .timeout(timeout);
    if is_loopback(url) {
        client = client.no_proxy();
    }
    if url.scheme() == "http" {
        // Configuration allows it on loopback only. No authority is needed, so none is looked for.
        client = client.tls_certs_only([]);
    } else {
        client = client.https_only(true);
    }
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if authorities.is_empty() {
            return Err(format!("{}: holds no PEM certificate", path.display()));
        }
        client = client.tls_certs_only(authorities);
    }
    client.build().map_err(|error| error.to_string())
}

/// reqwest's own message says only that sending failed; the last cause says why.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    format!("{error}: {cause}")
}
