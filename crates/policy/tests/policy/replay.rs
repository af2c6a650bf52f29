//! What was decided is decided again, and what another bundle changes is found and explained.

use crate::common::facts::{AGENTS, ECHO, SERVERS, bundle_of, files, judged};
use crate::common::{Folder, codes, project};
use interdict_policy::replay::{
    Cause, Change, ChangeKind, Exact, FlipKind, Judge, Place, compare, exact, explain, read_recorded,
};
use interdict_policy::{Bundle, BundleFile, Decision, EvalLimits, Facts, Verdict};

#[test]
fn a_recorded_decision_that_was_changed_is_a_difference() {
    let bundle = bundle_of(ECHO);
    let (text, decision) = judged(&bundle, "{}");
    let forged = Decision { verdict: Verdict::Deny, ..decision.clone() };
    let expected = Exact::Different { recorded: forged.clone(), replayed: decision };
    assert_eq!(exact(&bundle, &text, &forged.canonical()), expected);
    assert!(
        matches!(exact(&bundle, &text, b"{}"), Exact::Failed(error) if error.code == "replay.recorded_malformed")
    );
}

#[test]
fn limits_make_a_decision_untestable_and_not_different() {
    let bundle = bundle_of(ECHO);
    let (text, decision) = judged(&bundle, r#"{"broken":"x"}"#);
    let none = EvalLimits { time: std::time::Duration::ZERO, ..EvalLimits::default() };
    let Exact::Failed(error) = Judge::with_limits(&bundle, none).exact(&text, &decision.canonical()) else {
        panic!()
    };
    assert_eq!(error.code, "policy.time_limit");
    let kept = Facts::parse(&text).unwrap();
    let limited = kept.with_ref(|facts| bundle.evaluator(none).judge(facts)).unwrap().decision;
    assert_eq!(codes(&limited), ["policy.time_limit"]);
    assert_eq!(read_recorded(&limited.canonical()).unwrap_err().code, "replay.recorded_limit");
}

/// Where a bundle lies, and in which order its roots were given, is not part of its digest.
#[test]
fn an_error_is_replayed_from_the_kept_bundle_byte_for_byte() {
    let broken = |code: &str| {
        format!(
            "package interdict.policy.own\n\ndeny contains {{\"code\": \"{code}\", \"message\": \"x\"}} if regex.match(\"(\", input.mcp.tool)\n"
        )
    };
    let one = files(&[("zz/p.rego", &broken("one")), ("q.rego", ECHO)]);
    let other = Folder::new(&[("aa/p.rego", &broken("two")), ("zz/p.rego", &broken("three"))]);
    let bundle = Bundle::load(&[one.root(), other.root()]).unwrap();
    let (text, decision) = judged(&bundle, "{}");
    assert_eq!(codes(&decision), ["policy.evaluation_error"]);
    assert_eq!(decision.reasons[0].message, "Evaluation failed at aa/p.rego:3.");
    for again in
        [Bundle::load(&[other.root(), one.root()]).unwrap(), Bundle::from_kept(&bundle.keep(&[])).unwrap()]
    {
        assert_eq!(again.digest(), bundle.digest());
        assert_eq!(exact(&again, &text, &decision.canonical()), Exact::Same);
    }
}

#[test]
fn a_changed_verdict_is_told_from_changed_reasons() {
    let (bundle, arguments) = (bundle_of(ECHO), r#"{"x":1}"#);
    let (text, before) = judged(&bundle, arguments);
    let facts = Facts::parse(&text).unwrap();
    let with = |rule: &str| Judge::new(&bundle_of(&format!("{ECHO}{rule}\n"))).judge(&facts).unwrap();
    assert_eq!(compare(&before, &with("")), None);
    let flip = compare(&before, &with(r#"deny contains {"code": "no", "message": "No."}"#)).unwrap();
    assert_eq!((flip.kind(), flip.from, flip.to), (FlipKind::Verdict, Verdict::Allow, Verdict::Deny));
    assert_eq!((flip.added.len(), flip.added[0].code.as_str(), flip.removed.len()), (1, "policy.no", 0));
    let flip = compare(&before, &with(r#"allow contains {"code": "too", "message": "x"}"#)).unwrap();
    assert_eq!((flip.kind(), flip.added[0].code.as_str()), (FlipKind::Reasons, "policy.too"));
    let header = r#"obligation contains {"type": "set_request_header", "name": "x-a", "value": "1"}"#;
    assert_eq!(compare(&before, &with(header)).unwrap().kind(), FlipKind::Obligations);
}

fn file(name: &str, text: &str) -> BundleFile {
    BundleFile { root: String::new(), name: name.into(), text: text.into() }
}

fn base() -> Vec<BundleFile> {
    vec![file("agents/a.yaml", AGENTS), file("servers/s.yaml", SERVERS)]
}

fn changes(changes: &[(&str, ChangeKind)]) -> Vec<Change> {
    changes.iter().map(|(file, kind)| Change { file: (*file).into(), kind: *kind }).collect()
}

fn kept_facts(arguments: &str) -> Facts {
    Facts::parse(&judged(&bundle_of(ECHO), arguments).0).unwrap()
}

const GRANT: &str = "package interdict.policy.own\n\nallow contains reasons.fine if input.mcp.tool == \"t\"\n\nreasons := {\n\t\"fine\": {\"code\": \"fine\", \"message\": \"Fine.\"},\n\t\"other\": {\"code\": \"other\", \"message\": \"Other.\"},\n}\n";

#[test]
fn the_file_that_makes_the_flip_is_named_with_the_rules_behind_it() {
    let deny = "package interdict.policy.extra\n\ndeny contains {\"code\": \"x\", \"message\": \"x\"} if input.mcp.tool == \"x\"\n\ndeny contains {\"code\": \"no\", \"message\": \"No.\"} if input.mcp.arguments.x == 1\n";
    let old = [base(), vec![file("own.rego", GRANT)]].concat();
    let note = GRANT.replace("Other.", "Another.");
    let new = [base(), vec![file("own.rego", &note), file("extra.rego", deny)]].concat();
    let facts = kept_facts(r#"{"x":1}"#);
    let found = explain(&old, &new, &facts).unwrap().unwrap();
    assert_eq!(
        found.changes,
        changes(&[("extra.rego", ChangeKind::Added), ("own.rego", ChangeKind::Modified)])
    );
    assert_eq!(found.cause, Cause::EachAlone(changes(&[("extra.rego", ChangeKind::Added)])));
    assert_eq!(found.added[0].places, [Place { file: "extra.rego".into(), line: 5 }]);
    assert_eq!(
        (found.added[0].reason.topic.as_str(), found.added[0].reason.code.as_str()),
        ("extra", "policy.no")
    );
    // And back: the same file by its absence.
    let back = explain(&new, &old, &facts).unwrap().unwrap();
    assert_eq!(back.cause, Cause::EachAlone(changes(&[("extra.rego", ChangeKind::Removed)])));
    assert_eq!(back.removed[0].places, [Place { file: "extra.rego".into(), line: 5 }]);
    assert!(explain(&old, &old, &facts).unwrap().is_none());
}

#[test]
fn a_reason_by_name_leads_to_the_rules_that_use_it() {
    let old = [base(), vec![file("own.rego", &GRANT.replace("\"t\"", "\"u\""))]].concat();
    let new = [base(), vec![file("own.rego", GRANT)]].concat();
    let found = explain(&old, &new, &kept_facts("{}")).unwrap().unwrap();
    assert_eq!(found.added[0].places, [Place { file: "own.rego".into(), line: 3 }]);
    // No rule says that no rule allows it.
    assert_eq!(
        (found.removed[0].reason.code.as_str(), found.removed[0].places.len()),
        ("policy.no_allow", 0)
    );
}

#[test]
fn changes_that_only_flip_together_are_named_together_without_the_idle_ones() {
    let lib = |value: &str| format!("package own.lib\n\nanswer := {value}\n");
    let rule = |want: &str| {
        format!(
            "{GRANT}\ndeny contains {{\"code\": \"no\", \"message\": \"No.\"}} if data.own.lib.answer == {want}\n"
        )
    };
    let old = [
        base(),
        vec![file("a.rego", &lib("1")), file("own.rego", &rule("0")), file("data.yaml", "idle: 1\n")],
    ]
    .concat();
    let new = [
        base(),
        vec![file("a.rego", &lib("2")), file("own.rego", &rule("2")), file("data.yaml", "idle: 2\n")],
    ]
    .concat();
    let found = explain(&old, &new, &kept_facts("{}")).unwrap().unwrap();
    assert_eq!(found.changes.len(), 3);
    let both = [("a.rego", ChangeKind::Modified), ("own.rego", ChangeKind::Modified)];
    assert_eq!(found.cause, Cause::Together(changes(&both)));
}

#[test]
fn a_change_of_the_registry_can_be_the_cause() {
    let old = [base(), vec![file("own.rego", GRANT)]].concat();
    let mut new = old.clone();
    new[0].text = AGENTS.replacen("servers: [s, n]", "servers: [n]", 1);
    let found = explain(&old, &new, &kept_facts("{}")).unwrap().unwrap();
    assert_eq!(found.cause, Cause::EachAlone(changes(&[("agents/a.yaml", ChangeKind::Modified)])));
    assert_eq!(found.added[0].reason.code, "registry.agent_not_allowed");
}

#[test]
fn bundles_in_folders_of_other_names_are_the_same_files() {
    let roots = [project("policies"), project("examples/quickstart/bundle")];
    let bundle = Bundle::load(&roots).unwrap();
    let kept = Bundle::from_kept(&bundle.keep(&[])).unwrap();
    let (old, new): (Vec<_>, Vec<_>) = (bundle.files().collect(), kept.files().collect());
    assert!(explain(&old, &new, &kept_facts("{}")).unwrap().is_none());
    let mut new = new;
    let limits = new.iter_mut().find(|file| file.name.ends_with("limits.rego")).unwrap();
    limits.text.push_str("\nallow contains {\"code\": \"back_door\", \"message\": \"In.\"}\n");
    let line = limits.text.lines().count() as u64;
    let mut facts = kept_facts("{}");
    (facts.agent_id, facts.server_id) = ("analyst".into(), "everything".into());
    let found = explain(&old, &new, &facts).unwrap().unwrap();
    assert_eq!(found.changes.len(), 1);
    assert_eq!(found.added[0].places[0].line, line);
}
