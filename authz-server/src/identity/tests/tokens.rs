//! Tokens: forged, expired, meant for others, ambiguous.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::identity::mint::{TokenRequest, jwks};

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_good_token_of_each_algorithm_names_its_agent() {
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let world = World::with(algorithm, json!({})).await;
        let identity = world.present(&world.token(&good())).await.unwrap();
        assert_eq!((identity.agent_id.as_str(), identity.assurance), ("reader", 1));
        assert_eq!(identity.principal, None);
        assert_eq!(identity.expires_at, Timestamp::from_second(NOW + 60).ok());
        assert_eq!(identity.sources.token_issuer.as_deref(), Some(ISSUER));
    }
}

#[tokio::test]
async fn a_minted_token_is_accepted() {
    let world = World::new().await;
    let request = TokenRequest {
        issuer: ISSUER,
        subject: "reader",
        audience: RESOURCE,
        lifetime_seconds: 900,
        principal: Some("ana"),
        typ: None,
    };
    let token = world.key.mint(&request, Timestamp::from_second(NOW).unwrap()).unwrap();
    let identity = world.present(&token).await.unwrap();
    assert_eq!(identity.agent_id, "reader");
    assert_eq!(identity.principal.unwrap().id, "ana");
}

#[tokio::test]
async fn a_token_with_alg_none_is_refused_with_and_without_a_signature() {
    let world = World::new().await;
    for alg in ["none", "None", "NONE", ""] {
        let mut header = world.header();
        header["alg"] = alg.into();
        let signed = world.signed(&header, &good());
        let (unsigned, _) = signed.rsplit_once('.').unwrap();
        for token in [signed.clone(), format!("{unsigned}.")] {
            assert_eq!(world.present(&token).await, Err(IdentityError::AlgorithmNotAllowed), "{alg}");
        }
        assert_eq!(world.present(unsigned).await, Err(IdentityError::TokenMalformed));
    }
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_shared_secret_is_refused() {
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let world = World::with(algorithm, json!({})).await;
        let jwk = world.key.jwk();
        let public = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap();
        for secret in [jwks(&[&world.key]).into_bytes(), URL_SAFE_NO_PAD.decode(public).unwrap()] {
            let mut header = world.header();
            header["alg"] = "HS256".into();
            let text = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
            let signed = format!("{}.{}", text(&header), text(&good()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
            assert_eq!(world.present(&token).await, Err(IdentityError::AlgorithmNotAllowed));
        }
    }
}

#[tokio::test]
async fn a_good_signature_of_another_algorithm_than_the_issuers_is_refused() {
    let world = World::with(SignatureAlgorithm::Es256, json!({})).await;
    let other = SigningKey::generate(SignatureAlgorithm::Rs256).unwrap();
    let header = json!({ "alg": "RS256", "kid": world.key.kid() });
    let token = other.sign(&header.to_string(), &good().to_string()).unwrap();
    assert_eq!(world.present(&token).await, Err(IdentityError::AlgorithmNotAllowed));
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused_and_so_is_one_without_audience() {
    let world = World::new().await;
    for aud in [
        json!("https://other.example.com/mcp"),
        json!("https://files.example.com/mcp/"),
        json!("https://files.example.com"),
        json!("https://FILES.example.com/mcp"),
        json!(""),
        json!([]),
        json!(["https://other.example.com/mcp"]),
    ] {
        let claims = but(json!({ "aud": aud }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::AudienceMismatch), "{aud}");
    }
    for aud in [json!(null), json!(7), json!({ "a": RESOURCE }), json!([RESOURCE, 7])] {
        let claims = but(json!({ "aud": aud }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::TokenMalformed), "{aud}");
    }
    let several = but(json!({ "aud": ["https://other.example.com/mcp", RESOURCE] }));
    assert_eq!(world.refusal(&several).await, None);
}

#[tokio::test]
async fn a_token_expired_by_one_second_is_refused_and_in_its_last_second_it_is_not() {
    let world = World::new().await;
    let last_second = but(json!({ "exp": NOW + 1 }));
    assert_eq!(world.refusal(&last_second).await, None);
    for exp in [NOW, NOW - 1] {
        let claims = but(json!({ "exp": exp }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::TokenExpired));
    }
}

#[tokio::test]
async fn leeway_moves_every_time_limit_by_exactly_that_much() {
    let world = World::with(SignatureAlgorithm::EdDsa, json!({ "leeway_seconds": 30 })).await;
    for (changes, refusal) in [
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": NOW - 30 }), Some(IdentityError::TokenExpired)),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "nbf": NOW + 31 }), Some(IdentityError::TokenNotYetValid)),
        (json!({ "iat": NOW + 30 }), None),
        (json!({ "iat": NOW + 31 }), Some(IdentityError::TokenNotYetValid)),
    ] {
        assert_eq!(world.refusal(&but(changes.clone())).await, refusal, "{changes}");
    }
}

#[tokio::test]
async fn a_token_from_the_future_is_refused() {
    let world = World::new().await;
    for claims in [json!({ "nbf": NOW + 1 }), json!({ "iat": NOW + 1 })] {
        assert_eq!(world.refusal(&but(claims)).await, Some(IdentityError::TokenNotYetValid));
    }
    assert_eq!(world.refusal(&but(json!({ "nbf": NOW, "iat": NOW }))).await, None);
}

#[tokio::test]
async fn a_token_that_lives_longer_than_the_issuer_may_grant_is_refused() {
    let world = World::new().await;
    assert_eq!(world.refusal(&but(json!({ "iat": NOW - 1, "exp": NOW + 899 }))).await, None);
    let claims = but(json!({ "iat": NOW - 1, "exp": NOW + 900 }));
    assert_eq!(world.refusal(&claims).await, Some(IdentityError::LifetimeTooLong));
    // Backdating does not help.
    let claims = but(json!({ "iat": NOW - DAY, "exp": NOW + 1 }));
    assert_eq!(world.refusal(&claims).await, Some(IdentityError::LifetimeTooLong));
    let world =
        World::with(SignatureAlgorithm::EdDsa, json!({ "issuer": { "max_lifetime_seconds": 3607 } })).await;
    assert_eq!(world.refusal(&but(json!({ "iat": NOW, "exp": NOW + 3607 }))).await, None);
}

#[tokio::test]
async fn times_that_are_missing_or_not_whole_seconds_are_refused() {
    let world = World::new().await;
    for bad in
        [json!(null), json!("1800000060"), json!(1.5), json!(-1), json!(1e300), json!([NOW]), json!(true)]
    {
        for claim in ["exp", "iat"] {
            let claims = but(json!({ claim: bad }));
            assert_eq!(world.refusal(&claims).await, Some(IdentityError::TokenMalformed), "{claim} {bad}");
        }
    }
    assert_eq!(world.refusal(&but(json!({ "nbf": "soon" }))).await, Some(IdentityError::TokenMalformed));
    let backwards = but(json!({ "iat": NOW, "exp": NOW }));
    assert_eq!(world.refusal(&backwards).await, Some(IdentityError::TokenMalformed));
}

#[tokio::test]
async fn an_unknown_kid_a_missing_kid_and_an_unknown_issuer_are_refused() {
    let world = World::new().await;
    let mut header = world.header();
    header["kid"] = "somebody-else".into();
    assert_eq!(world.present(&world.signed(&header, &good())).await, Err(IdentityError::UnknownKid));
    header.as_object_mut().unwrap().remove("kid");
    assert_eq!(world.present(&world.signed(&header, &good())).await, Err(IdentityError::KidMissing));
    for issuer in ["https://login.example/", "https://LOGIN.example", "https://evil.example", ""] {
        let claims = but(json!({ "iss": issuer }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::IssuerUnknown), "{issuer}");
    }
    assert_eq!(world.refusal(&but(json!({ "iss": null }))).await, Some(IdentityError::TokenMalformed));
}

#[tokio::test]
async fn a_changed_token_and_a_token_of_a_strangers_key_are_refused() {
    let world = World::new().await;
    let token = world.token(&good());
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let forged = URL_SAFE_NO_PAD.encode(but(json!({ "sub": "writer" })).to_string());
    let other = format!("{header}.{forged}.{signature}");
    assert_eq!(world.present(&other).await, Err(IdentityError::SignatureInvalid));
    assert_eq!(world.present(&format!("{head}.")).await, Err(IdentityError::SignatureInvalid));
    let stranger = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    let token = stranger.sign(&world.header().to_string(), &good().to_string()).unwrap();
    // Twice: the second time from memory.
    for _ in 0..2 {
        assert_eq!(world.present(&token).await, Err(IdentityError::SignatureInvalid));
    }
}

#[tokio::test]
async fn a_token_has_one_spelling_and_one_reading() {
    let world = World::new().await;
    let token = world.token(&good());
    let (head, signature) = token.rsplit_once('.').unwrap();
    for text in
        [format!("{head}.{signature}=="), format!("{head}.{signature}.x"), format!(".{token}"), "a.b".into()]
    {
        assert!(matches!(world.present(&text).await, Err(IdentityError::TokenMalformed)), "{text}");
    }
    let header = world.header().to_string();
    let claims = good().to_string();
    let twice = claims.replace("\"sub\":\"reader\"", "\"sub\":\"reader\",\"sub\":\"writer\"");
    let hidden = claims.replace("\"sub\":\"reader\"", "\"sub\":\"reader\",\"s\\u0075b\":\"writer\"");
    let deep = claims.replace("\"sub\"", "\"x\":{\"a\":1,\"a\":2},\"sub\"");
    for claims in
        [twice, hidden, deep, format!("{claims} x"), "[]".into(), "{}".into(), format!("\u{feff}{claims}")]
    {
        let token = world.key.sign(&header, &claims).unwrap();
        assert_eq!(world.present(&token).await, Err(IdentityError::TokenMalformed), "{claims}");
    }
    let two_algorithms = header.replace("\"alg\"", "\"alg\":\"none\",\"alg\"");
    let token = world.key.sign(&two_algorithms, &good().to_string()).unwrap();
    assert_eq!(world.present(&token).await, Err(IdentityError::TokenMalformed));
}

#[tokio::test]
async fn a_header_that_is_critical_or_brings_its_own_key_is_refused() {
    let world = World::new().await;
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jwk", world.key.jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
        ("b64", json!(false)),
    ] {
        let mut header = world.header();
        header[name] = value;
        let refusal = world.present(&world.signed(&header, &good())).await;
        assert_eq!(refusal, Err(IdentityError::HeaderNotAllowed), "{name}");
    }
}

#[tokio::test]
async fn a_token_of_another_type_is_refused_where_a_type_is_asked_for() {
    let world = World::with(SignatureAlgorithm::EdDsa, json!({ "issuer": { "typ": "at+jwt" } })).await;
    for (typ, accepted) in
        [("at+jwt", true), ("application/at+jwt", true), ("AT+JWT", true), ("JWT", false), ("at+jwtx", false)]
    {
        let mut header = world.header();
        header["typ"] = typ.into();
        let outcome = world.present(&world.signed(&header, &good())).await;
        assert_eq!(outcome.err(), (!accepted).then_some(IdentityError::TypeNotAllowed), "{typ}");
    }
    let mut header = world.header();
    header.as_object_mut().unwrap().remove("typ");
    assert_eq!(world.present(&world.signed(&header, &good())).await, Err(IdentityError::TypeNotAllowed));
}

#[tokio::test]
async fn no_token_two_tokens_and_a_token_in_the_query_are_refused() {
    let world = World::new().await;
    let token = world.token(&good());
    assert_eq!(world.request(&Request::default()).await, Err(IdentityError::TokenMissing));
    let twice = Request::default().token(&token).token(&token);
    assert_eq!(world.request(&twice).await, Err(IdentityError::TokenRepeated));
    let query = Request::default().header(":path", &format!("/mcp?access_token={token}"));
    assert_eq!(world.request(&query).await, Err(IdentityError::TokenMissing));
    let own_header = Request::default().header("x-agent-id", "reader").header("x-forwarded-user", "reader");
    assert_eq!(world.request(&own_header).await, Err(IdentityError::TokenMissing));
}

#[tokio::test]
async fn a_remembered_token_is_refused_once_it_has_expired() {
    let world = World::new().await;
    let request = Request::default().token(&world.token(&good()));
    assert!(world.request_at(&request, NOW).await.is_ok());
    assert!(world.request_at(&request, NOW + 59).await.is_ok());
    assert_eq!(world.request_at(&request, NOW + 60).await, Err(IdentityError::TokenExpired));
    assert_eq!(world.request_at(&request, NOW - 61).await, Err(IdentityError::TokenNotYetValid));
}

#[tokio::test]
async fn a_token_of_a_known_key_is_checked_without_waiting_for_anything() {
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};
    let world = World::new().await;
    let request = Request::default().token(&world.token(&good()));
    // First sight, then from memory.
    for _ in 0..2 {
        let call = std::pin::pin!(world.request(&request));
        assert!(matches!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    }
}

#[tokio::test]
async fn a_remembered_token_is_not_good_for_another_server() {
    let world = World::new().await;
    let request = Request::default().token(&world.token(&good()));
    assert!(world.request(&request).await.is_ok());
    let presented = Presented { headers: &request.headers, principal: None, certificate: None };
    let now = Timestamp::from_second(NOW).unwrap();
    let elsewhere = "https://mail.example.com/mcp";
    let outcome = world.authenticator.authenticate(&presented, elsewhere, &world.agents, now).await;
    assert_eq!(outcome, Err(IdentityError::AudienceMismatch));
}

#[tokio::test]
async fn a_good_token_of_an_agent_that_nobody_registered_is_denied_without_a_challenge() {
    let world = World::new().await;
    let refusal = world.refusal(&but(json!({ "sub": "nobody" }))).await.unwrap();
    assert_eq!(refusal, IdentityError::AgentUnknown);
    assert!(!refusal.is_challenge());
    for sub in [json!(""), json!("a\nb"), json!(7), json!(null), json!("a".repeat(513))] {
        let claims = but(json!({ "sub": sub }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::TokenMalformed), "{sub}");
    }
}

#[tokio::test]
async fn the_outermost_actor_is_the_agent_and_the_subject_is_the_human() {
    let world = World::new().await;
    let claims = but(json!({ "sub": "ana", "act": { "sub": "writer", "act": { "sub": "reader" } } }));
    let identity = world.present(&world.token(&claims)).await.unwrap();
    assert_eq!(identity.agent_id, "writer");
    let principal = identity.principal.unwrap();
    assert_eq!((principal.id.as_str(), principal.issuer.as_str()), ("ana", ISSUER));
    for act in
        [json!("writer"), json!({}), json!([]), json!({ "sub": "writer", "iss": "https://evil.example" })]
    {
        let claims = but(json!({ "sub": "ana", "act": act }));
        assert_eq!(world.refusal(&claims).await, Some(IdentityError::TokenMalformed), "{act}");
    }
}

#[tokio::test]
async fn where_the_client_id_names_the_agent_a_differing_subject_is_the_human() {
    let extra = json!({ "issuer": { "subject_claim": "client_id" } });
    let world = World::with(SignatureAlgorithm::EdDsa, extra).await;
    let claims = but(json!({ "sub": "ana", "client_id": "reader" }));
    let identity = world.present(&world.token(&claims)).await.unwrap();
    assert_eq!((identity.agent_id.as_str(), identity.principal.unwrap().id.as_str()), ("reader", "ana"));
    let claims = but(json!({ "sub": "reader", "client_id": "reader" }));
    assert_eq!(world.present(&world.token(&claims)).await.unwrap().principal, None);
    assert_eq!(world.refusal(&good()).await, Some(IdentityError::TokenMalformed));
}

#[tokio::test]
async fn a_kubernetes_service_account_token_is_a_token_like_any_other() {
    let mut world =
        World::with(SignatureAlgorithm::Rs256, json!({ "issuer": { "max_lifetime_seconds": 3600 } })).await;
    let subject = "system:serviceaccount:agents:reader";
    world.agents.by_token.insert((ISSUER.to_owned(), subject.to_owned()), "reader".to_owned());
    let claims = json!({
        "aud": [RESOURCE], "exp": NOW + 3540, "iat": NOW - 60, "nbf": NOW - 60, "iss": ISSUER, "jti": "0c3e",
        "kubernetes.io": { "namespace": "agents", "pod": { "name": "reader-7d4", "uid": "9a" },
                           "serviceaccount": { "name": "reader", "uid": "5b" } },
        "sub": subject,
    });
    let header = json!({ "alg": "RS256", "kid": world.key.kid() });
    assert_eq!(world.present(&world.signed(&header, &claims)).await.unwrap().agent_id, "reader");
}

#[tokio::test]
async fn a_token_bound_to_a_key_is_not_accepted_as_a_bearer_token() {
    let world = World::new().await;
    let dpop = but(json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }));
    assert_eq!(world.refusal(&dpop).await, Some(IdentityError::BindingUnsupported));
    let certificate = but(json!({ "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode([7; 32]) } }));
    assert_eq!(world.refusal(&certificate).await, Some(IdentityError::BindingMismatch));
}

#[test]
fn every_refusal_has_a_code_of_its_own_that_the_documentation_explains() {
    let documentation = include_str!("../../../../docs/identity.md");
    let mut codes = std::collections::HashSet::new();
    for error in IdentityError::ALL {
        assert!(codes.insert(error.code()), "{error}");
        let answer = if error.is_challenge() { "401" } else { "deny" };
        let row = format!("| `{}` | {answer} |", error.code());
        assert!(documentation.contains(&row), "docs/identity.md lacks a row that begins {row}");
    }
}
