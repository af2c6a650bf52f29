//! On what and with what was measured. Paths of the machine stay out of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// Goes into `summary.json` as it is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Environment {
    date: String,
    command: String,
    git_commit: String,
    /// Whether tracked files differed from that commit.
    git_dirty: bool,
    envoy: String,
    interdict: Option<String>,
    wasm_bytes: Option<u64>,
    cores: usize,
    cpu: String,
    kernel: String,
    envoy_concurrency: usize,
    load_average_before: String,
}

impl Environment {
    pub(crate) fn read(envoy: &Path, interdict: &Path, wasm: &Path, concurrency: usize) -> Self {
        let commit = output("git", &["rev-parse", "HEAD"]);
        let changed =
            output("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results"]);
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: std::env::args().map(without_folder).collect::<Vec<_>>().join(" "),
            git_dirty: changed.as_deref() != Some(""),
            git_commit: commit.unwrap_or_else(|| "unknown".to_owned()),
            envoy: output(envoy, &["--version"])
                .map_or_else(|| "unknown".to_owned(), |text| short_version(&text)),
            interdict: output(interdict, &["version"])
                .and_then(|text| text.lines().next().map(str::to_owned)),
            wasm_bytes: std::fs::metadata(wasm).ok().map(|metadata| metadata.len()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: cpu_model(),
            kernel: read("/proc/sys/kernel/osrelease"),
            envoy_concurrency: concurrency,
            load_average_before: read("/proc/loadavg"),
        }
    }

    /// One line for the readable report.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores ({}), Linux {}, Envoy {}, {} worker(s) each, commit {}{}, {}",
            self.cores,
            self.cpu,
            self.kernel,
            self.envoy,
            self.envoy_concurrency,
            self.git_commit.get(..12).unwrap_or(&self.git_commit),
            if self.git_dirty { " with changes" } else { "" },
            self.date
        )
    }
}

/// Keeps relative paths, and of an absolute one the last part.
fn without_folder(argument: String) -> String {
    if !argument.starts_with('/') {
        return argument;
    }
    Path::new(&argument).file_name().map_or(argument.clone(), |name| name.to_string_lossy().into_owned())
}

/// `.../envoy  version: <hash>/1.40.0/Clean/RELEASE/BoringSSL` becomes `1.40.0 (<hash>)`.
fn short_version(text: &str) -> String {
    let mut parts = text.rsplit("version:").next().unwrap_or(text).trim().split('/');
    let hash = parts.next().unwrap_or_default();
    format!("{} ({})", parts.next().unwrap_or("unknown"), hash.get(..12).unwrap_or(hash))
}

fn cpu_model() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim()).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
