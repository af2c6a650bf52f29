//! Reading the file: strict YAML, then the values, then the paths.

use std::path::{Path, PathBuf};

use super::{Config, ListenAddress};

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", .file.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default(), .key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default())]
pub struct ConfigError {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Path of the key, like `listen.grpc.address`; absent when the whole text is unreadable.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigError {
    pub(super) fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: None, key: Some(key.into()), message: message.into() }
    }
}

impl Config {
    /// Reads and validates a file; relative paths in it become relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read, a key that does not exist or stands twice, and a value that
    /// cannot be.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let refuse = |message: String| ConfigError { file: Some(file.to_owned()), key: None, message };
        let text =
            std::fs::read_to_string(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Self::parse(&text, folder).map_err(|error| ConfigError { file: Some(file.to_owned()), ..error })
    }

    /// Reads and validates a text; relative paths in it become relative to `base`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigError> {
        let mut config = read(text)?;
        config.validate()?;
        config.resolve(base);
        Ok(config)
    }

    fn resolve(&mut self, base: &Path) {
        let absolute = |path: &mut PathBuf| {
            if path.is_relative() {
                *path = base.join(&*path);
            }
        };
        if let ListenAddress::Unix(path) = &mut self.listen.grpc.address {
            absolute(path);
        }
        if let Some(tls) = &mut self.listen.grpc.tls {
            absolute(&mut tls.cert);
            absolute(&mut tls.key);
            tls.client_ca.iter_mut().for_each(absolute);
        }
        if let Some(admin) = &mut self.listen.admin {
            absolute(&mut admin.token_file);
        }
        self.identity.resolve_paths(base);
        self.upstream_credentials.iter_mut().for_each(|credential| credential.resolve_paths(base));
        self.bundle.resolve(base);
        self.audit.resolve(base);
        absolute(&mut self.approvals.database);
        self.approvals.request_state_key_file.iter_mut().for_each(absolute);
    }

    fn validate(&self) -> Result<(), ConfigError> {
        within(
            "listen.grpc.max_message_bytes",
            self.listen.grpc.max_message_bytes as u64,
            65_536,
            67_108_864,
        )?;
        within("listen.grpc.drain_seconds", self.listen.grpc.drain_seconds, 0, 300)?;
        if self.listen.grpc.max_message_bytes < self.limits.max_body_bytes.saturating_add(65_536) {
            return Err(ConfigError::at(
                "listen.grpc.max_message_bytes",
                "must leave 65536 bytes for headers beside `limits.max_body_bytes`",
            ));
        }
        self.bundle.validate()?;
        within("limits.max_body_bytes", self.limits.max_body_bytes as u64, 1_024, 16_777_216)?;
        within("limits.max_depth", self.limits.max_depth as u64, 4, 128)?;
        within("limits.max_tokens", self.limits.max_tokens as u64, 100, 1_000_000)?;
        within("decision.timeout_ms", self.decision.timeout_ms, 1, 10_000)?;
        within("decision.memory_bytes", self.decision.memory_bytes, 1_048_576, 4_294_967_296)?;
        within("approvals.hold_seconds", self.approvals.hold_seconds, 0, 25)?;
        within("approvals.ttl_seconds", self.approvals.ttl_seconds, 10, 604_800)?;
        within(
            "approvals.max_pending_per_agent",
            u64::from(self.approvals.max_pending_per_agent),
            1,
            10_000,
        )?;
        within("approvals.keep_days", u64::from(self.approvals.keep_days), 1, 3_650)?;
        self.audit.validate()?;
        if let Some(problem) = self.identity.problems().into_iter().next() {
            return Err(ConfigError::at(problem.path, problem.message));
        }
        if let Some(page) = &self.approvals.page_url {
            check_page_url(page)?;
        }
        Ok(())
    }
}

pub(super) fn within(key: &str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::at(key, format!("is {value}; must be between {least} and {most}")))
}

/// The page is shown to people, so it must be a web address, and it must lead to the one approval.
fn check_page_url(page: &str) -> Result<(), ConfigError> {
    const KEY: &str = "approvals.page_url";
    if page.matches("{id}").count() != 1 {
        return Err(ConfigError::at(KEY, "must contain {id} once, like https://approvals.example/{id}"));
    }
    let url = url::Url::parse(&page.replace("{id}", "0")).map_err(|error| {
        ConfigError::at(KEY, format!("is no URL ({error}); write https://approvals.example/{{id}}"))
    })?;
    match url.scheme() {
        "https" | "http" => Ok(()),
        other => Err(ConfigError::at(KEY, format!("has the scheme `{other}`; must be https (or http)"))),
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
    };
    // An empty file is a document too: all defaults.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Config::default());
    }
    let mut key = None;
    let mut twice = None;
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let path = error.path().to_string();
            if let serde_saphyr::Error::DuplicateMappingKey { key: Some(name), .. } = error.inner() {
                twice = Some(name.clone());
            }
            key = (path != ".").then_some(path);
            error.into_inner()
        })
    });
    read.map_err(|error| match twice {
        // The reader gives up before the path has the key's name.
        Some(name) => {
            let parent = key.as_deref().and_then(|path| path.strip_suffix('?')).unwrap_or_default();
            let place = error.location().map(|at| format!(" (line {})", at.line())).unwrap_or_default();
            ConfigError::at(format!("{parent}{name}"), format!("stands twice; write it once{place}"))
        }
        None => ConfigError { file: None, key, message: plain(&error.to_string()) },
    })
}

/// The parser's words for a number that is none, in words for operators.
fn plain(message: &str) -> String {
    ["invalid u64", "invalid u32", "invalid usize"]
        .iter()
        .fold(message.to_owned(), |text, words| text.replace(words, "must be a whole number, 0 or more"))
}
