//! Sealed inputs: what replay needs, encrypted with a key of the tenant's day. Destroying the key erases the inputs, and
//! the log, which holds commitments only, still verifies.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use interdict_audit::hex;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::AuditError;
use super::directory::{Layout, create_private_folder};
use super::failure::{self, BAD_KEY, CORRUPT, INPUTS_ERASED, UNAVAILABLE};
use crate::files::{open_private, sync_folder};

/// Days since 1970 come first: whose day the key is of.
const DAY_BYTES: usize = 4;

/// Then the beginning of the key's hash: a day whose key was destroyed may get another one.
const KEY_ID_BYTES: usize = 8;

/// The key of a day.
#[derive(Debug)]
struct DayKey {
    id: [u8; KEY_ID_BYTES],
    key: LessSafeKey,
}

/// Seals what is recorded of one tenant. Of two days it remembers the later one.
#[derive(Debug)]
pub(crate) struct Sealer {
    layout: Layout,
    tenant: String,
    today: Mutex<Option<(Date, DayKey)>>,
}

impl Sealer {
    pub(crate) fn new(layout: Layout, tenant: &str) -> Self {
        Self { layout, tenant: tenant.to_owned(), today: Mutex::new(None) }
    }

    /// Day, key id, nonce, ciphertext and tag.
    pub(crate) fn seal(
        &self,
        decision: Option<Uuid>,
        mut plain: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<u8>, AuditError> {
        let day = day_of(now);
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let aad = additional(&self.tenant, decision);
        let id = self
            .with_key(day, |DayKey { id, key }| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce, Aad::from(&aad), &mut plain).map(|()| *id)
            })?
            .map_err(|_| AuditError::new(UNAVAILABLE, "the input cannot be sealed"))?;
        let mut sealed = Vec::with_capacity(DAY_BYTES + KEY_ID_BYTES + NONCE_LEN + plain.len());
        sealed.extend_from_slice(&number_of(day).to_be_bytes());
        sealed.extend_from_slice(&id);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut plain);
        Ok(sealed)
    }

    fn with_key<T>(&self, day: Date, work: impl FnOnce(&DayKey) -> T) -> Result<T, AuditError> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*today {
            Some((of, key)) if *of == day => Ok(work(key)),
            _ => {
                let key = make_key(&self.layout, &self.tenant, day)?;
                let done = work(&key);
                *today = Some((day, key));
                Ok(done)
            }
        }
    }

    /// Forgets the key in memory, so that a destroyed one is not used again.
    pub(crate) fn forget(&self) {
        *self.today.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Opens what [`Sealer::seal`] made.
///
/// # Errors
/// `audit.inputs_erased` when the key that it names is not there; `audit.corrupt` when the bytes are not what was sealed
/// for this tenant and decision.
pub fn open_sealed(
    layout: &Layout,
    tenant: &str,
    decision: Option<Uuid>,
    sealed: &[u8],
) -> Result<Vec<u8>, AuditError> {
    let broken = || AuditError::new(CORRUPT, "the sealed input is not what was sealed for this decision");
    let (day, rest) = sealed.split_first_chunk::<DAY_BYTES>().ok_or_else(broken)?;
    let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or_else(broken)?;
    let (nonce, cipher) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
    let day = day_from(u32::from_be_bytes(*day)).ok_or_else(broken)?;
    let key = read_key(layout, tenant, day)?.filter(|key| key.id == *id).ok_or_else(|| {
        AuditError::new(INPUTS_ERASED, format!("inputs erased: the key of {day} was destroyed"))
    })?;
    let mut plain = cipher.to_vec();
    let aad = additional(tenant, decision);
    let length = key
        .key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(&aad), &mut plain)
        .map_err(|_| broken())?
        .len();
    plain.truncate(length);
    Ok(plain)
}

