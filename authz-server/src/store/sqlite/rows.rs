//! The statements. Every arrow of an approval's life is one `UPDATE … WHERE id = ? AND state = ?`: who changes a row
//! has taken the arrow, who changes none was too late.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params, params};

use super::super::{
    Approval, ApprovalState, ApprovalTotal, HumanAnswer, ListFilter, Move, NewApproval, StoreError,
    arguments, name,
};

/// An answer, and which approvals changed on the way.
pub(super) struct Change<T> {
    pub(super) value: T,
    /// Whoever watches one of these looks again.
    pub(super) changed: Vec<String>,
    /// What others are told of.
    pub(super) moves: Vec<(Move, Approval)>,
}

impl<T> Change<T> {
    fn none(value: T) -> Self {
        Self { value, changed: Vec::new(), moves: Vec::new() }
    }

    /// With approvals that expired on the way.
    fn and_expired(mut self, expired: Vec<Approval>) -> Self {
        self.changed.extend(expired.iter().map(|approval| approval.id.clone()));
        let expired = expired.into_iter().map(|approval| (Move::Expired, approval));
        self.moves = expired.chain(self.moves).collect();
        self
    }
}

type Outcome<T> = Result<Change<T>, StoreError>;

fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Immediate, so that what is read cannot change before what is written.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)
}

/// Changes when another connection has committed; -1 when it cannot be read.
pub(in crate::store) fn data_version(connection: &Connection) -> i64 {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).unwrap_or(-1)
}

pub(super) fn open_or_get(
    connection: &mut Connection,
    new: &NewApproval,
    most_pending: u32,
) -> Outcome<Approval> {
    let now = new.created_at;
    let transaction = begin(connection)?;
    let expired = expire(&transaction, now)?;
    let open = transaction
        .query_row(
            // A person's "no" holds until it expires: asking again finds it instead of asking somebody else.
            "SELECT * FROM approvals
             WHERE binding = ?1 AND (state IN ('pending', 'approved') OR (state = 'denied' AND expires_at > ?2))
             ORDER BY id DESC LIMIT 1",
            params![new.binding, now.as_microsecond()],
            read,
        )
        .optional()
        .map_err(unavailable)?;
    if let Some(open) = open {
        transaction.commit().map_err(unavailable)?;
        return Ok(Change::none(open).and_expired(expired));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let superseded = supersede_others(&transaction, new, &id).map_err(unavailable)?;
    let pending: u32 = transaction
        .query_row(
            "SELECT count(*) FROM approvals WHERE agent = ?1 AND state = 'pending'",
            [&new.agent],
            |row| row.get(0),
        )
        .map_err(unavailable)?;
    if pending >= most_pending {
        return Err(StoreError::TooManyPending(pending));
    }
    let reasons =
        serde_json::to_string(&new.reasons).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    transaction
        .execute(
            "INSERT INTO approvals (id, state, binding, tenant, agent, agent_owner, principal, server, method, tool,
               action_digest, policy_digest, reasons, arguments_json, era, created_at, expires_at)
             VALUES (:id, 'pending', :binding, :tenant, :agent, :agent_owner, :principal, :server, :method, :tool,
               :action_digest, :policy_digest, :reasons, :arguments_json, :era, :created_at, :expires_at)",
            named_params! {
                ":id": id, ":binding": new.binding, ":tenant": new.tenant, ":agent": new.agent,
                ":agent_owner": new.agent_owner, ":principal": new.principal, ":server": new.server,
                ":method": new.method, ":tool": new.tool, ":action_digest": new.action_digest,
                ":policy_digest": new.policy_digest, ":reasons": reasons, ":arguments_json": arguments::kept(&new.arguments_json),
                ":era": new.era, ":created_at": new.created_at.as_microsecond(),
                ":expires_at": new.expires_at.as_microsecond(),
            },
        )
        .map_err(unavailable)?;
    put_totals(&transaction, &id, &new.totals)?;
    let approval = find(&transaction, &id)?.ok_or(StoreError::NotFound)?;
    transaction.commit().map_err(unavailable)?;
    let changed = superseded.iter().map(|old| old.id.clone()).chain([id]).collect();
    let mut moves: Vec<_> = superseded.into_iter().map(|old| (Move::Superseded, old)).collect();
    moves.push((Move::Opened, approval.clone()));
    Ok(Change { value: approval, changed, moves }.and_expired(expired))
}

/// The same action asked again with another binding (other policy, other reasons): the old question is void.
fn supersede_others(connection: &Connection, new: &NewApproval, id: &str) -> rusqlite::Result<Vec<Approval>> {
    connection
        .prepare_cached(
            "UPDATE approvals SET state = 'superseded', superseded_by = ?1
             WHERE agent = ?2 AND action_digest = ?3 AND state = 'pending' RETURNING *",
        )?
        .query_map(params![id, new.agent, new.action_digest], read)?
        .collect()
}

