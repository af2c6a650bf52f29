//! The stages that a message goes through.

use interdict_mcp::edit::{Edit, apply};
use interdict_mcp::json::{Document, Value};

use super::joins::Tails;
use super::{DENIED_CONTENT, ROWS, Report, Rules, SCHEMA, UNREADABLE, parse};
use crate::engine::Scan;
use crate::finding::Finding;
use crate::injection::Mark;
use crate::output::{self, CompiledOutput};
use crate::profile::{Action, InjectionAction};
use crate::redact::redact;
use crate::rules::{ListRules, RowRule};
use crate::{definition, rows};

/// Members of a result that hold definitions; they are judged one by one in the first stage.
const DEFINITIONS: [&str; 5] = ["tools", "prompts", "resources", "resourceTemplates", "instructions"];

/// Tokens that a client hands back to the server as they are and shows to nobody. Found content is counted in them; changed,
/// they would be worth nothing.
pub(super) const HANDED_BACK: [&str; 4] = ["requestState", "nextCursor", "progressToken", "taskId"];

/// Why a message does not pass.
#[derive(Debug)]
pub(super) enum Stop {
    /// For this reason.
    Refuse(&'static str),
    /// It reads like instructions.
    Quarantine {
        /// As `injection.structural`.
        reason: String,
        /// The message as it would have passed.
        original: Vec<u8>,
    },
}

#[derive(Clone, Copy)]
enum Stage<'r> {
    Lists,
    Rows(&'r RowRule),
    Output(&'r CompiledOutput),
    Joins,
    Content,
    Injection,
    Remember,
}

/// Whether a message answers a request. One that has a method as well is a request for most readers.
pub(super) fn is_answer(message: Value<'_>) -> bool {
    message.get("method").is_none() && (message.get("result").is_some() || message.get("error").is_some())
}

/// One message on its way through the stages.
pub(super) struct Pass<'t> {
    pub(super) rules: &'t Rules,
    pub(super) report: &'t mut Report,
    /// Ends of earlier events, if the message is one.
    pub(super) tails: Option<&'t mut Tails>,
}

impl<'t> Pass<'t> {
    /// What is left of a message; `None` if that is all of it.
    pub(super) fn run(&mut self, document: &Document<'_>, text: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let stages = self.stages(document.root());
        self.through(&stages, document, text)
    }

