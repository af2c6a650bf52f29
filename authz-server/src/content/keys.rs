//! Keys of the content stage, all made from the one secret that decision points of an installation share.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use interdict_content::finding::SessionKey;

use super::token::Tokens;
use crate::intercept::request_state::SealError;

/// One key per purpose.
pub(super) struct Keys {
    sessions: hmac::Key,
    approvals: hmac::Key,
    /// Seals values for servers that may see them.
    pub(super) tokens: Tokens,
}

impl Keys {
    /// From the secret that also seals `requestState`: replicas that know each other's states know each other's tokens
    /// and marks.
    pub(super) fn derive(secret: &[u8; 32]) -> Result<Self, SealError> {
        let secret = hmac::Key::new(HMAC_SHA256, secret);
        let key = |purpose: &str| hmac::Key::new(HMAC_SHA256, &mac(&secret, &[purpose.as_bytes()]));
        let token = mac(&secret, &[b"interdict/content-token/1"]);
        Ok(Self {
            sessions: key("interdict/content-session/1"),
            approvals: key("interdict/content-approval/1"),
            tokens: Tokens::new(&token, key("interdict/content-token-nonce/1"))?,
        })
    }

    /// The key of a session.
    pub(super) fn session(&self, parts: &[&[u8]]) -> SessionKey {
        SessionKey::new(mac(&self.sessions, parts))
    }

    /// The digest of an action in which values were masked: as good as the action's own, and nobody can find the values
    /// by trying.
    pub(super) fn action(&self, digest: &str) -> String {
        interdict_audit::hex::encode(mac(&self.approvals, &[digest.as_bytes()]))
    }
}

/// HMAC-SHA256 over parts that cannot be cut elsewhere.
pub(crate) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    out
}
