//! `interdict.v1.Outcomes`: the enforcement point tells how allowed calls ended.
//!
//! What it says is checked and recorded, and what it found in responses is part of the session from then on. Reporting
//! twice changes nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use interdict_audit::record;
use interdict_proto::outcome::server::{Outcomes as Service, OutcomesServer};
use interdict_proto::outcome::{
    Ended, Found, MAX_BATCH, Outcome, ReportRequest, ReportResponse, Rpc, Treated,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::audit::Appending;
use crate::content::{self, ContentStage};
use crate::record::Recording;
use crate::record::outcomes::Taken;

/// The largest batch in bytes. One outcome takes about 70, one with quarantined texts up to a megabyte.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// The gRPC service, ready to be added to a server. Without recording it takes everything, tells `content`, and keeps
/// nothing.
pub fn outcomes_service(
    recording: Option<Arc<Recording>>,
    content: Arc<ContentStage>,
) -> OutcomesServer<OutcomesDoor> {
    OutcomesServer::new(OutcomesDoor::new(recording, content)).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// The service.
#[derive(Debug, Clone)]
pub struct OutcomesDoor {
    recording: Option<Arc<Recording>>,
    content: Arc<ContentStage>,
}

impl OutcomesDoor {
    /// A door to these.
    pub fn new(recording: Option<Arc<Recording>>, content: Arc<ContentStage>) -> Self {
        Self { recording, content }
    }
}

/// An outcome that makes sense.
#[derive(Debug)]
struct Told<'o> {
    id: Uuid,
    ended: record::Ended,
    rpc: record::Rpc,
    http_status: Option<u16>,
    grpc: Option<u32>,
    rpc_code: Option<i64>,
    bytes: u64,
    duration_us: u64,
    content: content::Told<'o>,
}

#[tonic::async_trait]
impl Service for OutcomesDoor {
    async fn report(&self, call: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let ReportRequest { outcomes, hostile } = call.into_inner();
        if outcomes.len().max(hostile.len()) > MAX_BATCH {
            return Err(Status::invalid_argument("more than 512 outcomes at once"));
        }
        let content = Arc::clone(&self.content);
        hostile.iter().for_each(|decision_id| content.warn(decision_id));
        let Some(recording) = self.recording.clone() else {
            outcomes.iter().filter_map(read).for_each(|told| content.learn(&told.content));
            return Ok(answer(outcomes.len()));
        };
        // A task of its own: what was taken from those that are awaited is recorded or given back, also when the
        // enforcement point goes away.
        let taken = tokio::spawn(async move { take_all(&recording, &content, &outcomes).await });
        taken.await.map(answer).map_err(|_| Status::internal("the outcomes could not be recorded"))
    }
}

fn answer(taken: usize) -> Response<ReportResponse> {
    // At most 512.
    Response::new(ReportResponse { taken: u32::try_from(taken).unwrap_or(u32::MAX) })
}

/// How many from the front need not be sent again. All are queued before the first is waited for, so that they share
/// their commits.
async fn take_all(recording: &Recording, content: &ContentStage, outcomes: &[Outcome]) -> usize {
    let queued: Vec<_> = outcomes.iter().map(|outcome| queue(recording, content, outcome)).collect();
    let mut whole = 0;
    let mut broken = false;
    for entry in queued {
        broken |= match entry {
            Queued::Ours(entry) => !entry.recorded(recording).await,
            // Asked when all before it are settled: the same one told twice in one report is in the log then.
            Queued::Elsewhere(id) => recording.outcomes().is_open(id),
            Queued::Nothing => false,
        };
        whole += usize::from(!broken);
    }
    whole
}

/// What becomes of a told outcome.
enum Queued {
    Ours(OnItsWay),
    /// Nobody waits for it, or it came before. While that one is on its way, this one may have to come again.
    Elsewhere(Uuid),
    Nothing,
}

/// An outcome on its way into the log.
struct OnItsWay {
    id: Uuid,
    taken: Taken,
    appending: Appending,
}

fn queue(recording: &Recording, content: &ContentStage, outcome: &Outcome) -> Queued {
    let outcomes = recording.outcomes();
    let Some(told) = read(outcome) else {
        outcomes.count("invalid");
        return Queued::Nothing;
    };
    let Some(taken) = outcomes.take(told.id) else {
        outcomes.count("unknown");
        return Queued::Elsewhere(told.id);
    };
    content.learn(&told.content);
    let body = told.body(outcome, taken.late);
    let Some(entry) = recording.outcome(&taken.tenant, told.id, &body) else {
        outcomes.settle(told.id);
        return Queued::Nothing;
    };
    Queued::Ours(OnItsWay { id: told.id, taken, appending: recording.recorder().append(entry) })
}

impl OnItsWay {
    /// Waits for the commit.
    async fn recorded(self, recording: &Recording) -> bool {
        let outcomes = recording.outcomes();
        match self.appending.await {
            Ok(_) => {
                outcomes.settle(self.id);
                outcomes.count(if self.taken.late { "late" } else { "recorded" });
                true
            }
            Err(error) => {
                tracing::warn!(code = error.code, "an outcome could not be recorded; it is to be sent again");
                outcomes.give_back(self.id, self.taken);
                outcomes.count("unrecorded");
                false
            }
        }
    }
}

/// Strictly: `None` for what no enforcement point of ours says.
fn read(outcome: &Outcome) -> Option<Told<'_>> {
    let id = Uuid::try_parse(&outcome.decision_id).ok()?;
    // One spelling: the text goes into the record.
    if id.to_string() != outcome.decision_id {
        return None;
    }
    let http_status = match outcome.http_status {
        0 => None,
        status @ 100..=599 => Some(u16::try_from(status).ok()?),
        _ => return None,
    };
    let rpc = match outcome.rpc() {
        Rpc::Unspecified => return None,
        Rpc::Result => record::Rpc::Result,
        Rpc::ToolError => record::Rpc::ToolError,
        Rpc::Error => record::Rpc::Error,
        Rpc::None => record::Rpc::None,
        Rpc::Unread => record::Rpc::Unread,
    };
    let ended = match outcome.ended() {
        Ended::Unspecified => return None,
        Ended::Complete => record::Ended::Complete,
        Ended::Reset => record::Ended::Reset,
        Ended::LocalReply => record::Ended::LocalReply,
    };
    if !is_possible(id, Duration::from_micros(outcome.duration_us)) {
        return None;
    }
    if outcome.rpc_code.is_some() && rpc != record::Rpc::Error {
        return None;
    }
    Some(Told {
        id,
        ended,
        rpc,
        http_status,
        grpc: outcome.grpc_status,
        rpc_code: outcome.rpc_code,
        bytes: outcome.bytes,
        duration_us: outcome.duration_us,
        content: content::Told::read(outcome)?,
    })
}

