//! The folder of the log: what lies where, who may read it, and who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use interdict_audit::hex;
use interdict_audit::record::is_tenant;

use super::AuditError;
use super::failure::{self, BAD_TENANT, LOCKED, NAME_CHANGED, UNAVAILABLE};
use crate::files;

/// The tenant of system events and of requests that belong to nobody.
pub const SYSTEM_TENANT: &str = "_system";

/// Where everything lies; reading needs no more.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of a folder; nothing is looked at.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that a running server holds locked.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// First part of every origin.
    pub fn name(&self) -> PathBuf {
        self.root.join("name")
    }

    /// The signing key.
    pub fn log_key(&self) -> PathBuf {
        self.root.join("log.key")
    }

    /// Its public half.
    pub fn log_vkey(&self) -> PathBuf {
        self.root.join("log.vkey")
    }

    /// Kept bundles.
    pub fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// All tenants.
    pub fn tenants(&self) -> PathBuf {
        self.root.join("tenants")
    }

    /// One tenant's log.
    ///
    /// # Errors
    /// `audit.bad_tenant` for what no entry can name.
    pub fn tenant(&self, tenant: &str) -> Result<PathBuf, AuditError> {
        Ok(self.tenants().join(folder_of(tenant)?))
    }

    /// Its database.
    ///
    /// # Errors
    /// As [`Layout::tenant`].
    pub fn database(&self, tenant: &str) -> Result<PathBuf, AuditError> {
        Ok(self.tenant(tenant)?.join("log.db"))
    }

    /// Its last signed checkpoint.
    ///
    /// # Errors
    /// As [`Layout::tenant`].
    pub fn head(&self, tenant: &str) -> Result<PathBuf, AuditError> {
        Ok(self.tenant(tenant)?.join("head.note"))
    }

    /// Its keys for sealed inputs.
    ///
    /// # Errors
    /// As [`Layout::tenant`].
    pub fn keys(&self, tenant: &str) -> Result<PathBuf, AuditError> {
        Ok(self.root.join("keys").join(folder_of(tenant)?))
    }

    /// Every tenant that has a log, in the order of their names.
    ///
    /// # Errors
    /// `audit.unavailable` when the folder cannot be read.
    pub fn known_tenants(&self) -> Result<Vec<String>, AuditError> {
        let entries = match std::fs::read_dir(self.tenants()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| failure::of_io(&error, "the tenants cannot be listed"))?,
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| folder_of(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What the log calls itself: first part of every origin.
    ///
    /// # Errors
    /// `audit.unavailable` when the folder has no name yet or it cannot be read.
    pub fn read_name(&self) -> Result<String, AuditError> {
        let text = std::fs::read_to_string(self.name())
            .map_err(|error| failure::of_io(&error, &format!("{} cannot be read", self.name().display())))?;
        Ok(text.trim().to_owned())
    }
}

/// The name of a tenant's folder: the tenant. What can be named in an entry has no separators; a leading dot would still
/// lead out of the folder (`..`) or hide.
fn folder_of(tenant: &str) -> Result<&str, AuditError> {
    if !is_tenant(tenant) || tenant.starts_with('.') {
        return Err(AuditError::new(BAD_TENANT, "the tenant's name cannot be that of a log"));
    }
    Ok(tenant)
}

/// The folder, held by this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) layout: Layout,
    pub(crate) name: String,
    _lock: File,
}

impl Directory {
    /// Makes the folder where there is none and takes hold of it.
    pub(crate) fn open(root: &Path, configured: Option<&str>) -> Result<Self, AuditError> {
        let layout = Layout::new(root);
        for folder in [root.to_owned(), layout.tenants(), layout.root.join("keys"), layout.bundles()] {
            create_private_folder(&folder)?;
        }
        let lock = take(&layout.lock())?;
        let name = name_of(&layout, configured)?;
        Ok(Self { layout, name, _lock: lock })
    }
}

/// Two servers that write one log would fork it: the second one does not start.
fn take(file: &Path) -> Result<File, AuditError> {
    let lock = files::open_private(file, OpenOptions::new().read(true).append(true).create(true))
        .map_err(|error| failure::of_io(&error, &format!("{} cannot be opened", file.display())))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(AuditError::new(
            LOCKED,
            format!(
                "{} is held by another server; every server needs an audit.directory of its own",
                file.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(failure::of_io(&error, "the folder cannot be locked")),
    }
}

/// The name of the log, made up at the first start. It is in every checkpoint, so it never changes.
fn name_of(layout: &Layout, configured: Option<&str>) -> Result<String, AuditError> {
    let file = layout.name();
    if !file.exists() {
        let name = configured.map_or_else(made_up, |name| Ok(name.to_owned()))?;
        write_whole(&file, format!("{name}\n").as_bytes())?;
    }
    let name = layout.read_name()?;
    match configured {
        Some(other) if other != name => Err(AuditError::new(
            NAME_CHANGED,
            format!(
                "audit.name is `{other}`, but the log began as `{name}`; set that, or use an empty folder"
            ),
        )),
        _ => Ok(name),
    }
}

fn made_up() -> Result<String, AuditError> {
    let mut random = [0_u8; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| AuditError::new(UNAVAILABLE, "there are no random numbers"))?;
    Ok(format!("interdict-{}", hex::encode(random)))
}

/// A folder that nobody else reads, and that is there after a loss of power.
pub(crate) fn create_private_folder(folder: &Path) -> Result<(), AuditError> {
    files::private_folder(folder)
        .map_err(|error| failure::of_io(&error, &format!("{} cannot be created", folder.display())))
}

/// Writes a file so that there is always the old or the new one as a whole, whatever happens in between.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    files::write_whole(file, bytes)
        .map_err(|error| failure::of_io(&error, &format!("{} cannot be written", file.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_private_has_a_name_that_stays_and_one_holder() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("a/log");
        let first = Directory::open(&root, None).unwrap();
        assert!(first.name.starts_with("interdict-") && first.name.len() == 26, "{}", first.name);
        let mode = std::fs::metadata(&root).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = Directory::open(&root, None).unwrap_err();
        assert_eq!(second.code, LOCKED);
        let name = first.name.clone();
        drop(first);
        assert_eq!(Directory::open(&root, None).unwrap().name, name);
        assert_eq!(Directory::open(&root, Some("other")).unwrap_err().code, NAME_CHANGED);
    }

    /// Attack: a tenant whose name is a path.
    #[test]
    fn no_name_of_a_tenant_leads_out_of_the_folder() {
        let layout = Layout::new("/log");
        assert_eq!(layout.tenant("acme").unwrap(), Path::new("/log/tenants/acme"));
        for name in ["", "..", ".", ".hidden", "a/b", "../x", "a\0b", "ä", "a b", &"a".repeat(129)] {
            assert_eq!(layout.tenant(name).unwrap_err().code, BAD_TENANT, "{name:?}");
        }
    }

    #[test]
    fn the_tenants_of_a_folder_are_those_with_a_log() {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::new(base.path());
        assert!(layout.known_tenants().unwrap().is_empty());
        for tenant in ["zeta", SYSTEM_TENANT] {
            std::fs::create_dir_all(layout.tenant(tenant).unwrap()).unwrap();
        }
        std::fs::create_dir_all(layout.tenants().join(".hidden")).unwrap();
        assert_eq!(layout.known_tenants().unwrap(), [SYSTEM_TENANT, "zeta"]);
    }
}
