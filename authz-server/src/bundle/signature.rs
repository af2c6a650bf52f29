//! Signatures of bundles, in OPA's form: `.signatures.json` holds one JWT whose payload lists every file with its hash.
//!
//! Whether a signature is needed, by which key and with which algorithm comes from the configuration alone, never from
//! the bundle (GHSA-g2pf-6v5v-qcc8: a bundle whose signature file was taken out was accepted).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interdict_policy::{BundleError, KeptBundle, RawFile, SIGNATURES, Source, is_decisive};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hashing::{HashAlgorithm, hash, hex};
use crate::config::SignatureConfig;
use crate::identity::config::SignatureAlgorithm;
use crate::identity::mint::SigningKey;

/// Largest key file.
const MAX_KEY_BYTES: usize = 64 * 1024;

/// Checks signatures with one key.
pub struct Verifier {
    algorithm: SignatureAlgorithm,
    key: DecodingKey,
    key_id: Option<String>,
    scope: String,
    /// How the key is called in records.
    name: String,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The JWT.
    pub token: String,
    /// The key's id, or the hash of the key.
    pub by: String,
}

/// `.signatures.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    signatures: Vec<String>,
    /// `opa build` names its own way of signing here; nobody else's is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    plugin: String,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

/// The payload. `iat`, `iss` and what a claims file adds say nothing here: a term is in the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    files: Vec<FileHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FileHash {
    name: String,
    hash: String,
    algorithm: String,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("key", &self.name).finish_non_exhaustive()
    }
}

fn refused(code: &'static str, message: impl Into<String>) -> BundleError {
    BundleError::new(code, message)
}

// === impl Verifier ===

impl Verifier {
    /// Reads the key.
    ///
    /// # Errors
    /// `bundle.key` for anything but one public key of a kind that is accepted.
    pub fn open(config: &SignatureConfig) -> Result<Self, BundleError> {
        let wrong = |message: String| refused("bundle.key", message).at(&config.key_file, None);
        let bytes =
            std::fs::read(&config.key_file).map_err(|error| wrong(format!("Cannot be read: {error}.")))?;
        if bytes.len() > MAX_KEY_BYTES {
            return Err(wrong(format!("A key file has at most {MAX_KEY_BYTES} bytes.")));
        }
        let blocks = pem::parse_many(&bytes).map_err(|error| wrong(format!("Not PEM: {error}.")))?;
        let [block] = blocks.as_slice() else {
            return Err(wrong("Must hold exactly one public key.".into()));
        };
        if block.tag() != "PUBLIC KEY" {
            return Err(wrong(format!(
                "Must hold a `PUBLIC KEY`, as `openssl pkey -pubout` writes it, and holds a `{}`.",
                block.tag()
            )));
        }
        let (algorithm, key) = decoding_key(&bytes).ok_or_else(|| {
            wrong("Must be an Ed25519, P-256 or RSA key; the algorithm follows from the key.".into())
        })?;
        let name = match &config.key_id {
            Some(id) => id.clone(),
            None => format!("sha256:{}", hex(&Sha256::digest(block.contents()))),
        };
        let (key_id, scope) = (config.key_id.clone(), config.scope.clone().unwrap_or_default());
        Ok(Self { algorithm, key, key_id, scope, name })
    }

