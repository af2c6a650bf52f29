//! Our own `requestState`: what an intercepted client of 2026-07-28 carries from one round to the next.
//!
//! The client and everything between treat it as opaque, so it is sealed: AES-256-GCM with a random nonce, under a key
//! that only decision points hold. It is a reminder, not a permission: whoever presents it is still authenticated and
//! judged anew, and an approval is found by its binding, never by this state alone. MCP 2026-07-28 asks servers to
//! treat a returned `requestState` as attacker-controlled; a state that does not open, or is not of this agent and
//! action, counts as absent.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Every state of ours starts with this, in the clear, so that ours and a server's are told apart without a key.
const PREFIX: &str = "interdict1.";

/// Binds a sealed text to its purpose.
const PURPOSE: &[u8] = b"interdict/request-state/1";

/// Longer texts with our prefix are not ours: a sealed state has about 350 bytes.
const MAX_TEXT: usize = 2_048;

/// What the state says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestState {
    /// The approval that the client waits for.
    pub approval_id: String,
    /// The agent that it was given to.
    pub agent: String,
    /// The action that it was given for.
    pub action_digest: String,
    /// How many times this client has been told to come back, this time included; starts at 1.
    pub round: u32,
    /// End of its life, in seconds since 1970-01-01 UTC.
    pub exp: i64,
}

/// Seals and opens states.
#[derive(Debug)]
pub struct Sealer {
    key: RandomizedNonceKey,
}

/// The key or the cipher did not work; the caller denies or uses another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("requestState could not be sealed")]
pub struct SealError;

impl Sealer {
    /// A sealer under a 256-bit key.
    ///
    /// # Errors
    /// When the cryptographic library refuses the key; it never does for 32 bytes.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError)? })
    }

    /// The text that a client carries.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(&self, state: &RequestState) -> Result<String, SealError> {
        let mut sealed = serde_json::to_vec(state).map_err(|_| SealError)?;
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(PURPOSE), &mut sealed).map_err(|_| SealError)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The state inside of a text, if this key sealed it and its time is not over.
    pub fn open(&self, text: &str, now: Timestamp) -> Option<RequestState> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        // The plain text is followed by the tag's bytes in the buffer; the library returns only the text.
        let state: RequestState = serde_json::from_slice(plain).ok()?;
        (state.exp > now.as_second()).then_some(state)
    }
}

/// Whether a text claims to be a state of ours; only [`Sealer::open`] tells whether it is.
pub fn looks_like_ours(text: &str) -> bool {
    text.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn state() -> RequestState {
        RequestState {
            approval_id: "0197".into(),
            agent: "reporter".into(),
            action_digest: "ab".repeat(32),
            round: 3,
            exp: NOW + 60,
        }
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_state() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let text = sealer.seal(&state()).unwrap();
        assert!(looks_like_ours(&text));
        assert_eq!(sealer.open(&text, now()), Some(state()));
        assert!(text.len() < MAX_TEXT);
    }

    #[test]
    fn two_seals_of_one_state_differ() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        assert_ne!(sealer.seal(&state()).unwrap(), sealer.seal(&state()).unwrap());
    }

    #[test]
    fn a_state_with_any_byte_changed_does_not_open() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let text = sealer.seal(&state()).unwrap();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(sealer.open(&changed, now()), None, "byte {index}");
        }
    }

    #[test]
    fn a_state_under_another_key_or_past_its_time_does_not_open() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let text = sealer.seal(&state()).unwrap();
        assert_eq!(Sealer::new(&[8; 32]).unwrap().open(&text, now()), None);
        assert_eq!(sealer.open(&text, Timestamp::from_second(NOW + 60).unwrap()), None);
    }

    #[test]
    fn a_foreign_or_cut_text_does_not_open() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        for text in ["", "interdict1.", "interdict1.AAAA", "interdict1.####", "server-state"] {
            assert_eq!(sealer.open(text, now()), None, "{text}");
        }
        assert_eq!(sealer.open(&format!("interdict1.{}", "A".repeat(10_000)), now()), None);
    }
}