    fn stages(&self, root: Value<'_>) -> Vec<Stage<'t>> {
        let mut stages = Vec::new();
        let has_result = root.get("result").is_some();
        if has_result {
            stages.push(Stage::Lists);
        }
        // The id of a request of the server is its own.
        let id = root.get("id").filter(|_| has_result || is_answer(root));
        for answer in self.rules.answers.of(id) {
            stages.extend(answer.rows.iter().map(Stage::Rows));
            stages.extend(answer.output.iter().filter(|_| has_result).map(Stage::Output));
        }
        stages.extend([Stage::Joins, Stage::Content, Stage::Injection, Stage::Remember]);
        stages
    }

    /// After a stage that changed something the rest sees what it left.
    fn through(
        &mut self,
        stages: &[Stage<'_>],
        document: &Document<'_>,
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        for (done, stage) in stages.iter().enumerate() {
            let edits = self.stage(*stage, document.root(), text)?;
            if edits.is_empty() {
                continue;
            }
            let edited = apply(text, &edits).map_err(|_| Stop::Refuse(UNREADABLE))?;
            let again = parse(&edited, usize::MAX).map_err(|_| Stop::Refuse(UNREADABLE))?;
            let further = self.through(stages.get(done + 1..).unwrap_or_default(), &again, &edited)?;
            drop(again);
            return Ok(Some(further.unwrap_or(edited)));
        }
        Ok(None)
    }

    fn stage(&mut self, stage: Stage<'_>, root: Value<'_>, text: &[u8]) -> Result<Vec<Edit>, Stop> {
        let result = root.get("result");
        match (stage, result) {
            (Stage::Lists, Some(result)) => Ok(self.lists(result)),
            (Stage::Rows(rule), _) => self.rows(root, rule),
            (Stage::Output(rule), Some(result)) => {
                output::apply(result, rule).map_err(|_| Stop::Refuse(SCHEMA))
            }
            (Stage::Lists | Stage::Output(_), None) => Ok(Vec::new()),
            (Stage::Joins, _) => self.joins(root),
            (Stage::Content, _) => self.content(root),
            (Stage::Injection, _) => self.injection(root, text).map(|()| Vec::new()),
            (Stage::Remember, _) => {
                if let Some(tails) = &mut self.tails {
                    tails.remember(root);
                }
                Ok(Vec::new())
            }
        }
    }

    fn rows(&mut self, root: Value<'_>, rule: &RowRule) -> Result<Vec<Edit>, Stop> {
        let mut beside = ["error", "params"].into_iter().filter_map(|name| root.get(name));
        if !beside.all(|part| rows::may_pass(part, rule)) {
            return Err(Stop::Refuse(ROWS));
        }
        let Some(result) = root.get("result") else { return Ok(Vec::new()) };
        let capped = rows::cap(result, rule).map_err(|_| Stop::Refuse(ROWS))?;
        if capped.unreadable {
            return Err(Stop::Refuse(ROWS));
        }
        self.report.cut(capped.cut);
        Ok(capped.edits)
    }

    fn lists(&mut self, result: Value<'_>) -> Vec<Edit> {
        let injection = self.rules.injection();
        if self.rules.lists.is_none() && injection.is_none() {
            return Vec::new();
        }
        let unpinned = ListRules::default();
        let rules = self.rules.lists.as_ref().unwrap_or(&unpinned);
        let withheld = |name: &str| {
            self.rules.detectors.as_ref().is_some_and(|detectors| {
                let scan = detectors.engine().scan_text(name, &self.rules.key);
                scan.incomplete || scan.findings.iter().any(|finding| finding.action > Action::Count)
            })
        };
        let listed = definition::filter(result, rules, injection, &withheld);
        // What is to be withheld was taken out.
        let _ = note(&listed.marks, self.report);
        self.report.saw(listed.seen);
        listed.edits
    }

    fn joins(&mut self, root: Value<'_>) -> Result<Vec<Edit>, Stop> {
        let (Some(tails), Some(detectors)) = (&mut self.tails, &self.rules.detectors) else {
            return Ok(Vec::new());
        };
        let mut edits = Vec::new();
        for join in tails.joins(root, detectors.engine(), &self.rules.key) {
            judge(&join.scan, self.report)?;
            if let Some(edit) = join.edit() {
                keep_larger(&mut edits, edit);
            }
        }
        Ok(edits)
    }

    fn content(&mut self, root: Value<'_>) -> Result<Vec<Edit>, Stop> {
        let Some(detectors) = &self.rules.detectors else { return Ok(Vec::new()) };
        let mut scan = detectors.engine().scan(root, &self.rules.key);
        let own_id = self.has_own_id(root);
        let is_exempt = |path: &str| is_exempt(root, own_id, path);
        scan.findings.retain(|finding| !is_exempt(&finding.path));
        for finding in scan.findings.iter_mut().filter(|finding| is_handed_back(&finding.path)) {
            finding.action = finding.action.min(Action::Count);
        }
        judge(&scan, self.report)
    }

    /// Whether a message answers a request with its id, which comes back as the client chose it.
    fn has_own_id(&self, root: Value<'_>) -> bool {
        is_answer(root) && root.get("id").is_some_and(|id| self.rules.answers.asked(id))
    }

    fn injection(&mut self, root: Value<'_>, text: &[u8]) -> Result<(), Stop> {
        let Some(injection) = self.rules.injection() else { return Ok(()) };
        let mut marks = injection.inspect(root);
        let own_id = self.has_own_id(root);
        marks.retain(|mark| !is_of_definition(&mark.path) && !is_exempt(root, own_id, &mark.path));
        match note(&marks, self.report) {
            Some(reason) => Err(Stop::Quarantine { reason, original: text.to_vec() }),
            None => Ok(()),
        }
    }
}

/// Whether a member says only what the protocol makes it say: the version, and the id of a request.
fn is_exempt(root: Value<'_>, own_id: bool, path: &str) -> bool {
    let is_version = || root.get("jsonrpc").is_some_and(|version| version.as_str().as_deref() == Some("2.0"));
    (path == "/jsonrpc" && is_version()) || (own_id && path == "/id")
}

/// Whether an id that no request has may stand in what is told: one without anything that is looked for.
pub(super) fn may_be_told(rules: &Rules, id: Value<'_>) -> bool {
    let is_clean = || {
        let scan = rules.detectors.as_ref().map(|detectors| detectors.engine().scan(id, &rules.key));
        let marks = rules.injection().map(|injection| injection.inspect(id)).unwrap_or_default();
        let held = |finding: &Finding| finding.action > Action::Count;
        !scan.is_some_and(|scan| scan.incomplete || scan.findings.iter().any(held))
            && marks.iter().all(|mark| mark.action != InjectionAction::Quarantine)
    };
    rules.answers.asked(id) || is_clean()
}

/// One text may be the end of two values; the edit that leaves less of it holds.
fn keep_larger(edits: &mut Vec<Edit>, edit: Edit) {
    match edits.last_mut().filter(|last| last.start == edit.start) {
        Some(last) if edit.text.len() < last.text.len() => *last = edit,
        Some(_) => {}
        None => edits.push(edit),
    }
}

fn is_handed_back(path: &str) -> bool {
    let rest = path.strip_prefix("/result/").or_else(|| path.strip_prefix("/params/"));
    rest.is_some_and(|name| HANDED_BACK.contains(&name.strip_prefix("task/").unwrap_or(name)))
}

fn is_of_definition(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/result/") else { return false };
    let member = rest.split_once('/').map_or(rest, |(member, _)| member);
    DEFINITIONS.contains(&member)
}

/// Plain text.
pub(super) fn text(rules: &Rules, report: &mut Report, text: &str) -> Result<Vec<Edit>, Stop> {
    let edits = match &rules.detectors {
        Some(detectors) => judge(&detectors.engine().scan_text(text, &rules.key), report)?,
        None => Vec::new(),
    };
    let marks = rules.injection().map(|injection| injection.inspect_text(text)).unwrap_or_default();
    match note(&marks, report) {
        Some(reason) => {
            let original = apply(text.as_bytes(), &edits).map_err(|_| Stop::Refuse(UNREADABLE))?;
            Err(Stop::Quarantine { reason, original })
        }
        None => Ok(edits),
    }
}

/// Counts what was found and says what to replace.
fn judge(scan: &Scan, report: &mut Report) -> Result<Vec<Edit>, Stop> {
    let mut refused = scan.incomplete;
    for finding in &scan.findings {
        let label = match finding.action {
            Action::Allow => continue,
            Action::Count => "count",
            Action::Tokenise | Action::Redact => "redact",
            Action::Ask | Action::Deny => {
                refused = true;
                "deny"
            }
        };
        report.count(&finding.class, label);
    }
    if refused {
        return Err(Stop::Refuse(DENIED_CONTENT));
    }
    let replaced: Vec<Finding> =
        scan.findings.iter().filter(|finding| is_replaced(finding)).cloned().collect();
    redact(&replaced).map_err(|_| Stop::Refuse(DENIED_CONTENT))
}

pub(super) fn is_replaced(finding: &Finding) -> bool {
    matches!(finding.action, Action::Redact | Action::Tokenise)
}

/// Counts marks by tier. The reason if the message is to be withheld: the most telling tier that says so.
fn note(marks: &[Mark], report: &mut Report) -> Option<String> {
    for mark in marks {
        let label = match mark.action {
            InjectionAction::Off => continue,
            InjectionAction::Note => "note",
            InjectionAction::Quarantine => "quarantine",
        };
        report.count(&format!("injection.{}", mark.tier.as_str()), label);
    }
    let withheld = marks.iter().filter(|mark| mark.action == InjectionAction::Quarantine);
    withheld.map(|mark| mark.tier).min().map(|tier| format!("injection.{}", tier.as_str()))
}