/// A call cannot have taken longer than its decision is old; clocks of two machines differ a little. (The id is a UUID of
/// version 7: it says when it was made.)
fn is_possible(id: Uuid, took: Duration) -> bool {
    const CLOCKS: Duration = Duration::from_secs(60);
    let made = id.get_timestamp().map(|time| time.to_unix());
    let Some((seconds, nanos)) = made else { return false };
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    took <= age.saturating_sub(Duration::new(seconds, nanos)).saturating_add(CLOCKS)
}

impl Told<'_> {
    fn body<'a>(&self, outcome: &'a Outcome, late: bool) -> record::Outcome<'a> {
        record::Outcome {
            bytes: self.bytes.into(),
            decision_id: outcome.decision_id.as_str().into(),
            duration_us: self.duration_us.into(),
            ended: self.ended,
            found: outcome.found.iter().map(found).collect(),
            grpc: self.grpc.map(Into::into),
            http_status: self.http_status,
            late,
            rows_cut: Some(outcome.rows_cut.into()).filter(|_| outcome.rows_cut > 0),
            rpc: self.rpc,
            rpc_code: self.rpc_code.map(Into::into),
            treated: treated(outcome.treated()),
            treated_reason: Some(outcome.treated_reason.as_str().into())
                .filter(|_| !outcome.treated_reason.is_empty()),
        }
    }
}

fn found(found: &Found) -> record::Found<'_> {
    record::Found {
        action: found.action.as_str().into(),
        class: found.class.as_str().into(),
        count: found.count.into(),
    }
}

fn treated(treated: Treated) -> Option<record::Treated> {
    Some(match treated {
        Treated::Unspecified => return None,
        Treated::Untouched => record::Treated::Untouched,
        Treated::Edited => record::Treated::Edited,
        Treated::Refused => record::Treated::Refused,
        Treated::Quarantined => record::Treated::Quarantined,
    })
}

#[cfg(test)]
mod tests;
