//! What counters are called. The file of totals tells nobody who did what, so names lie in it sealed, with the key of the
//! decision points; a person sees them through a server. Whom an amount went to and which things were touched is not part
//! of a name: of those there are keyed hashes only.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use interdict_policy::{Consume, Principal, Quantity};
use serde::{Deserialize, Serialize};

use super::Owner;
use crate::store::totals::Hash;

/// What a counter is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The agent's tenant.
    pub tenant: String,
    /// Registry id of the agent.
    pub agent: String,
    /// The person for whom it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// Registry id of the server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// What it counts: `value`, `payee`, `recipients`, `cardinality`, or what a policy of one's own calls it.
    pub counter: String,
    /// Its window, as the contract says it.
    pub window: String,
    /// Whether there is one for each payee or the like.
    pub each: bool,
    /// Whether it counts things and adds up no amounts.
    pub things: bool,
}

impl Name {
    pub(super) fn of(owner: &Owner<'_>, consume: &Consume) -> Self {
        Self {
            tenant: owner.tenant.to_owned(),
            agent: owner.agent.to_owned(),
            principal: owner.principal.cloned(),
            server: owner.server.to_owned(),
            tool: owner.tool.to_owned(),
            counter: consume.counter.clone(),
            window: consume.window.clone(),
            each: consume.of.is_some(),
            things: matches!(consume.quantity, Quantity::Things(_)),
        }
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            tenant: &self.tenant,
            agent: &self.agent,
            principal: self.principal.as_ref(),
            server: &self.server,
            tool: &self.tool,
        }
    }
}

/// Seals names, each for its counter.
pub(super) struct Names(Option<RandomizedNonceKey>);

impl Names {
    /// The library takes every key of this length; without one, counters would have no names and count all the same.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).ok())
    }

    /// `nonce || ciphertext || tag`; empty when that is impossible.
    pub(super) fn seal(&self, counter: &Hash, name: &Name) -> Vec<u8> {
        let sealed = || {
            let mut sealed = serde_json::to_vec(name).ok()?;
            let nonce = self.0.as_ref()?.seal_in_place_append_tag(Aad::from(*counter), &mut sealed).ok()?;
            Some([&nonce.as_ref()[..], &sealed].concat())
        };
        sealed().unwrap_or_default()
    }

    /// The name; none when it was not sealed with this key for this counter.
    pub(super) fn open(&self, counter: &Hash, mut sealed: Vec<u8>) -> Option<Name> {
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.0.as_ref()?.open_in_place(nonce, Aad::from(*counter), sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }
}
