//! How a client is told that a person has to decide first.
//!
//! What each SDK was seen to do decides the form (MCP revision in brackets):
//!
//! - `input_required` with our `requestState` (2026-07-28): the client comes back by itself, up to ten times. Needs an
//!   enforcement point that can take our state out again, and a request that is not in a round of the server's own.
//! - error -32042 (2025-11-25): the client shows the approval page. Only if it declared that it can.
//! - a JSON-RPC error with the approval's id, in the text too, because several hosts show nothing else. An identical
//!   call finds the approval.

use interdict_mcp::reply::{self, Facts, Reply, UrlElicitation, code};
use interdict_mcp::{Era, Method};

use super::request_state::RequestState;
use super::{Approvals, Question, Waiting, own_state};
use crate::decide::Judged;

/// The official clients give up after ten rounds; the tenth answer must be one that they show.
const MAX_ROUNDS: u32 = 9;

/// Seconds after which it makes sense to ask again.
const RETRY_AFTER_S: u32 = 15;

/// Life of a `requestState` beyond the approval's own: none.
fn expiry(waiting: &Waiting) -> i64 {
    waiting.approval.expires_at.as_second()
}

impl Approvals {
    /// The answer to a call whose question is open. `declared_before`: the client of the 2025-11-25 wire declared URL
    /// elicitation when it initialised.
    pub(crate) fn reply(
        &self,
        question: &Question<'_>,
        judged: &Judged,
        waiting: &Waiting,
        declared_before: bool,
        (reason, text): (&str, &str),
        decision_id: &str,
    ) -> Reply {
        let message = question.message;
        let id = &waiting.approval.id;
        let url = self.page_url.as_ref().map(|page| page.replace("{id}", id));
        let facts = Facts {
            reason,
            decision_id,
            approval_id: Some(id),
            status_url: url.as_deref(),
            retry_after_s: Some(RETRY_AFTER_S),
        };
        let text = format!(
            "{text} A person has to approve this call first; repeat it unchanged after approval {id} was granted \
             (reason {reason}, decision {decision_id})"
        );
        let page =
            url.as_deref().map(|url| UrlElicitation { id, url, message: "Approve or refuse this call." });
        let Some(request_id) = message.id() else { return reply::accepted() };

        if self.can_round(question, judged, waiting) {
            let state = RequestState {
                approval_id: id.clone(),
                agent: question.call.identity.agent_id.clone(),
                action_digest: waiting.action_digest.clone(),
                round: waiting.round,
                exp: expiry(waiting),
            };
            let page = page.as_ref().filter(|_| waiting.round == 1 && message.declares_url_elicitation());
            if let Ok(state) = self.sealer.seal(&state) {
                return reply::input_required(request_id, &state, page);
            }
        }
        if message.era() == Era::V2025_11_25
            && declared_before
            && let Some(page) = &page
        {
            return reply::url_elicitation_required(request_id, &text, page, &facts);
        }
        reply::error(Some(request_id), code::APPROVAL_REQUIRED, &text, &facts)
    }

    /// Whether this client can be sent on a round of ours.
    fn can_round(&self, question: &Question<'_>, judged: &Judged, waiting: &Waiting) -> bool {
        let message = question.message;
        // MCP 2026-07-28: the requests whose result may be `input_required`.
        let may_ask =
            matches!(message.method(), Some(Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead));
        message.era().is_modern()
            && may_ask
            && waiting.round <= MAX_ROUNDS
            && judged.kind.can_edit_body()
            && !own_state::is_foreign(message)
    }
}
