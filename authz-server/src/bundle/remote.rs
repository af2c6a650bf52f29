//! A bundle at a URL, as OPA's bundle protocol has it: GET, an ETag, and 304 when nothing changed.

use std::path::PathBuf;
use std::time::Duration;

use interdict_policy::{BundleError, MAX_ARCHIVE_BYTES};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, IF_NONE_MATCH};

use crate::config::BundleConfig;
use crate::identity::fetch;
use crate::identity::watched_file::WatchedFile;

/// Largest bearer token file.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;
/// Longest ETag that is sent back.
const MAX_ETAG_BYTES: usize = 1_024;

/// A URL and how to ask it.
#[derive(Debug)]
pub(crate) struct Remote {
    url: url::Url,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) enum Answer {
    NotModified,
    Content { bytes: Vec<u8>, etag: Option<String> },
}

impl Remote {
    pub(crate) fn new(url: &str, config: &BundleConfig) -> Result<Self, BundleError> {
        let url = url::Url::parse(url)
            .map_err(|error| BundleError::new("bundle.url", format!("`bundle.url` is no URL: {error}.")))?;
        Ok(Self {
            url,
            token_file: config.token_file.clone(),
            ca_file: config.ca_file.clone(),
            timeout: Duration::from_secs(config.timeout_seconds),
        })
    }

    pub(crate) fn url(&self) -> &url::Url {
        &self.url
    }

    /// Asks. Blocks: on a thread and runtime of its own, so that it works wherever the caller runs.
    pub(crate) fn get(&self, etag: Option<&str>) -> Result<Answer, BundleError> {
        let unreachable =
            |why: String| BundleError::new("bundle.unreachable", format!("{}: {why}.", self.url));
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| error.to_string())?;
                runtime.block_on(self.ask(etag))
            });
            asking.join().unwrap_or_else(|_| Err("asking panicked".into()))
        });
        asked.map_err(unreachable)
    }

    async fn ask(&self, etag: Option<&str>) -> Result<Answer, String> {
        let client = fetch::client(&self.url, self.ca_file.as_deref(), self.timeout)?;
        let accept = "application/gzip, application/vnd.openpolicyagent.bundles, application/octet-stream";
        let mut request = client.get(self.url.clone()).header(ACCEPT, accept);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(path) = &self.token_file {
            request = request.bearer_auth(token(path)?);
        }
        let mut response = request.send().await.map_err(|error| fetch::innermost(&error))?;
        match response.status() {
            StatusCode::OK => {}
            // Only who named a version can be told that it did not change.
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Answer::NotModified),
            status if status.is_redirection() => {
                return Err(format!("answered {status}; redirects are not followed, name the final URL"));
            }
            status => return Err(format!("answered {status}")),
        }
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG_BYTES).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| fetch::innermost(&error))? {
            if (bytes.len() + chunk.len()) as u64 > MAX_ARCHIVE_BYTES {
                return Err(format!("answered more than {MAX_ARCHIVE_BYTES} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer::Content { bytes, etag })
    }
}

/// Read for every question: a replaced token is in force at once.
fn token(path: &PathBuf) -> Result<String, String> {
    WatchedFile::new(path, MAX_TOKEN_BYTES)
        .read_if_changed()
        .ok()
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("{}: cannot be read as a token", path.display()))
}