/// Overwrites and removes the key of a day; whether there was one. Copies that a backup or the disk itself made of the
/// key are not reached.
pub(crate) fn destroy_key(layout: &Layout, tenant: &str, day: Date) -> Result<bool, AuditError> {
    let file = key_file(layout, tenant, day)?;
    let destroy = || {
        let mut out = match OpenOptions::new().write(true).open(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        out.write_all(&[b'0'; 64])?;
        out.sync_all()?;
        std::fs::remove_file(&file)?;
        file.parent().map_or(Ok(()), sync_folder)?;
        Ok(true)
    };
    destroy().map_err(|error| failure::of_io(&error, &format!("the key of {day} cannot be destroyed")))
}

/// The day whose key sealed this, as it says itself: nothing but the key proves it.
pub(crate) fn day_in(sealed: &[u8]) -> Option<Date> {
    day_from(u32::from_be_bytes(*sealed.first_chunk::<DAY_BYTES>()?))
}

/// Whether a tenant has the key of a day.
pub(crate) fn has_key(layout: &Layout, tenant: &str, day: Date) -> Result<bool, AuditError> {
    let found = key_file(layout, tenant, day)?.try_exists();
    found.map_err(|error| failure::of_io(&error, &format!("the key of {day} cannot be looked for")))
}

/// The days whose keys a tenant has.
pub(crate) fn days_with_keys(layout: &Layout, tenant: &str) -> Result<Vec<Date>, AuditError> {
    let entries = match std::fs::read_dir(layout.keys(tenant)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| failure::of_io(&error, "the keys cannot be listed"))?,
    };
    let mut days: Vec<Date> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".key")?.parse().ok())
        .collect();
    days.sort();
    Ok(days)
}

/// The day of a moment (UTC).
pub(crate) fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}

const FIRST_DAY: Date = jiff::civil::date(1970, 1, 1);

fn number_of(day: Date) -> u32 {
    let days = day.since(FIRST_DAY).map(|span| span.get_days()).unwrap_or_default();
    u32::try_from(days).unwrap_or_default()
}

fn day_from(number: u32) -> Option<Date> {
    FIRST_DAY.checked_add(jiff::Span::new().try_days(number).ok()?).ok()
}

fn additional(tenant: &str, decision: Option<Uuid>) -> Vec<u8> {
    let decision = decision.map(|id| id.to_string()).unwrap_or_default();
    [tenant.as_bytes(), &[0], decision.as_bytes()].concat()
}

fn key_file(layout: &Layout, tenant: &str, day: Date) -> Result<PathBuf, AuditError> {
    Ok(layout.keys(tenant)?.join(format!("{day}.key")))
}

fn read_key(layout: &Layout, tenant: &str, day: Date) -> Result<Option<DayKey>, AuditError> {
    let file = key_file(layout, tenant, day)?;
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => {
            other.map_err(|error| failure::of_io(&error, &format!("the key of {day} cannot be read")))?
        }
    };
    let bytes = hex::decode32(text.trim())
        .ok_or_else(|| AuditError::new(BAD_KEY, format!("{} must hold 64 hex digits", file.display())))?;
    // Overwritten, and the process ended before the file was removed: destroyed, and nothing may be sealed with it.
    if bytes == [0; 32] {
        return Ok(None);
    }
    let key = UnboundKey::new(&AES_256_GCM, &bytes)
        .map_err(|_| AuditError::new(BAD_KEY, "the key cannot be used"))?;
    let hash = digest(&SHA256, &bytes);
    let id = hash.as_ref().first_chunk().copied().unwrap_or_default();
    Ok(Some(DayKey { id, key: LessSafeKey::new(key) }))
}

/// The key of a day, made when there is none. It is on the disk before anything is sealed with it.
fn make_key(layout: &Layout, tenant: &str, day: Date) -> Result<DayKey, AuditError> {
    if let Some(key) = read_key(layout, tenant, day)? {
        return Ok(key);
    }
    let file = key_file(layout, tenant, day)?;
    let folder = layout.keys(tenant)?;
    create_private_folder(&folder)?;
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    let draft = file.with_extension("draft");
    let write = || {
        let mut options = OpenOptions::new();
        let mut out = open_private(&draft, options.write(true).create(true).truncate(true))?;
        writeln!(out, "{}", hex::encode(bytes))?;
        out.sync_all()?;
        std::fs::rename(&draft, &file)?;
        sync_folder(&folder)
    };
    write().map_err(|error| failure::of_io(&error, &format!("the key of {day} cannot be written")))?;
    read_key(layout, tenant, day)?.ok_or_else(|| AuditError::new(BAD_KEY, "the key is gone again"))
}

