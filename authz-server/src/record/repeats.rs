//! Several Checks of one request.
//!
//! Envoy asks again for a request when its ext_authz filter stands twice in a chain, and after an internal redirect;
//! both look like two calls. They are decided and recorded each, and the later records name the first, so that who
//! counts calls counts one.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

/// Most requests that are remembered; each takes about 300 bytes.
const CAPACITY: u64 = 20_000;

/// How long. Envoy's own repetitions follow within milliseconds.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// What makes two Checks Checks of one request. The id may come from the client, so it alone says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request_id: &'a str,
    pub(super) agent: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) target: Option<&'a str>,
    /// Tells requests with different paths or bodies apart.
    pub(super) content: u64,
}

/// Remembers who asked what.
#[derive(Debug)]
pub(super) struct Repeats(Cache<Arc<str>, Uuid>);

impl Default for Repeats {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build())
    }
}

impl Repeats {
    /// The first decision about this request, unless this one is it.
    pub(super) fn first(&self, asked: Asked<'_>, id: Uuid) -> Option<Uuid> {
        if asked.request_id.is_empty() {
            return None;
        }
        let part = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let content = asked.content.to_string();
        let key =
            [asked.request_id.to_owned(), content, part(asked.agent), part(asked.method), part(asked.target)]
                .join("\0");
        let first = self.0.get_with(key.into(), || id);
        (first != id).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_check_of_one_request_names_the_first_and_another_request_none() {
        let repeats = Repeats::default();
        let asked = Asked {
            request_id: "r1",
            agent: Some("bot"),
            method: Some("tools/call"),
            target: Some("pay"),
            content: 7,
        };
        let ids: Vec<_> = (0..4).map(|_| Uuid::now_v7()).collect();
        assert_eq!(repeats.first(asked, ids[0]), None);
        assert_eq!(repeats.first(asked, ids[1]), Some(ids[0]));
        assert_eq!(repeats.first(asked, ids[2]), Some(ids[0]));
        for other in [
            Asked { request_id: "r2", ..asked },
            Asked { agent: Some("bob"), ..asked },
            Asked { method: Some("prompts/get"), ..asked },
            Asked { target: None, ..asked },
            Asked { content: 8, ..asked },
        ] {
            assert_eq!(repeats.first(other, ids[3]), None, "{other:?}");
        }
    }

    #[test]
    fn requests_without_an_id_are_each_their_own() {
        let repeats = Repeats::default();
        let asked = Asked { request_id: "", agent: None, method: None, target: None, content: 0 };
        assert_eq!(repeats.first(asked, Uuid::now_v7()), None);
        assert_eq!(repeats.first(asked, Uuid::now_v7()), None);
    }
}
