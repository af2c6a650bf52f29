//! The same tokens through another implementation (`jsonwebtoken`), both ways.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};

use super::*;
use crate::identity::mint::jwks;

const ALGORITHMS: [(SignatureAlgorithm, Algorithm); 3] = [
    (SignatureAlgorithm::Rs256, Algorithm::RS256),
    (SignatureAlgorithm::Es256, Algorithm::ES256),
    (SignatureAlgorithm::EdDsa, Algorithm::EdDSA),
];

#[tokio::test]
async fn another_library_verifies_what_is_minted_here_with_the_published_keys() {
    for (ours, theirs) in ALGORITHMS {
        let world = World::with(ours, json!({})).await;
        let set: JwkSet = serde_json::from_str(&jwks(&[&world.key])).unwrap();
        let key = DecodingKey::from_jwk(set.find(world.key.kid()).unwrap()).unwrap();
        let mut validation = Validation::new(theirs);
        validation.set_audience(&[RESOURCE]);
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Value>(world.token(&good()), &key, &validation).unwrap();
        assert_eq!(decoded.claims, good());
    }
}

#[tokio::test]
async fn what_another_library_signs_is_accepted_here() {
    for (ours, theirs) in ALGORITHMS {
        let world = World::with(ours, json!({})).await;
        let pem = world.key.to_pem();
        let key = match theirs {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        }
        .unwrap();
        let mut header = jsonwebtoken::Header::new(theirs);
        header.kid = Some(world.key.kid().to_owned());
        let token = jsonwebtoken::encode(&header, &good(), &key).unwrap();
        assert_eq!(world.present(&token).await.unwrap().agent_id, "reader");
    }
}