    /// Checks that the signature holds, covers every file and names no other.
    ///
    /// # Errors
    /// Every reason to refuse has its own code.
    pub fn verify(&self, source: &Source) -> Result<Signed, BundleError> {
        let [root] = source.roots.as_slice() else {
            return Err(refused(
                "bundle.signature_form",
                "A signed bundle is exactly one folder or archive.",
            ));
        };
        let file = source.signatures().next().ok_or_else(|| {
            let message = "The bundle is not signed (it has no `.signatures.json`), and `bundle.signature` asks for it.";
            refused("bundle.unsigned", message).at(&root.label, None)
        })?;
        let token = only_token(file)?;
        let mut listed = self.files_of(&token)?;
        for file in root.files.iter().filter(|file| file.name != SIGNATURES) {
            let claim = listed.remove(&file.name).ok_or_else(|| {
                let message = format!(
                    "`{}` is not covered by the signature. Every file of the bundle is, tests and notes included.",
                    file.name
                );
                refused("bundle.unsigned_file", message).at(&root.label, None)
            })?;
            claim.check(&file.bytes).map_err(|error| error.at(&root.label, None))?;
        }
        match listed.into_keys().next() {
            None => Ok(Signed { token, by: self.name.clone() }),
            Some(name) => {
                let message = format!(
                    "`{name}` is covered by the signature and not in the bundle. Names are relative to the top of the \
                     bundle: with OPA, sign inside of the folder (`opa sign --bundle .`)."
                );
                Err(refused("bundle.missing_file", message).at(&root.label, None))
            }
        }
    }

    /// The same for a kept bundle, of which tests and notes are not there any more.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_kept(&self, kept: &KeptBundle) -> Result<Signed, BundleError> {
        let [token] = kept.signatures.as_slice() else {
            return Err(refused("bundle.unsigned", "The kept bundle has no signature."));
        };
        let mut listed = self.files_of(token)?;
        for file in &kept.files {
            let claim = listed.remove(&file.name).ok_or_else(|| {
                let message = format!("`{}` of the kept bundle is not covered by its signature.", file.name);
                refused("bundle.unsigned_file", message)
            })?;
            claim.check(file.text.as_bytes())?;
        }
        for name in listed.into_keys() {
            if is_decisive(&name)? {
                let message = format!("`{name}` is covered by the signature and not in the kept bundle.");
                return Err(refused("bundle.missing_file", message));
            }
        }
        Ok(Signed { token: token.clone(), by: self.name.clone() })
    }

    /// The files that a token lists, by name, when the token is good.
    fn files_of(&self, token: &str) -> Result<BTreeMap<String, Claim>, BundleError> {
        let payload = self.payload(token)?;
        if payload.scope != self.scope {
            let message = format!(
                "The signature is for scope `{}`; `bundle.signature.scope` asks for `{}`.",
                payload.scope, self.scope
            );
            return Err(refused("bundle.signature_scope", message));
        }
        let mut listed = BTreeMap::new();
        for file in payload.files {
            let claim = Claim::of(file)?;
            if let Some(twice) = listed.insert(claim.name.clone(), claim) {
                let message = format!("The signature lists `{}` twice.", twice.name);
                return Err(refused("bundle.duplicate_file", message));
            }
        }
        Ok(listed)
    }

    fn payload(&self, token: &str) -> Result<Payload, BundleError> {
        let form = || refused("bundle.signature_form", "The signature is no JWT of three parts.");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(form)?;
        let (header, payload) =
            signed.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or_else(form)?;
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| form())?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| form())?;
        // The key says which algorithm, the token does not choose: `none` and HS256 with the public key as secret end here.
        if header.alg != self.algorithm.name() {
            let message = format!(
                "The signature says algorithm `{}`; the configured key is for {} and nothing else.",
                header
                    .alg
                    .chars()
                    .filter(|character| character.is_ascii_graphic())
                    .take(32)
                    .collect::<String>(),
                self.algorithm.name()
            );
            return Err(refused("bundle.signature_algorithm", message));
        }
        if header.crit.is_some() {
            return Err(refused(
                "bundle.signature_form",
                "The signature has critical extensions; none is known.",
            ));
        }
        let good =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, self.algorithm.jose());
        if !good.unwrap_or(false) {
            let message =
                "The signature does not hold: the bundle was signed with another key, or it was changed.";
            return Err(refused("bundle.signature_invalid", message));
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| form())?;
        let payload: Payload = serde_json::from_slice(&payload).map_err(|error| {
            refused("bundle.signature_form", format!("The signature's payload: {error}."))
        })?;
        let named = header.kid.as_ref().or(payload.keyid.as_ref());
        if let (Some(expected), Some(named)) = (&self.key_id, named)
            && expected != named
        {
            let message = format!(
                "The signature names key `{named}`; `bundle.signature.key_id` asks for `{expected}`."
            );
            return Err(refused("bundle.signature_key", message));
        }
        Ok(payload)
    }
}

