//! Files with secrets that others on this machine can read.
//!
//! A warning and not a refusal: secrets that Kubernetes mounts are often 0644 or 0440 and owned by root, in a file system
//! that only this pod sees; there the mode says nothing.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// A file that group or others may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Key of the configuration.
    pub key: String,
    /// The file.
    pub file: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, file, mode) = (&self.key, self.file.display(), self.mode);
        write!(
            f,
            "{key}: {file}: others on this machine can read this secret (mode {mode:04o}); `chmod 600 {file}`, unless \
             it is a mounted secret"
        )
    }
}

/// Every file of the configuration that holds a secret and is not private. Files that cannot be looked at are left
/// out; whoever needs them says so.
pub fn exposed_secrets(config: &Config) -> Vec<Exposed> {
    let mut secrets: Vec<(String, &Path)> = Vec::new();
    if let Some(admin) = &config.listen.admin {
        secrets.push(("listen.admin.token_file".to_owned(), &admin.token_file));
    }
    if let Some(tls) = &config.listen.grpc.tls {
        secrets.push(("listen.grpc.tls.key".to_owned(), &tls.key));
    }
    if let Some(file) = &config.bundle.token_file {
        secrets.push(("bundle.token_file".to_owned(), file));
    }
    if let Some(file) = &config.approvals.request_state_key_file {
        secrets.push(("approvals.request_state_key_file".to_owned(), file));
    }
    if let Some(file) = &config.audit.signing_key_file {
        secrets.push(("audit.signing_key_file".to_owned(), file));
    }
    for (index, credential) in config.upstream_credentials.iter().enumerate() {
        secrets.push((format!("upstream_credentials[{index}].file"), &credential.file));
    }
    secrets.into_iter().filter_map(|(key, file)| look(key, file)).collect()
}

fn look(key: String, file: &Path) -> Option<Exposed> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| Exposed { key, file: file.to_owned(), mode })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_named_with_its_key_and_the_remedy_and_a_private_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("t", 0o644), ("k", 0o600), ("r", 0o640), ("u", 0o604)] {
            let file = folder.path().join(name);
            std::fs::write(&file, "secret").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let text = "listen: {grpc: {tls: {cert: c, key: k}}, admin: {address: '127.0.0.1:0', token_file: t}}\n\
             identity: {issuers: [{issuer: i, algorithm: ES256, jwks: {file: keys.json}}]}\n\
             upstream_credentials: [{server: a, file: k}, {server: b, file: u}, {server: c, file: none}]\n\
             approvals: {request_state_key_file: r}";
        let found = exposed_secrets(&Config::parse(text, folder.path()).unwrap());
        let keys: Vec<_> = found.iter().map(|one| (one.key.as_str(), one.mode)).collect();
        assert_eq!(
            keys,
            [
                ("listen.admin.token_file", 0o644),
                ("approvals.request_state_key_file", 0o640),
                ("upstream_credentials[1].file", 0o604)
            ]
        );
        assert!(found[0].to_string().contains("chmod 600"), "{}", found[0]);
        assert!(found[0].to_string().contains("0644"), "{}", found[0]);
    }
}
