//! Names of the peer certificate, proven by evidence that Envoy sent.
//!
//! The principal that Envoy reports is the first URI name of the certificate that it verified. A certificate with two
//! would let its holder be one workload here and another elsewhere, so exactly one must be proven: by the certificate
//! itself (`source.certificate`), or by the `x-forwarded-client-cert` header that Envoy wrote in place of the client's
//! (forward mode `SANITIZE_SET`). Without a verified principal the header is not looked at: then the client wrote it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;

use super::config::{CertificateEvidence, MtlsConfig};
use super::spiffe::SpiffeId;
use super::{IdentityError, Presented, xfcc};

/// Longest URL-encoded PEM text, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How many certificates are remembered, and for how long.
const REMEMBERED: u64 = 4_096;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// Reads certificates and remembers what they say; the same one comes with every request of a connection.
#[derive(Debug)]
pub(crate) struct Certificates {
    trust_domains: Vec<String>,
    evidence_required: bool,
    leeway_seconds: i64,
    read: moka::sync::Cache<[u8; 32], Result<Arc<Certificate>, IdentityError>>,
}

/// What a certificate says.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Its only URI name.
    uri: String,
    /// Seconds since 1970.
    not_before: i64,
    pub(crate) not_after: i64,
    /// SHA-256 of its DER form.
    pub(crate) sha256: [u8; 32],
}

/// A workload whose certificate was verified by Envoy and proven here.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    pub(crate) id: SpiffeId<'a>,
    /// The certificate, where it was sent.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

// === impl Certificates ===

impl Certificates {
    pub(crate) fn new(config: &MtlsConfig, leeway_seconds: u32) -> Self {
        Self {
            trust_domains: config.trust_domains.clone(),
            evidence_required: config.certificate_evidence == CertificateEvidence::Required,
            leeway_seconds: leeway_seconds.into(),
            read: moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build(),
        }
    }

    /// The workload behind a request; none when Envoy verified no certificate. `now` in seconds since 1970.
    pub(crate) fn workload<'p>(
        &self,
        presented: &Presented<'p>,
        now: i64,
    ) -> Result<Option<Workload<'p>>, IdentityError> {
        let Some(principal) = presented.principal.filter(|principal| !principal.is_empty()) else {
            return Ok(None);
        };
        let id = SpiffeId::parse(principal).ok_or(IdentityError::CertificateNotSpiffe)?;
        if !self.trust_domains.iter().any(|domain| domain == id.trust_domain) {
            return Err(IdentityError::CertificateTrustDomain);
        }
        let certificate = self.evidence(presented, &id)?;
        if let Some(certificate) = &certificate {
            if certificate.uri != id.uri {
                return Err(IdentityError::CertificateMismatch);
            }
            // Envoy looked at the dates once, at the handshake; connections live longer than certificates.
            let expired = now.saturating_sub(self.leeway_seconds) > certificate.not_after;
            if expired || now.saturating_add(self.leeway_seconds) < certificate.not_before {
                return Err(IdentityError::CertificateExpired);
            }
        }
        Ok(Some(Workload { id, certificate }))
    }

    /// Proof that the certificate has exactly one URI name, and the certificate where it was sent.
    fn evidence(
        &self,
        presented: &Presented<'_>,
        id: &SpiffeId<'_>,
    ) -> Result<Option<Arc<Certificate>>, IdentityError> {
        if let Some(certificate) = presented.certificate.filter(|text| !text.is_empty()) {
            return self.read(certificate).map(Some);
        }
        let mut headers =
            presented.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-client-cert"));
        match (headers.next(), headers.next()) {
            (None, _) if self.evidence_required => Err(IdentityError::CertificateEvidenceMissing),
            (None, _) => Ok(None),
            (Some((_, value)), None) => self.forwarded(value, id),
            (Some(_), Some(_)) => Err(IdentityError::CertificateAmbiguous),
        }
    }

    fn forwarded(&self, value: &Bytes, id: &SpiffeId<'_>) -> Result<Option<Arc<Certificate>>, IdentityError> {
        let malformed = IdentityError::CertificateMalformed;
        let text = std::str::from_utf8(value).map_err(|_| malformed)?;
        let elements = xfcc::parse(text).ok_or(malformed)?;
        let [element] = elements.as_slice() else { return Err(IdentityError::CertificateAmbiguous) };
        match element.uris.as_slice() {
            [uri] if uri == id.uri => {}
            [_] => return Err(IdentityError::CertificateMismatch),
            [] if self.evidence_required && element.certificates.is_empty() => {
                return Err(IdentityError::CertificateEvidenceMissing);
            }
            [] => {}
            _ => return Err(IdentityError::CertificateAmbiguous),
        }
        match element.certificates.as_slice() {
            [] => Ok(None),
            [certificate] => self.read(certificate).map(Some),
            _ => Err(IdentityError::CertificateAmbiguous),
        }
    }

    fn read(&self, url_encoded_pem: &str) -> Result<Arc<Certificate>, IdentityError> {
        if url_encoded_pem.len() > MAX_BYTES {
            return Err(IdentityError::CertificateMalformed);
        }
        let key = Sha256::digest(url_encoded_pem).into();
        if let Some(known) = self.read.get(&key) {
            return known;
        }
        let outcome = Certificate::read(url_encoded_pem).map(Arc::new);
        self.read.insert(key, outcome.clone());
        outcome
    }
}

// === impl Certificate ===

impl Certificate {
    fn read(url_encoded_pem: &str) -> Result<Self, IdentityError> {
        let malformed = IdentityError::CertificateMalformed;
        let der = percent_decode(url_encoded_pem).and_then(|pem| der(&pem)).ok_or(malformed)?;
        let (rest, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| malformed)?;
        if !rest.is_empty() {
            return Err(malformed);
        }
        let names = parsed.subject_alternative_name().map_err(|_| malformed)?;
        let mut uris = Vec::new();
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::Invalid(..) => return Err(malformed),
                _ => {}
            }
        }
        let [uri] = uris.as_slice() else { return Err(IdentityError::CertificateAmbiguous) };
        // X509-SVID section 4.1: a certificate that can sign certificates is nobody's identity.
        if parsed.is_ca() {
            return Err(IdentityError::CertificateNotSpiffe);
        }
        let validity = parsed.validity();
        Ok(Self {
            uri: (*uri).to_owned(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            sha256: Sha256::digest(&der).into(),
        })
    }
}

/// Decodes `%XX` and nothing else: Envoy encodes `+` too, so a plain `+` is itself.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The DER bytes of a PEM text with exactly one certificate and nothing around it.
fn der(pem: &str) -> Option<Vec<u8>> {
    let body =
        pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.strip_suffix("-----END CERTIFICATE-----")?;
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}
