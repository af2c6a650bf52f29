//! Scanning alone: in this process, and as WebAssembly in node, whose V8 is also Envoy's runtime.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use interdict_bench_scan::{Speed, measure as native};
use serde::Serialize;

use crate::answer::{Answer, records};
use crate::error::{Context, Failure, Result};
use crate::stats::Spread;

/// Runs a WebAssembly program under WASI: its path, then its arguments.
const RUNNER: &str = "const { WASI } = require('node:wasi'); const [path, ...args] = process.argv.slice(1); \
    const wasi = new WASI({ version: 'preview1', args: ['scan', ...args] }); \
    WebAssembly.instantiate(require('node:fs').readFileSync(path), wasi.getImportObject()) \
    .then(({ instance }) => wasi.start(instance));";

/// Part, and millions of bytes per second.
pub(super) type Speeds = BTreeMap<String, Spread>;

/// Speeds of the documents.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// By the document.
    pub(super) native: BTreeMap<&'static str, Speeds>,
    /// Absent when there is no node, or no program.
    pub(super) wasm: Option<BTreeMap<&'static str, Speeds>>,
    /// Why there are no numbers of WebAssembly.
    pub(super) wasm_left_out: Option<String>,
    /// With what WebAssembly was run.
    pub(super) node: Option<String>,
}

fn documents() -> [(&'static str, Vec<u8>); 2] {
    [("10KB", Answer::Clean.body().bytes), ("1MB", records(1 << 20, false).into_bytes())]
}

pub(super) fn measure(time: Duration, program: &Path) -> Result<Found> {
    let node = version();
    let left_out = match &node {
        None => Some("node is not installed".to_owned()),
        Some(_) if !program.is_file() => Some(format!("{} was not built", program.display())),
        Some(_) => None,
    };
    let (mut own, mut wasm) = (BTreeMap::new(), BTreeMap::new());
    for (name, json) in documents() {
        own.insert(name, speeds(native(&json, time).map_err(Failure::new)?));
        if left_out.is_none() {
            wasm.insert(name, speeds(in_node(program, &json, time)?));
        }
    }
    Ok(Found { native: own, wasm: left_out.is_none().then_some(wasm), wasm_left_out: left_out, node })
}

fn speeds(found: Vec<Speed>) -> Speeds {
    found.into_iter().map(|speed| (speed.part, Spread::of(speed.mb_per_s))).collect()
}

fn version() -> Option<String> {
    let output = Command::new("node").arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn in_node(program: &Path, json: &[u8], time: Duration) -> Result<Vec<Speed>> {
    let folder = tempfile::tempdir().context("create a folder")?;
    let path = folder.path().join("document.json");
    std::fs::write(&path, json).context("write a document")?;
    let mut node = Command::new("node");
    node.args(["--no-warnings", "-e", RUNNER, "--"]).arg(program).arg(time.as_millis().to_string());
    let output = node.stdin(File::open(&path).context("open a document")?).stderr(Stdio::piped()).output();
    let output = output.context("run node")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("node ended with {}: {said}", output.status)));
    }
    serde_json::from_slice(&output.stdout).context("read what the program says")
}
