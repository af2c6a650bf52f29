//! Which entries are wanted.

use clap::{Args, ValueEnum};
use interdict_audit::record::{AnyBody, Decision, Entry, Kind, Moment, Outcome, Verdict};
use jiff::{SignedDuration, Timestamp};

/// A moment as it was asked for.
pub(in crate::cli) type When = Moment;

/// Reads `2026-11-21T14:30:00Z`, `2026-11-21` (its beginning, UTC), or `90s`, `30m`, `2h`, `7d` before now.
pub(in crate::cli) fn parse_when(text: &str) -> Result<When, String> {
    parse_at(text, Timestamp::now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<When, String> {
    let wrong =
        || format!("`{text}` is no time; write 2026-11-21T14:30:00Z, 2026-11-21, or 90s, 30m, 2h, 7d ago");
    let time = if let Some(ago) = ago(text) {
        now.checked_sub(SignedDuration::from_secs(ago)).map_err(|_| wrong())?
    } else if let Ok(time) = text.parse() {
        time
    } else {
        // Last: the parser of dates passes over a time of day that follows.
        let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
        date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?.timestamp()
    };
    Ok(Moment::from_unix_ms(time.as_millisecond()))
}

fn ago(text: &str) -> Option<i64> {
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = text.get(..text.len().checked_sub(1)?)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<i64>().ok()?.checked_mul(seconds)).flatten()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Said {
    Allow,
    Deny,
    Intercept,
}

impl From<Said> for Verdict {
    fn from(said: Said) -> Self {
        match said {
            Said::Allow => Self::Allow,
            Said::Deny => Self::Deny,
            Said::Intercept => Self::Intercept,
        }
    }
}

/// What an entry must be to be shown.
#[derive(Debug, Default, Args)]
pub(super) struct Filter {
    /// Only decisions and approvals of this agent, and what was lifted for it.
    #[arg(long)]
    agent: Option<String>,
    /// Only this tool, prompt or resource; `*` and `?` stand for other characters.
    #[arg(long, value_name = "GLOB")]
    tool: Option<String>,
    /// Only decisions with this verdict.
    #[arg(long, value_enum)]
    verdict: Option<Said>,
    /// Only decisions with this reason code, deciding or not, and outcomes whose answer was treated because of it. An outcome
    /// names no agent, tool or server: leave those out.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Only this MCP server.
    #[arg(long)]
    server: Option<String>,
    /// Only entries of this kind, like decision or outcome.
    #[arg(long, value_parser = parse_kind)]
    kind: Option<Kind>,
    /// Only entries of this moment or later: 2026-11-21T14:30:00Z, 2026-11-21, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    pub(super) since: Option<When>,
    /// Only entries before this moment.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    pub(super) until: Option<When>,
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.iter().map(|kind| kind.label()).collect::<Vec<_>>().join(", ");
    Kind::from_label(text).ok_or_else(|| format!("a kind is one of {}", known()))
}

impl Filter {
    /// Whether everything from here back is too old.
    pub(super) fn is_behind(&self, entry: &Entry<'_>) -> bool {
        self.since.is_some_and(|since| entry.ts < since)
    }

    /// Whether the entry is wanted.
    pub(super) fn admits(&self, entry: &Entry<'_>) -> bool {
        let in_time = !self.is_behind(entry) && self.until.is_none_or(|until| entry.ts < until);
        in_time && self.kind.is_none_or(|kind| kind == entry.kind) && (self.is_open() || self.fits(entry))
    }

    fn is_open(&self) -> bool {
        let texts = [&self.agent, &self.tool, &self.reason, &self.server];
        self.verdict.is_none() && texts.iter().all(|text| text.is_none())
    }

    fn fits(&self, entry: &Entry<'_>) -> bool {
        // Only these say who did what; a body that cannot be read is shown wherever nothing was asked of it.
        match entry.kind {
            Kind::Decision => serde_json::from_str(entry.body).is_ok_and(|body| self.fits_decision(&body)),
            Kind::Approval => {
                self.verdict.is_none()
                    && self.reason.is_none()
                    && matches!(entry.body(), Ok(AnyBody::Approval(body)) if self.names(
                        Some(&body.agent), Some(&body.server), body.tool.as_deref()))
            }
            Kind::Lift => {
                self.verdict.is_none()
                    && self.reason.is_none()
                    && matches!(entry.body(), Ok(AnyBody::Lift(body)) if self.names(
                        Some(&body.agent), body.server.as_deref(), body.tool.as_deref()))
            }
            Kind::Outcome => serde_json::from_str(entry.body).is_ok_and(|body| self.fits_outcome(&body)),
            _ => false,
        }
    }

    fn fits_outcome(&self, body: &Outcome<'_>) -> bool {
        let reason = |code: &String| body.treated_reason.as_ref().is_some_and(|known| known == code);
        self.verdict.is_none() && self.reason.as_ref().is_some_and(reason) && self.names(None, None, None)
    }

    fn fits_decision(&self, body: &Decision<'_>) -> bool {
        let agent = body.agent.as_ref().map(|agent| &*agent.id);
        let reason = |code: &String| body.reason == *code || body.reasons.iter().any(|known| known == code);
        self.verdict.is_none_or(|said| Verdict::from(said) == body.verdict)
            && self.reason.as_ref().is_none_or(reason)
            && self.names(agent, body.action.server.as_deref(), body.action.target.as_deref())
    }

    fn names(&self, agent: Option<&str>, server: Option<&str>, target: Option<&str>) -> bool {
        self.agent.as_deref().is_none_or(|wanted| agent == Some(wanted))
            && self.server.as_deref().is_none_or(|wanted| server == Some(wanted))
            && self.tool.as_deref().is_none_or(|glob| target.is_some_and(|target| matches(glob, target)))
    }
}

/// Whether the whole text fits: `*` is any characters, `?` one.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to try again: behind the last star, one character further.
    let mut again: Option<(usize, usize)> = None;
    while let Some(character) = text.get(read) {
        match glob.get(at) {
            Some('*') => {
                at += 1;
                again = Some((at, read));
            }
            Some(wanted) if wanted == character || *wanted == '?' => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((behind, from)) = again else { return false };
                again = Some((behind, from + 1));
                (at, read) = (behind, from + 1);
            }
        }
    }
    glob.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_a_span_before_now() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let read = |text| parse_at(text, now).map(|when| when.to_string());
        assert_eq!(read("2h").unwrap(), "2026-11-21T10:00:00.000Z");
        assert_eq!(read("7d").unwrap(), "2026-11-14T12:00:00.000Z");
        assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T00:00:00.000Z");
        assert_eq!(read("2026-11-20T01:02:03.5+01:00").unwrap(), "2026-11-20T00:02:03.500Z");
        for wrong in
            ["", "h", "2", "-2h", "2w", "yesterday", "2026-13-01", "2 h", "ü", "9999999999999999999d"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn stars_and_question_marks_stand_for_other_characters() {
        for (glob, text) in [
            ("read_file", "read_file"),
            ("*", ""),
            ("read_*", "read_file"),
            ("*_file", "read_big_file"),
            ("r?ad*f*e", "read_file"),
            ("*a*b", "aabab"),
            ("?", "ü"),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("read", "read_file"), ("?", ""), ("*a", "ab"), ("r*x", "read"), ("", "a")] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn a_hostile_glob_takes_no_time() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