/// The algorithm follows from the kind of the key: each kind is accepted by exactly one of these.
fn decoding_key(pem: &[u8]) -> Option<(SignatureAlgorithm, DecodingKey)> {
    DecodingKey::from_ed_pem(pem)
        .map(|key| (SignatureAlgorithm::EdDsa, key))
        .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (SignatureAlgorithm::Es256, key)))
        .or_else(|_| DecodingKey::from_rsa_pem(pem).map(|key| (SignatureAlgorithm::Rs256, key)))
        .ok()
}

fn only_token(file: &RawFile) -> Result<String, BundleError> {
    let form = |message: String| refused("bundle.signature_form", message).at(SIGNATURES, None);
    let parsed: SignatureFile =
        serde_json::from_slice(&file.bytes).map_err(|error| form(format!("{error}.")))?;
    if !matches!(&*parsed.plugin, "" | "_default") {
        return Err(form("Was made by a plugin that is not known here.".into()));
    }
    match <[String; 1]>::try_from(parsed.signatures) {
        Ok([token]) => Ok(token),
        Err(other) => Err(form(format!("Must hold exactly one signature and holds {}.", other.len()))),
    }
}

/// What a signature says of one file.
struct Claim {
    name: String,
    hash: String,
    algorithm: HashAlgorithm,
}

impl Claim {
    fn of(file: FileHash) -> Result<Self, BundleError> {
        let Some(algorithm) = HashAlgorithm::named(&file.algorithm) else {
            let message = format!(
                "`{}` is hashed with `{}`; only SHA-256 and SHA-512 are accepted.",
                file.name, file.algorithm
            );
            return Err(refused("bundle.weak_hash", message));
        };
        let name = file.name.strip_prefix('/').unwrap_or(&file.name).to_owned();
        Ok(Self { name, hash: file.hash.to_ascii_lowercase(), algorithm })
    }

    fn check(&self, bytes: &[u8]) -> Result<(), BundleError> {
        if hash(&self.name, bytes, self.algorithm).as_deref() == Some(&*self.hash) {
            return Ok(());
        }
        let message = format!("`{}` is not what was signed.", self.name);
        Err(refused("bundle.changed_file", message))
    }
}

/// `.signatures.json` over these files.
///
/// # Errors
/// A data file that cannot be read, or a key that does not sign.
pub fn sign(
    files: &[RawFile],
    key: &SigningKey,
    key_id: Option<&str>,
    scope: Option<&str>,
) -> Result<Vec<u8>, BundleError> {
    let mut hashes = Vec::new();
    for file in files.iter().filter(|file| file.name != SIGNATURES) {
        let hash = hash(&file.name, &file.bytes, HashAlgorithm::Sha256)
            .ok_or_else(|| refused("bundle.changed_file", "Cannot be read as data.").at(&file.name, None))?;
        hashes.push(FileHash { name: file.name.clone(), hash, algorithm: "SHA-256".into() });
    }
    let header = match key_id {
        Some(kid) => serde_json::json!({"alg": key.algorithm().name(), "kid": kid}),
        None => serde_json::json!({"alg": key.algorithm().name()}),
    };
    let payload = Payload { files: hashes, keyid: None, scope: scope.unwrap_or_default().to_owned() };
    let failed = || refused("bundle.key", "The key does not sign.");
    let payload = serde_json::to_string(&payload).map_err(|_| failed())?;
    let token = key.sign(&header.to_string(), &payload).map_err(|_| failed())?;
    let mut text =
        serde_json::to_vec_pretty(&SignatureFile { signatures: vec![token], plugin: String::new() })
            .map_err(|_| failed())?;
    text.push(b'\n');
    Ok(text)
}
