//! Why an identity was refused.

/// A refusal, with a stable code for logs, metrics and replies. It holds no text from the request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{}", self.code())]
pub enum IdentityError {
    /// No `authorization` header.
    TokenMissing,
    /// More than one `authorization` header (RFC 9110 section 5.3 does not allow it to be a list).
    TokenRepeated,
    /// The header is not `Bearer <token>`.
    SchemeNotBearer,
    /// Longer than 16 KiB.
    TokenTooLarge,
    /// Not a signed JWT with exactly one reading, or a required claim is missing or of a wrong type.
    TokenMalformed,
    /// The JWT header has `crit`, or brings its own key (`jwk`, `jku`, `x5u`, `x5c`), or changes the encoding (`b64`).
    HeaderNotAllowed,
    /// `alg` is not the issuer's (this covers `none` and every shared-secret algorithm).
    AlgorithmNotAllowed,
    /// `typ` is not the issuer's.
    TypeNotAllowed,
    /// `iss` is not configured.
    IssuerUnknown,
    /// No `kid`.
    KidMissing,
    /// The issuer's current keys have no such `kid`.
    UnknownKid,
    /// The key that verified this token is no longer among the issuer's keys.
    KeyRevoked,
    /// The signature does not verify.
    SignatureInvalid,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` or `iat` lies in the future.
    TokenNotYetValid,
    /// `exp - iat` is more than the issuer's limit.
    LifetimeTooLong,
    /// `aud` does not contain the resource URI of the server.
    AudienceMismatch,
    /// `cnf` asks for a proof that cannot be checked here, such as DPoP (RFC 9449 section 7.2).
    BindingUnsupported,
    /// `cnf` names another certificate than the one of the connection, or there is none (RFC 8705 section 3).
    BindingMismatch,
    /// The issuer's keys could not be read yet.
    KeysUnavailable,
    /// The issuer's keys were last read longer ago than the stale limit.
    KeysStale,
    /// `mtls.required` and no verified peer certificate.
    CertificateMissing,
    /// The peer certificate's name is not a SPIFFE ID of a workload.
    CertificateNotSpiffe,
    /// The SPIFFE ID's trust domain is not configured.
    CertificateTrustDomain,
    /// Envoy sent nothing that proves the certificate's names.
    CertificateEvidenceMissing,
    /// The evidence cannot be read.
    CertificateMalformed,
    /// The certificate has no or several URI names, or more than one certificate was reported.
    CertificateAmbiguous,
    /// The evidence names somebody else than the verified principal.
    CertificateMismatch,
    /// The certificate's validity has ended (or not begun), though the connection lives on.
    CertificateExpired,
    /// The token's agent and the certificate's agent are not the same.
    Mismatch,
    /// The identity is good, but no agent in the registry has it.
    AgentUnknown,
}

impl IdentityError {
    /// Every refusal, for documentation and metrics.
    pub const ALL: [Self; 31] = [
        Self::TokenMissing,
        Self::TokenRepeated,
        Self::SchemeNotBearer,
        Self::TokenTooLarge,
        Self::TokenMalformed,
        Self::HeaderNotAllowed,
        Self::AlgorithmNotAllowed,
        Self::TypeNotAllowed,
        Self::IssuerUnknown,
        Self::KidMissing,
        Self::UnknownKid,
        Self::KeyRevoked,
        Self::SignatureInvalid,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::LifetimeTooLong,
        Self::AudienceMismatch,
        Self::BindingUnsupported,
        Self::BindingMismatch,
        Self::KeysUnavailable,
        Self::KeysStale,
        Self::CertificateMissing,
        Self::CertificateNotSpiffe,
        Self::CertificateTrustDomain,
        Self::CertificateEvidenceMissing,
        Self::CertificateMalformed,
        Self::CertificateAmbiguous,
        Self::CertificateMismatch,
        Self::CertificateExpired,
        Self::Mismatch,
        Self::AgentUnknown,
    ];

    /// Stable reason code, `identity.snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "identity.token_missing",
            Self::TokenRepeated => "identity.token_repeated",
            Self::SchemeNotBearer => "identity.scheme_not_bearer",
            Self::TokenTooLarge => "identity.token_too_large",
            Self::TokenMalformed => "identity.token_malformed",
            Self::HeaderNotAllowed => "identity.header_not_allowed",
            Self::AlgorithmNotAllowed => "identity.algorithm_not_allowed",
            Self::TypeNotAllowed => "identity.type_not_allowed",
            Self::IssuerUnknown => "identity.issuer_unknown",
            Self::KidMissing => "identity.kid_missing",
            Self::UnknownKid => "identity.unknown_kid",
            Self::KeyRevoked => "identity.key_revoked",
            Self::SignatureInvalid => "identity.signature_invalid",
            Self::TokenExpired => "identity.token_expired",
            Self::TokenNotYetValid => "identity.token_not_yet_valid",
            Self::LifetimeTooLong => "identity.lifetime_too_long",
            Self::AudienceMismatch => "identity.audience_mismatch",
            Self::BindingUnsupported => "identity.binding_unsupported",
            Self::BindingMismatch => "identity.binding_mismatch",
            Self::KeysUnavailable => "identity.keys_unavailable",
            Self::KeysStale => "identity.keys_stale",
            Self::CertificateMissing => "identity.certificate_missing",
            Self::CertificateNotSpiffe => "identity.certificate_not_spiffe",
            Self::CertificateTrustDomain => "identity.certificate_trust_domain",
            Self::CertificateEvidenceMissing => "identity.certificate_evidence_missing",
            Self::CertificateMalformed => "identity.certificate_malformed",
            Self::CertificateAmbiguous => "identity.certificate_ambiguous",
            Self::CertificateMismatch => "identity.certificate_mismatch",
            Self::CertificateExpired => "identity.certificate_expired",
            Self::Mismatch => "identity.mismatch",
            Self::AgentUnknown => "identity.agent_unknown",
        }
    }

    /// True: answer 401 with `WWW-Authenticate`, because a new token can cure it. False: answer like a policy denial.
    ///
    /// SDK clients start a new authorization on 401, so a refusal that no token can cure must not look like one.
    pub fn is_challenge(&self) -> bool {
        match self {
            Self::TokenMissing
            | Self::TokenRepeated
            | Self::SchemeNotBearer
            | Self::TokenTooLarge
            | Self::TokenMalformed
            | Self::HeaderNotAllowed
            | Self::AlgorithmNotAllowed
            | Self::TypeNotAllowed
            | Self::IssuerUnknown
            | Self::KidMissing
            | Self::UnknownKid
            | Self::KeyRevoked
            | Self::SignatureInvalid
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::LifetimeTooLong
            | Self::AudienceMismatch
            | Self::BindingUnsupported => true,
            Self::BindingMismatch
            | Self::KeysUnavailable
            | Self::KeysStale
            | Self::CertificateMissing
            | Self::CertificateNotSpiffe
            | Self::CertificateTrustDomain
            | Self::CertificateEvidenceMissing
            | Self::CertificateMalformed
            | Self::CertificateAmbiguous
            | Self::CertificateMismatch
            | Self::CertificateExpired
            | Self::Mismatch
            | Self::AgentUnknown => false,
        }
    }

    /// The `error` value of RFC 6750 section 3.1 for the challenge; none when no token was presented.
    pub fn challenge_error(&self) -> Option<&'static str> {
        match self {
            Self::TokenMissing | Self::SchemeNotBearer => None,
            Self::TokenRepeated => Some("invalid_request"),
            _ => Some("invalid_token"),
        }
    }
}