pub(super) fn get(connection: &mut Connection, id: &str, now: Timestamp) -> Outcome<Option<Approval>> {
    // Lazily: a row past its time is shown as expired; the sweeper writes it down.
    let Some(approval) = find(connection, id)? else { return Ok(Change::none(None)) };
    let totals = totals_of(connection, id)?;
    Ok(Change::none(Some(Approval { totals, ..seen_at(approval, now) })))
}

fn put_totals(connection: &Connection, id: &str, totals: &[ApprovalTotal]) -> Result<(), StoreError> {
    if totals.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(totals).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let sql = "INSERT INTO approval_totals (id, totals) VALUES (?1, ?2)";
    connection.execute(sql, params![id, text]).map(drop).map_err(unavailable)
}

fn totals_of(connection: &Connection, id: &str) -> Result<Vec<ApprovalTotal>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT totals FROM approval_totals WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    let read = |text: String| serde_json::from_str(&text);
    text.map_or(Ok(Vec::new()), read).map_err(|error| unavailable(damaged(format!("totals: {error}"))))
}

pub(super) fn list(
    connection: &mut Connection,
    filter: &ListFilter,
    now: Timestamp,
) -> Outcome<Vec<Approval>> {
    let transaction = begin(connection)?;
    let expired = expire(&transaction, now)?;
    let limit = match filter.limit {
        0 => ListFilter::DEFAULT_LIMIT,
        some => some.min(ListFilter::MAX_LIMIT),
    };
    let mut statement = transaction
        .prepare_cached(
            "SELECT id, state, binding, tenant, agent, agent_owner, principal, server, method, tool, action_digest,
               policy_digest, reasons, '' AS arguments_json, era, created_at, expires_at, decided_by, decided_at, note,
               consumed_at, superseded_by
             FROM approvals
             WHERE (:state IS NULL OR state = :state) AND (:agent IS NULL OR agent = :agent)
               AND (:server IS NULL OR server = :server)
             ORDER BY created_at DESC, id DESC LIMIT :limit",
        )
        .map_err(unavailable)?;
    let rows = statement
        .query_map(
            named_params! {
                ":state": filter.state.map(ApprovalState::label), ":agent": filter.agent,
                ":server": filter.server, ":limit": limit,
            },
            read,
        )
        .map_err(unavailable)?;
    let mut found = rows.collect::<Result<Vec<_>, _>>().map_err(unavailable)?;
    found.reverse();
    drop(statement);
    transaction.commit().map_err(unavailable)?;
    Ok(Change::none(found).and_expired(expired))
}

pub(super) fn decide(
    connection: &mut Connection,
    id: &str,
    answer: HumanAnswer,
    by: &str,
    note: Option<&str>,
    now: Timestamp,
) -> Outcome<Approval> {
    let transaction = begin(connection)?;
    let approval = pending(&transaction, id, now)?;
    let state = match answer {
        HumanAnswer::Approve if gains(&approval, by) => return Err(StoreError::SelfApproval),
        HumanAnswer::Approve => ApprovalState::Approved,
        HumanAnswer::Deny => ApprovalState::Denied,
    };
    let changed = transaction
        .execute(
            "UPDATE approvals SET state = ?1, decided_by = ?2, decided_at = ?3, note = ?4
             WHERE id = ?5 AND state = 'pending' AND expires_at > ?3",
            params![state.label(), by, now.as_microsecond(), note, id],
        )
        .map_err(unavailable)?;
    // Whoever takes a person's answer records it before it is written here.
    finish(transaction, id, changed, None)
}

pub(super) fn consume(
    connection: &mut Connection,
    id: &str,
    binding: &str,
    now: Timestamp,
) -> Outcome<Approval> {
    let transaction = begin(connection)?;
    let approval = find(&transaction, id)?.ok_or(StoreError::NotFound)?;
    if approval.binding != binding {
        return Err(StoreError::BindingMismatch);
    }
    match seen_at(approval, now).state {
        ApprovalState::Approved => {}
        ApprovalState::Expired => return Err(StoreError::Expired),
        other => return Err(StoreError::NotApproved(other)),
    }
    let changed = transaction
        .execute(
            "UPDATE approvals SET state = 'consumed', consumed_at = ?1
             WHERE id = ?2 AND binding = ?3 AND state = 'approved' AND expires_at > ?1",
            params![now.as_microsecond(), id, binding],
        )
        .map_err(unavailable)?;
    finish(transaction, id, changed, Some(Move::Consumed))
}

/// `PENDING →` cancelled or superseded.
pub(super) fn close(
    connection: &mut Connection,
    id: &str,
    state: ApprovalState,
    by: Option<&str>,
    by_id: Option<&str>,
    now: Timestamp,
) -> Outcome<Approval> {
    let transaction = begin(connection)?;
    pending(&transaction, id, now)?;
    let changed = transaction
        .execute(
            "UPDATE approvals SET state = ?1, decided_by = ?2, decided_at = ?3, superseded_by = ?4
             WHERE id = ?5 AND state = 'pending'",
            params![state.label(), by, now.as_microsecond(), by_id, id],
        )
        .map_err(unavailable)?;
    let moved = match state {
        ApprovalState::Cancelled => Some(Move::Cancelled),
        ApprovalState::Superseded => Some(Move::Superseded),
        _ => None,
    };
    finish(transaction, id, changed, moved)
}

