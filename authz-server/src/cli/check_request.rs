//! The file that `interdict check` reads: one HTTP request as an enforcement point would see it.

use std::path::{Path, PathBuf};

use axum::body::Bytes;
use interdict_proto::enforcement::EnforcerKind;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Failure;
use crate::request::{BodyState, Enforcer, Http, Peer, Request};

/// The file, every key optional but `path`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestFile {
    #[serde(default = "post")]
    method: String,
    path: String,
    #[serde(default = "localhost")]
    host: String,
    #[serde(default = "https")]
    scheme: String,
    #[serde(default)]
    headers: Headers,
    /// A string is sent as it is; anything else is sent as the JSON text that stands in the file.
    #[serde(default)]
    body: Option<Box<RawValue>>,
    #[serde(default)]
    body_file: Option<PathBuf>,
    #[serde(default)]
    enforcer: EnforcerFile,
    #[serde(default)]
    peer: PeerFile,
    #[serde(default)]
    server: Option<String>,
    #[serde(default)]
    route: Option<String>,
    /// The time of the decision; absent = now.
    #[serde(default)]
    pub(super) time: Option<Timestamp>,
}

/// `{"name": "value"}`, or `[["name", "value"], …]` where a name must stand twice.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Headers {
    Map(std::collections::BTreeMap<String, String>),
    List(Vec<(String, String)>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EnforcerFile {
    kind: EnforcerKind,
    version: String,
    /// Digests of the content profiles that it holds; `null`: it does not look into responses.
    profiles: Option<Vec<String>>,
}

impl Default for EnforcerFile {
    fn default() -> Self {
        Self {
            kind: EnforcerKind::Call,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profiles: Some(Vec::new()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PeerFile {
    address: String,
    principal: Option<String>,
    /// URL-encoded PEM, as Envoy sends it.
    certificate: Option<String>,
    /// A PEM file, encoded here.
    certificate_file: Option<PathBuf>,
}

fn post() -> String {
    "POST".to_owned()
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn https() -> String {
    "https".to_owned()
}

/// Reads the file; `-` is standard input. Paths in it are relative to its folder.
pub(super) fn load(file: &Path) -> Result<RequestFile, Failure> {
    let wrong = |message: String| Failure::usage(format!("{}: {message}", file.display()));
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    let mut request: RequestFile =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| match error.path().to_string() {
            path if path == "." => wrong(error.inner().to_string()),
            path => wrong(format!("`{path}`: {}", error.inner())),
        })?;
    reader.end().map_err(|error| wrong(error.to_string()))?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    for path in [&mut request.body_file, &mut request.peer.certificate_file].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    Ok(request)
}

impl RequestFile {
    /// The request that the decision sees.
    pub(super) fn into_request(self) -> Result<Request, Failure> {
        let body = match (self.body, self.body_file) {
            (Some(_), Some(_)) => return Err(Failure::usage("`body` and `body_file` cannot stand together")),
            (Some(inline), None) => inline_body(&inline)?,
            (None, Some(file)) => Bytes::from(read(&file)?),
            (None, None) => Bytes::new(),
        };
        let certificate = match (self.peer.certificate, self.peer.certificate_file) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "`peer.certificate` and `peer.certificate_file` cannot stand together",
                ));
            }
            (Some(encoded), None) => Some(encoded),
            (None, Some(file)) => Some(percent_encode(&read(&file)?)),
            (None, None) => None,
        };
        let headers = match self.headers {
            Headers::Map(map) => map.into_iter().collect(),
            Headers::List(list) => list,
        };
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), Bytes::from(value)))
            .collect();
        Ok(Request {
            enforcer: Enforcer {
                kind: self.enforcer.kind,
                version: self.enforcer.version,
                reports_outcomes: false,
                profiles: self.enforcer.profiles,
            },
            id: "check".to_owned(),
            http: Http {
                method: self.method,
                path: self.path,
                host: self.host,
                scheme: self.scheme,
                headers,
                body: BodyState::Raw(body),
            },
            peer: Peer { address: self.peer.address, principal: self.peer.principal, certificate },
            server_hint: self.server,
            route: self.route,
            deadline: None,
        })
    }
}

fn inline_body(raw: &RawValue) -> Result<Bytes, Failure> {
    let text = raw.get();
    if !text.starts_with('"') {
        return Ok(Bytes::from(text.to_owned()));
    }
    let body: String =
        serde_json::from_str(text).map_err(|error| Failure::usage(format!("`body`: {error}")))?;
    Ok(Bytes::from(body))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", file.display())))
}

/// Everything but unreserved characters (RFC 3986 section 2.3) as `%XX`, which is how Envoy encodes PEM.
fn percent_encode(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
