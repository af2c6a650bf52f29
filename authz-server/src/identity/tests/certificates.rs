//! Peer certificates: several names, foreign domains, forged headers, and the marriage with tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use sha2::{Digest as _, Sha256};

use super::*;

const READER: &str = "spiffe://example.org/t/acme/a/reader";
const WRITER: &str = "spiffe://example.org/t/acme/a/writer";
const STRANGER: &str = "spiffe://example.org/t/acme/a/stranger";
const XFCC: &str = "x-forwarded-client-cert";

async fn world(mtls: Value) -> World {
    let mut full = json!({ "trust_domains": ["example.org"] });
    merge(&mut full, &mtls);
    World::with(SignatureAlgorithm::EdDsa, json!({ "mtls": full })).await
}

fn parameters(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.subject_alt_names.push(SanType::DnsName("agent.example.org".try_into().unwrap()));
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

/// URL-encoded PEM, as Envoy writes it, and the SHA-256 of the DER form.
fn issue(params: CertificateParams) -> (String, [u8; 32]) {
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    (encode(&certificate.pem()), Sha256::digest(certificate.der()).into())
}

fn encode(pem: &str) -> String {
    let mut pem = pem.replace("\r\n", "\n");
    for (plain, encoded) in [("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")] {
        pem = pem.replace(plain, encoded);
    }
    pem
}

fn certificate(uris: &[&str]) -> String {
    issue(parameters(uris)).0
}

#[tokio::test]
async fn token_and_certificate_of_the_same_agent_give_the_higher_assurance() {
    let world = world(json!({})).await;
    let token = world.token(&good());
    let by_certificate = Request::default().principal(READER).certificate(&certificate(&[READER]));
    let by_header = Request::default().principal(READER).header(XFCC, &format!("Hash=ab;URI={READER}"));
    for request in [by_certificate, by_header] {
        let identity = world.request(&request.token(&token)).await.unwrap();
        assert_eq!((identity.agent_id.as_str(), identity.assurance), ("reader", 2));
        assert_eq!(identity.sources.spiffe_id.as_deref(), Some(READER));
    }
}

#[tokio::test]
async fn the_token_of_another_agent_over_a_foreign_certificate_is_refused() {
    let world = world(json!({})).await;
    let stolen = world.token(&good());
    for thief in [WRITER, STRANGER] {
        let request = Request::default().token(&stolen).principal(thief).certificate(&certificate(&[thief]));
        let refusal = world.request(&request).await.unwrap_err();
        assert_eq!(refusal, IdentityError::Mismatch);
        assert!(!refusal.is_challenge());
    }
}

#[tokio::test]
async fn a_certificate_with_two_uri_names_is_refused_in_either_evidence() {
    let world = world(json!({})).await;
    let base = Request::default().token(&world.token(&good())).principal(READER);
    for two in [[READER, WRITER], [READER, READER], [READER, "https://example.org"]] {
        let request = base.clone().certificate(&certificate(&two));
        assert_eq!(world.request(&request).await, Err(IdentityError::CertificateAmbiguous));
        let request = base.clone().header(XFCC, &format!("URI={};URI={}", two[0], two[1]));
        assert_eq!(world.request(&request).await, Err(IdentityError::CertificateAmbiguous));
        let both = format!("URI={READER};Cert=\"{}\"", certificate(&two));
        assert_eq!(
            world.request(&base.clone().header(XFCC, &both)).await,
            Err(IdentityError::CertificateAmbiguous)
        );
    }
    let none = base.clone().certificate(&certificate(&[]));
    assert_eq!(world.request(&none).await, Err(IdentityError::CertificateAmbiguous));
}

#[tokio::test]
async fn a_forged_client_certificate_header_without_a_verified_certificate_counts_for_nothing() {
    let world = world(json!({ "sufficient": true })).await;
    let forged = Request::default().header(XFCC, &format!("Hash=ab;URI={READER}"));
    assert_eq!(world.request(&forged).await, Err(IdentityError::TokenMissing));
    assert_eq!(world.request(&forged.clone().principal("")).await, Err(IdentityError::TokenMissing));
    // With a token it is the token that counts, and nothing is added to it.
    let identity = world.request(&forged.token(&world.token(&good()))).await.unwrap();
    assert_eq!((identity.assurance, identity.sources.spiffe_id), (1, None));
}

#[tokio::test]
async fn a_forged_client_certificate_header_beside_a_verified_certificate_is_refused() {
    let world = world(json!({ "sufficient": true })).await;
    let base = Request::default().principal(WRITER);
    for forged in [
        format!("URI={READER}"),
        format!("URI={READER},URI={WRITER}"),
        format!("URI={WRITER},URI={READER}"),
        format!("URI={WRITER},By=spiffe://example.org/gateway"),
        format!("URI={WRITER};URI={READER}"),
        format!("Subject=\"x;URI={WRITER}"),
        format!("URI={WRITER};Cert=\"{}\"", certificate(&[READER])),
        format!("URI={WRITER};Cert=\"%zz\""),
        "Hash=ab".to_owned(),
        String::new(),
    ] {
        let outcome = world.request(&base.clone().header(XFCC, &forged)).await;
        assert!(outcome.is_err_and(|error| !error.is_challenge()), "{forged}");
    }
    let twice = base.header(XFCC, &format!("URI={WRITER}")).header(XFCC, &format!("URI={WRITER}"));
    assert_eq!(world.request(&twice).await, Err(IdentityError::CertificateAmbiguous));
}

#[tokio::test]
async fn the_certificate_itself_outweighs_the_header_and_must_name_the_principal() {
    let world = world(json!({ "sufficient": true })).await;
    let request = Request::default()
        .principal(READER)
        .certificate(&certificate(&[READER]))
        .header(XFCC, &format!("URI={WRITER}"));
    assert_eq!(world.request(&request).await.unwrap().agent_id, "reader");
    let request = Request::default().principal(READER).certificate(&certificate(&[WRITER]));
    assert_eq!(world.request(&request).await, Err(IdentityError::CertificateMismatch));
}

#[tokio::test]
async fn without_evidence_a_principal_is_believed_only_where_that_is_configured() {
    let bare = Request::default().principal(READER);
    let strict = world(json!({ "sufficient": true })).await;
    assert_eq!(strict.request(&bare).await, Err(IdentityError::CertificateEvidenceMissing));
    let lax = world(json!({ "sufficient": true, "certificate_evidence": "optional" })).await;
    assert_eq!(lax.request(&bare).await.unwrap().agent_id, "reader");
    // Evidence that is there must still hold.
    let request = bare.certificate(&certificate(&[READER, WRITER]));
    assert_eq!(lax.request(&request).await, Err(IdentityError::CertificateAmbiguous));
}

#[tokio::test]
async fn names_that_are_not_spiffe_ids_or_of_foreign_domains_are_refused() {
    let world = world(json!({ "sufficient": true })).await;
    for (name, expected) in [
        ("agent.example.org", IdentityError::CertificateNotSpiffe),
        ("CN=reader", IdentityError::CertificateNotSpiffe),
        ("spiffe://example.org/t/acme/a/reader/", IdentityError::CertificateNotSpiffe),
        ("spiffe://example.org/t/acme/a/%72eader", IdentityError::CertificateNotSpiffe),
        ("spiffe://evil.org/t/acme/a/reader", IdentityError::CertificateTrustDomain),
        ("spiffe://example.org.evil.org/t/acme/a/reader", IdentityError::CertificateTrustDomain),
    ] {
        let request = Request::default().principal(name).certificate(&certificate(&[READER]));
        assert_eq!(world.request(&request).await, Err(expected), "{name}");
    }
}

#[tokio::test]
async fn a_certificate_that_ended_while_its_connection_lived_on_is_refused() {
    let world = world(json!({ "sufficient": true })).await;
    let mut params = parameters(&[READER]);
    params.not_before = rcgen::date_time_ymd(2027, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 2, 1);
    let end = "2027-02-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
    let request = Request::default().principal(READER).certificate(&issue(params).0);
    let identity = world.request_at(&request, end).await.unwrap();
    assert_eq!(identity.expires_at.unwrap().as_second(), end);
    assert_eq!(world.request_at(&request, end + 1).await, Err(IdentityError::CertificateExpired));
    let before = "2026-12-31T23:59:59Z".parse::<Timestamp>().unwrap().as_second();
    assert_eq!(world.request_at(&request, before).await, Err(IdentityError::CertificateExpired));
}

#[tokio::test]
async fn an_authority_certificate_is_nobodys_identity() {
    let world = world(json!({ "sufficient": true })).await;
    let mut params = parameters(&[READER]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = Request::default().principal(READER).certificate(&issue(params).0);
    assert_eq!(world.request(&request).await, Err(IdentityError::CertificateNotSpiffe));
}

#[tokio::test]
async fn evidence_that_cannot_be_read_is_refused() {
    let world = world(json!({ "sufficient": true })).await;
    let good = certificate(&[READER]);
    for bad in [
        "x".to_owned(),
        "%".to_owned(),
        "%2".to_owned(),
        "%FF".to_owned(),
        format!("{good}{good}"),
        good.replace("CERTIFICATE", "PUBLIC%20KEY"),
        good.get(..good.len() / 2).unwrap().to_owned(),
        "a".repeat(64 * 1024 + 1),
    ] {
        let request = Request::default().principal(READER).certificate(&bad);
        assert_eq!(world.request(&request).await, Err(IdentityError::CertificateMalformed));
    }
}

#[tokio::test]
async fn a_certificate_alone_is_enough_only_where_that_is_configured_and_never_excuses_a_bad_token() {
    let request = Request::default().principal(READER).certificate(&certificate(&[READER]));
    let needs_token = world(json!({})).await;
    assert_eq!(needs_token.request(&request).await, Err(IdentityError::TokenMissing));
    let sufficient = world(json!({ "sufficient": true })).await;
    assert_eq!(sufficient.request(&request).await.unwrap().assurance, 1);
    let expired = sufficient.token(&but(json!({ "exp": NOW })));
    assert_eq!(sufficient.request(&request.token(&expired)).await, Err(IdentityError::TokenExpired));
}

#[tokio::test]
async fn where_a_certificate_is_required_a_token_alone_is_refused() {
    let world = world(json!({ "required": true })).await;
    let request = Request::default().token(&world.token(&good()));
    assert_eq!(world.request(&request).await, Err(IdentityError::CertificateMissing));
}

#[tokio::test]
async fn an_instance_is_its_agent_and_only_in_the_shape_that_has_instances() {
    let world = world(json!({ "sufficient": true, "certificate_evidence": "optional" })).await;
    let seventh = format!("{READER}/7");
    let identity = world.request(&Request::default().principal(&seventh)).await.unwrap();
    assert_eq!((identity.agent_id.as_str(), identity.instance.as_deref()), ("reader", Some("7")));
    let deeper = format!("{READER}/7/8");
    let refusal = world.request(&Request::default().principal(&deeper)).await;
    assert_eq!(refusal, Err(IdentityError::AgentUnknown));
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_is_good_over_that_certificate_only() {
    let world = world(json!({})).await;
    let (pem, thumbprint) = issue(parameters(&[READER]));
    let token = world.token(&but(json!({ "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint) } })));
    let base = Request::default().token(&token).principal(READER);
    assert_eq!(world.request(&base.clone().certificate(&pem)).await.unwrap().assurance, 2);
    let other = base.clone().certificate(&certificate(&[READER]));
    assert_eq!(world.request(&other).await, Err(IdentityError::BindingMismatch));
    let unproven = base.header(XFCC, &format!("URI={READER}"));
    assert_eq!(world.request(&unproven).await, Err(IdentityError::BindingMismatch));
}

#[tokio::test]
async fn where_no_mtls_is_configured_certificates_are_not_looked_at() {
    let world = World::new().await;
    let request = Request::default().token(&world.token(&good())).principal(WRITER).certificate("rubbish");
    assert_eq!(world.request(&request).await.unwrap().assurance, 1);
}
