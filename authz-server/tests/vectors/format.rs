//! The files of `tests/vectors`; its README says what every key means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One vector: a request, or several steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub name: String,
    #[serde(default)]
    modes: Option<Vec<String>>,
    /// For the end-to-end tests; here everything is in-process.
    #[serde(default, rename = "in_process")]
    _in_process: bool,
    #[serde(default)]
    steps: Vec<Request>,
    #[serde(default)]
    time: Option<jiff::Timestamp>,
    #[serde(default)]
    message: Option<Map<String, Value>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    era: Option<String>,
    #[serde(default)]
    capabilities: Option<Value>,
    #[serde(default)]
    agent: Option<String>,
    #[serde(default)]
    token: Map<String, Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body_state: Option<String>,
    #[serde(default)]
    expect: Option<Expect>,
    #[serde(default)]
    expect_native: Option<Expect>,
}

/// One request, or a person's answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Request {
    pub message: Option<Map<String, Value>>,
    pub body: Option<String>,
    pub body_base64: Option<String>,
    pub era: Option<String>,
    pub capabilities: Option<Value>,
    pub agent: Option<String>,
    pub token: Map<String, Value>,
    pub method: Option<String>,
    pub path: Option<String>,
    pub host: Option<String>,
    pub headers: BTreeMap<String, Value>,
    pub body_state: Option<String>,
    pub carry: Option<Map<String, Value>>,
    pub answer: Option<String>,
    pub expect: Option<Expect>,
    pub expect_native: Option<Expect>,
}

/// What has to become of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    pub verdict: Option<String>,
    pub reason: Option<String>,
    pub status: Option<u16>,
    pub form: Option<String>,
    pub sets: Option<BTreeMap<String, String>>,
    pub removes: Option<Vec<String>>,
    pub arrives_as: Option<usize>,
    pub arrives_like: Option<Vec<String>>,
    pub arrives_without: Option<Vec<String>>,
}

impl Expect {
    /// With the keys of `other` in place of its own.
    pub(crate) fn overlaid(self, other: &Expect) -> Expect {
        let other = other.clone();
        Expect {
            verdict: other.verdict.or(self.verdict),
            reason: other.reason.or(self.reason),
            status: other.status.or(self.status),
            form: other.form.or(self.form),
            sets: other.sets.or(self.sets),
            removes: other.removes.or(self.removes),
            arrives_as: other.arrives_as.or(self.arrives_as),
            arrives_like: other.arrives_like.or(self.arrives_like),
            arrives_without: other.arrives_without.or(self.arrives_without),
        }
    }
}

impl Vector {
    pub(crate) fn is_about(&self, mode: &str) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.iter().any(|named| named == mode))
    }

    pub(crate) fn time(&self) -> Option<jiff::Timestamp> {
        self.time
    }
}

/// The steps of a vector; what the vector itself says holds for each of them that does not say otherwise.
pub(crate) fn steps_of(vector: &Vector) -> Vec<Request> {
    let own = Request {
        message: vector.message.clone(),
        body: vector.body.clone(),
        body_base64: vector.body_base64.clone(),
        era: vector.era.clone(),
        capabilities: vector.capabilities.clone(),
        agent: vector.agent.clone(),
        token: vector.token.clone(),
        method: vector.method.clone(),
        path: vector.path.clone(),
        host: vector.host.clone(),
        headers: vector.headers.clone(),
        body_state: vector.body_state.clone(),
        expect: vector.expect.clone(),
        expect_native: vector.expect_native.clone(),
        carry: None,
        answer: None,
    };
    if vector.steps.is_empty() {
        return vec![own];
    }
    let with = |step: &Request| Request {
        era: step.era.clone().or_else(|| own.era.clone()),
        agent: step.agent.clone().or_else(|| own.agent.clone()),
        path: step.path.clone().or_else(|| own.path.clone()),
        capabilities: step.capabilities.clone().or_else(|| own.capabilities.clone()),
        ..step.clone()
    };
    vector.steps.iter().map(with).collect()
}

/// The folder `tests/vectors` of the project.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

/// All vectors of all files.
pub(crate) fn read_all() -> Vec<Vector> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let vectors: Vec<Vector> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        all.extend(vectors);
    }
    all
}
