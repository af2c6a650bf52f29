//! `interdict.v1.Outcomes`: the enforcement point tells how allowed calls ended.
//!
//! What it says is checked and recorded; nothing else depends on it. Reporting twice changes nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use interdict_audit::record;
use interdict_proto::outcome::server::{Outcomes as Service, OutcomesServer};
use interdict_proto::outcome::{Ended, MAX_BATCH, Outcome, ReportRequest, ReportResponse, Rpc};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::audit::Appending;
use crate::record::Recording;
use crate::record::outcomes::Taken;

/// The largest batch in bytes; one outcome takes about 70.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The gRPC service, ready to be added to a server. Without recording it takes everything and keeps nothing.
pub fn outcomes_service(recording: Option<Arc<Recording>>) -> OutcomesServer<OutcomesDoor> {
    OutcomesServer::new(OutcomesDoor { recording }).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// The service.
#[derive(Debug, Clone)]
pub struct OutcomesDoor {
    recording: Option<Arc<Recording>>,
}

/// An outcome that makes sense.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    id: Uuid,
    ended: record::Ended,
    rpc: record::Rpc,
    http_status: Option<u16>,
    grpc: Option<u32>,
    rpc_code: Option<i64>,
    bytes: u64,
    duration_us: u64,
}

#[tonic::async_trait]
impl Service for OutcomesDoor {
    async fn report(&self, call: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let outcomes = call.into_inner().outcomes;
        if outcomes.len() > MAX_BATCH {
            return Err(Status::invalid_argument("more than 512 outcomes at once"));
        }
        let Some(recording) = self.recording.clone() else {
            return Ok(answer(outcomes.len()));
        };
        // A task of its own: what was taken from those that are awaited is recorded or given back, also when the
        // enforcement point goes away.
        let taken = tokio::spawn(async move { take_all(&recording, &outcomes).await });
        taken.await.map(answer).map_err(|_| Status::internal("the outcomes could not be recorded"))
    }
}

fn answer(taken: usize) -> Response<ReportResponse> {
    // At most 512.
    Response::new(ReportResponse { taken: u32::try_from(taken).unwrap_or(u32::MAX) })
}

/// How many from the front need not be sent again. All are queued before the first is waited for, so that they share
/// their commits.
async fn take_all(recording: &Recording, outcomes: &[Outcome]) -> usize {
    let queued: Vec<_> = outcomes.iter().map(|outcome| queue(recording, outcome)).collect();
    let mut whole = 0;
    let mut broken = false;
    for entry in queued {
        broken |= match entry {
            Some(entry) => !entry.recorded(recording).await,
            None => false,
        };
        whole += usize::from(!broken);
    }
    whole
}

/// An outcome on its way into the log.
struct Queued {
    id: Uuid,
    taken: Taken,
    appending: Appending,
}

/// Queues an outcome; `None` for one that nobody waits for.
fn queue(recording: &Recording, outcome: &Outcome) -> Option<Queued> {
    let outcomes = recording.outcomes();
    let Some(told) = read(outcome) else {
        outcomes.count("invalid");
        return None;
    };
    let Some(taken) = outcomes.take(told.id) else {
        outcomes.count("unknown");
        return None;
    };
    let body = told.body(&outcome.decision_id, taken.late);
    let entry = recording.outcome(&taken.tenant, told.id, &body)?;
    Some(Queued { id: told.id, taken, appending: recording.recorder().append(entry) })
}

impl Queued {
    /// Waits for the commit.
    async fn recorded(self, recording: &Recording) -> bool {
        let outcomes = recording.outcomes();
        match self.appending.await {
            Ok(_) => {
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
fn read(outcome: &Outcome) -> Option<Told> {
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

impl Told {
    fn body<'a>(&self, decision_id: &'a str, late: bool) -> record::Outcome<'a> {
        record::Outcome {
            bytes: self.bytes.into(),
            decision_id: decision_id.into(),
            duration_us: self.duration_us.into(),
            ended: self.ended,
            found: Vec::new(),
            grpc: self.grpc.map(Into::into),
            http_status: self.http_status,
            late,
            rows_cut: None,
            rpc: self.rpc,
            rpc_code: self.rpc_code.map(Into::into),
            treated: None,
            treated_reason: None,
        }
    }
}

#[cfg(test)]
mod tests;
