//! The same tokens through bare cryptography (`aws-lc-rs`, without a JWT library), both ways.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::identity::mint::jwks;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The public JWK of a new key, and its signature.
fn sign(algorithm: SignatureAlgorithm, input: &str) -> (Value, Vec<u8>) {
    let (input, random) = (input.as_bytes(), SystemRandom::new());
    match algorithm {
        SignatureAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).unwrap();
            let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            (json!({ "kty": "RSA", "kid": "k", "n": encode(key.n), "e": encode(key.e) }), signature)
        }
        SignatureAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let point = pair.public_key().as_ref();
            let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
            let signature = pair.sign(&random, input).unwrap().as_ref().to_vec();
            (json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y }), signature)
        }
        SignatureAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let x = encode(pair.public_key());
            (
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x }),
                pair.sign(input).as_ref().to_vec(),
            )
        }
    }
}

#[tokio::test]
async fn another_library_verifies_what_is_minted_here_with_the_published_keys() {
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        let set: Value = serde_json::from_str(&jwks(&[&key])).unwrap();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(set["keys"][0][name].as_str().unwrap()).unwrap();
        let token = key.sign("{}", "{}").unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (input, signature) = (input.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        match algorithm {
            SignatureAlgorithm::Rs256 => RsaPublicKeyComponents { n: member("n"), e: member("e") }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                input,
                &signature,
            ),
            SignatureAlgorithm::Es256 => {
                let point = [vec![4], member("x"), member("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(input, &signature)
            }
            SignatureAlgorithm::EdDsa => {
                UnparsedPublicKey::new(&ED25519, member("x")).verify(input, &signature)
            }
        }
        .unwrap();
    }
}

#[tokio::test]
async fn what_another_library_signs_is_accepted_here() {
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let header = json!({ "alg": algorithm.name(), "kid": "k" });
        let input = format!("{}.{}", encode(header.to_string()), encode(good().to_string()));
        let (jwk, signature) = sign(algorithm, &input);
        let world = World::with(algorithm, json!({})).await;
        tokio::time::sleep(std::time::Duration::from_millis(110)).await;
        std::fs::write(&world.jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
        let token = format!("{input}.{}", encode(signature));
        assert_eq!(world.present(&token).await.unwrap().agent_id, "reader");
    }
}