fn random(bytes: &mut [u8]) -> Result<(), AuditError> {
    SystemRandom::new().fill(bytes).map_err(|_| AuditError::new(UNAVAILABLE, "there are no random numbers"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_tenant_and_decision_only() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let sealer = Sealer::new(layout.clone(), "acme");
        let id = Uuid::now_v7();
        let sealed = sealer.seal(Some(id), b"facts".to_vec(), at("2026-11-21T23:59:59.999Z")).unwrap();
        assert_eq!(open_sealed(&layout, "acme", Some(id), &sealed).unwrap(), b"facts");
        assert_eq!(open_sealed(&layout, "acme", None, &sealed).unwrap_err().code, CORRUPT);
        assert_eq!(open_sealed(&layout, "globex", Some(id), &sealed).unwrap_err().code, INPUTS_ERASED);
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(open_sealed(&layout, "acme", Some(id), &other).is_err(), "byte {at}");
        }
        let key = layout.keys("acme").unwrap().join("2026-11-21.key");
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_was_overwritten_and_is_still_there_seals_nothing_and_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let today = at("2026-11-21T12:00:00Z");
        let before = Sealer::new(layout.clone(), "acme").seal(None, b"before".to_vec(), today).unwrap();
        let file = layout.keys("acme").unwrap().join("2026-11-21.key");
        let zeros = "0".repeat(64);
        std::fs::write(&file, format!("{zeros}\n")).unwrap();
        assert_eq!(open_sealed(&layout, "acme", None, &before).unwrap_err().code, INPUTS_ERASED);
        let after = Sealer::new(layout.clone(), "acme").seal(None, b"after".to_vec(), today).unwrap();
        assert_ne!(std::fs::read_to_string(&file).unwrap().trim(), zeros);
        assert_eq!(open_sealed(&layout, "acme", None, &after).unwrap(), b"after");
        assert_eq!(open_sealed(&layout, "acme", None, &before).unwrap_err().code, INPUTS_ERASED);
    }

    #[test]
    fn the_key_of_a_day_survives_a_restart_and_its_destruction_erases_that_day_only() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let old = Sealer::new(layout.clone(), "acme")
            .seal(None, b"1".to_vec(), at("2026-11-20T12:00:00Z"))
            .unwrap();
        let new = Sealer::new(layout.clone(), "acme")
            .seal(None, b"2".to_vec(), at("2026-11-21T12:00:00Z"))
            .unwrap();
        let also = Sealer::new(layout.clone(), "acme")
            .seal(None, b"3".to_vec(), at("2026-11-20T12:00:01Z"))
            .unwrap();
        assert_eq!(open_sealed(&layout, "acme", None, &also).unwrap(), b"3");
        let days = days_with_keys(&layout, "acme").unwrap();
        assert_eq!(days, [jiff::civil::date(2026, 11, 20), jiff::civil::date(2026, 11, 21)]);
        assert!(destroy_key(&layout, "acme", days[0]).unwrap());
        assert!(!destroy_key(&layout, "acme", days[0]).unwrap());
        assert_eq!(open_sealed(&layout, "acme", None, &old).unwrap_err().code, INPUTS_ERASED);
        assert_eq!(open_sealed(&layout, "acme", None, &new).unwrap(), b"2");
        // The day goes on, with another key: what was erased is erased and not changed.
        let later = Sealer::new(layout.clone(), "acme")
            .seal(None, b"4".to_vec(), at("2026-11-20T13:00:00Z"))
            .unwrap();
        assert_eq!(open_sealed(&layout, "acme", None, &later).unwrap(), b"4");
        assert_eq!(open_sealed(&layout, "acme", None, &old).unwrap_err().code, INPUTS_ERASED);
    }

    #[test]
    fn days_are_numbered_from_1970() {
        for (text, number) in [("1970-01-01", 0), ("1970-01-02", 1), ("2026-11-21", 20_778)] {
            let day: Date = text.parse().unwrap();
            assert_eq!(number_of(day), number);
            assert_eq!(day_from(number), Some(day));
        }
    }
}
