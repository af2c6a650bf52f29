//! An entry on one line.

use interdict_audit::record::{
    AnyBody, Approval, Bundle, Decision, Entry, Key, Lift, Moment, Outcome, Pin, RecordError,
};

use super::treated;
use crate::cli::plain;

/// Columns of the line, without the last one.
const WIDTHS: [usize; 6] = [24, 10, 7, 10, 16, 28];

/// `time tenant #seq what who whom why id`; everything that others wrote is made harmless.
pub(super) fn of(entry: &Entry<'_>) -> String {
    let what = entry.body().map(|body| What::of(&body)).unwrap_or_else(|error| What::unreadable(&error));
    let seq = format!("#{}", entry.seq);
    let time = entry.ts.to_string();
    let columns = [&time, entry.tenant, &seq, &what.word, &what.who, &what.whom].map(plain::line);
    let mut line = String::with_capacity(160);
    for (text, width) in columns.iter().zip(WIDTHS) {
        line.push_str(&padded(text, width));
        line.push_str("  ");
    }
    line.push_str(&plain::line(&what.why));
    line.trim_end().to_owned()
}

/// An entry that is none.
pub(super) fn broken(seq: u64, error: &RecordError) -> String {
    format!("#{seq}  UNREADABLE  {} [{}]", plain::line(&error.to_string()), error.code())
}

/// Filled with blanks; longer ones push the rest.
pub(super) fn padded(text: &str, width: usize) -> String {
    let length = text.chars().count();
    let blanks = width.saturating_sub(length);
    format!("{text}{}", " ".repeat(blanks))
}

/// `12.3 ms` of microseconds.
pub(super) fn millis(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

/// The columns between the number and the end.
#[derive(Default)]
struct What {
    word: String,
    who: String,
    whom: String,
    why: String,
}

impl What {
    fn of(body: &AnyBody) -> Self {
        match body {
            AnyBody::Decision(body) => Self::decision(body),
            AnyBody::Outcome(body) => Self::outcome(body),
            AnyBody::Approval(body) => Self::approval(body),
            AnyBody::Bundle(body) => Self::bundle(body),
            AnyBody::Key(body) => Self::key(body),
            AnyBody::Pin(body) => Self::pin(body),
            AnyBody::Lift(body) => Self::lift(body),
            other => Self::event(other),
        }
    }

    fn unreadable(error: &RecordError) -> Self {
        Self { word: "UNREADABLE".to_owned(), why: error.to_string(), ..Self::default() }
    }

    fn decision(body: &Decision<'_>) -> Self {
        let agent = body.agent.as_ref().map_or("-", |agent| &agent.id);
        Self {
            word: body.verdict.label().to_uppercase(),
            who: agent.to_owned(),
            whom: action(body),
            why: format!("{}  {}", body.reason, body.decision_id),
        }
    }

    fn outcome(body: &Outcome<'_>) -> Self {
        let late = if body.late { " (late)" } else { "" };
        Self {
            word: "outcome".to_owned(),
            who: body.ended.label().to_owned(),
            whom: format!("{} in {}{late}", treated::ended(body), millis(body.duration_us.get())),
            why: body.decision_id.to_string(),
        }
    }

    fn approval(body: &Approval<'_>) -> Self {
        let by = body.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        Self {
            word: "approval".to_owned(),
            who: body.agent.to_string(),
            whom: format!("{} {}", body.server, body.tool.as_ref().unwrap_or(&body.method)),
            why: format!("{}{by}  {}", body.event, body.approval_id),
        }
    }

    fn bundle(body: &Bundle<'_>) -> Self {
        let digest = body.digest.as_deref().map(short).unwrap_or_default();
        let code = body.code.as_ref().map(|code| format!("  [{code}]")).unwrap_or_default();
        Self {
            word: "bundle".to_owned(),
            who: body.event.label().to_owned(),
            whom: digest,
            why: format!("{}{code}", body.source),
        }
    }

    fn pin(body: &Pin<'_>) -> Self {
        let by = body.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        Self {
            word: "pin".to_owned(),
            who: body.kind.label().to_owned(),
            whom: format!("{} {}", body.server, body.name),
            why: format!("{}{by}  {}", body.event.label(), short(&body.digest)),
        }
    }

    fn lift(body: &Lift<'_>) -> Self {
        let of = [&body.server, &body.tool, &body.total, &body.window, &body.label];
        let of: Vec<_> = of.into_iter().flatten().map(AsRef::as_ref).collect();
        let stood = body.stood.map(|stood| format!(" at {}", stood.get())).unwrap_or_default();
        let counter = body.counter.as_deref().map(|id| format!(" ({})", short(id))).unwrap_or_default();
        Self {
            word: "lift".to_owned(),
            who: body.agent.to_string(),
            whom: of.join(" "),
            why: format!("{}{stood}{counter} by {}: {}", body.event, body.by, body.why),
        }
    }

    fn key(body: &Key<'_>) -> Self {
        let about = body.day.as_ref().or(body.key.as_ref());
        Self {
            word: "key".to_owned(),
            who: body.event.label().to_owned(),
            whom: about.map(ToString::to_string).unwrap_or_default(),
            why: String::new(),
        }
    }

    fn event(body: &AnyBody) -> Self {
        let word = body.kind().label().to_owned();
        let (who, why) = match body {
            AnyBody::OutcomeMissing(body) => {
                (format!("after {} s", body.deadline_seconds.get()), body.decision_id.to_string())
            }
            AnyBody::Start(body) => (body.replica.to_string(), format!("{}  {}", body.build, body.engine)),
            AnyBody::Stop(body) => {
                (body.replica.to_string(), if body.clean { "clean" } else { "not clean" }.to_owned())
            }
            AnyBody::ReplayDifference(body) => ("DIFFERENT".to_owned(), body.decision_id.to_string()),
            AnyBody::Gap(body) => (
                format!("{} entries", body.count.get()),
                format!("{} to {}  [{}]", body.from, body.to, body.reason),
            ),
            AnyBody::Health(body) => {
                (body.event.label().to_owned(), body.code.as_deref().unwrap_or_default().to_owned())
            }
            _ => (String::new(), String::new()),
        };
        Self { word, who, whom: String::new(), why }
    }
}

/// `files read_file`, as far as it is known.
pub(super) fn action(body: &Decision<'_>) -> String {
    let action = &body.action;
    let kind = action.kind.map(|kind| kind.label());
    let what = action.target.as_deref().or(action.method.as_deref()).or(kind).unwrap_or("-");
    format!("{} {what}", action.server.as_deref().unwrap_or("-"))
}

/// `200 result`, `200 error -32602`.
pub(super) fn answered(body: &Outcome<'_>) -> String {
    let status = body.http_status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let code = body.rpc_code.map(|code| format!(" {}", code.get())).unwrap_or_default();
    format!("{status} {}{code}", body.rpc.label())
}

/// The first digits of a digest.
pub(in crate::cli) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// A moment as a text of the log.
pub(super) fn time(ms: i64) -> String {
    Moment::from_unix_ms(ms).to_string()
}