pub(super) fn expire_due(connection: &mut Connection, now: Timestamp) -> Outcome<u64> {
    let expired = expire(connection, now)?;
    Ok(Change::none(expired.len() as u64).and_expired(expired))
}

fn expire(connection: &Connection, now: Timestamp) -> Result<Vec<Approval>, StoreError> {
    connection
        .prepare_cached(
            "UPDATE approvals SET state = 'expired' WHERE state IN ('pending', 'approved') AND expires_at <= ?1
             RETURNING *",
        )
        .and_then(|mut statement| statement.query_map([now.as_microsecond()], read)?.collect())
        .map_err(unavailable)
}

/// Rows of one deletion: more wait for the next sweep, so that no call waits long for this.
const DELETED_AT_ONCE: u32 = 500;

/// Deletes closed rows that lapsed before this moment.
pub(super) fn delete_closed(connection: &Connection, before: Timestamp) -> Result<u64, StoreError> {
    let deleted = connection
        .execute(
            "DELETE FROM approvals WHERE id IN (SELECT id FROM approvals
               WHERE state NOT IN ('pending', 'approved') AND expires_at <= ?1 LIMIT ?2)",
            params![before.as_microsecond(), DELETED_AT_ONCE],
        )
        .map_err(unavailable)?;
    Ok(deleted as u64)
}

/// Commits an arrow that was taken; one row must have changed, since the transaction holds the write lock.
fn finish(transaction: Transaction<'_>, id: &str, changed: usize, moved: Option<Move>) -> Outcome<Approval> {
    let approval = find(&transaction, id)?.ok_or(StoreError::NotFound)?;
    if changed != 1 {
        return Err(StoreError::AlreadyDecided(approval.state));
    }
    transaction.commit().map_err(unavailable)?;
    let moves = moved.map(|moved| (moved, approval.clone())).into_iter().collect();
    Ok(Change { value: approval, changed: vec![id.to_owned()], moves })
}

/// The row, if it can still be answered.
fn pending(connection: &Connection, id: &str, now: Timestamp) -> Result<Approval, StoreError> {
    let approval = seen_at(find(connection, id)?.ok_or(StoreError::NotFound)?, now);
    match approval.state {
        ApprovalState::Pending => Ok(approval),
        ApprovalState::Expired => Err(StoreError::Expired),
        other => Err(StoreError::AlreadyDecided(other)),
    }
}

/// `Ana` does not approve what `ana` owns, and neither does `an\u{200b}a`.
fn gains(approval: &Approval, by: &str) -> bool {
    let same = |name: &str| name::same(name, by);
    same(&approval.agent) || same(&approval.agent_owner) || approval.principal.as_deref().is_some_and(same)
}

fn seen_at(mut approval: Approval, now: Timestamp) -> Approval {
    if approval.state.is_open() && approval.expires_at <= now {
        approval.state = ApprovalState::Expired;
    }
    approval
}

fn find(connection: &Connection, id: &str) -> Result<Option<Approval>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM approvals WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .map_err(unavailable)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Approval> {
    Ok(Approval {
        id: row.get("id")?,
        state: {
            let label: String = row.get("state")?;
            ApprovalState::from_label(&label).ok_or_else(|| damaged(format!("unknown state `{label}`")))?
        },
        binding: row.get("binding")?,
        tenant: row.get("tenant")?,
        agent: row.get("agent")?,
        agent_owner: row.get("agent_owner")?,
        principal: row.get("principal")?,
        server: row.get("server")?,
        method: row.get("method")?,
        tool: row.get("tool")?,
        action_digest: row.get("action_digest")?,
        policy_digest: row.get("policy_digest")?,
        reasons: {
            let text: String = row.get("reasons")?;
            serde_json::from_str(&text).map_err(|error| damaged(format!("reasons: {error}")))?
        },
        totals: Vec::new(),
        arguments_json: row.get("arguments_json")?,
        era: row.get("era")?,
        created_at: time(row.get("created_at")?)?,
        expires_at: time(row.get("expires_at")?)?,
        decided_by: row.get("decided_by")?,
        decided_at: row.get::<_, Option<i64>>("decided_at")?.map(time).transpose()?,
        note: row.get("note")?,
        consumed_at: row.get::<_, Option<i64>>("consumed_at")?.map(time).transpose()?,
        superseded_by: row.get("superseded_by")?,
    })
}

fn time(microseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(|error| damaged(format!("time: {error}")))
}

fn damaged(reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, reason.into())
}
