//! Facts are read back byte for byte, refused when they were changed, and lead to the same decision.

use interdict_content::finding::{Facet, Finding, Place};
use interdict_content::profile::Action;
use interdict_mcp::json;
use interdict_policy::replay::{Exact, Judge, exact};
use interdict_policy::{AccumulatedFact, ContentFact, FindingFact, HOSTILE};
use interdict_policy::{ApprovalFact, Bundle, Facts, FactsRef, HttpFact, MessageKind, Principal, Verdict};
use interdict_proto::enforcement::EnforcerKind;
use proptest::prelude::*;

use crate::common::facts::{ECHO, bundle_of, exact_numbers, facts, judged};
use crate::common::limits;

#[test]
fn arguments_are_kept_as_they_were_written_and_judged_the_same() {
    let policy = r#"package interdict.policy.own
allow contains {"code": "ok", "message": substring(base64.encode(json.marshal(input.mcp.arguments)), 0, 480)}
"#;
    let bundle = bundle_of(policy);
    for arguments in [
        r#"{"n": 123456789012345678901234567890, "m":9007199254740993}"#,
        r#"{"a":1e2,"b":100,"c":1.0,"d":-0,"e":0.1e-3,"f":1E+2}"#,
        r#"{"é\u00e9\ud83d\ude00":"\u0041\/\"\\\n", " ":"\u2028"}"#,
        "{ \"spaces\" :\t[ 1 ,\n\r {} , [] ] }",
        "[]",
        "\"text\"",
        "null",
        "{\"b\":1,\"a\":{\"d\":[true,false,null],\"c\":\"\\u007f\"}}",
    ] {
        let (text, decision) = judged(&bundle, arguments);
        assert!(
            String::from_utf8(text.clone()).unwrap().ends_with(&format!("\"arguments\":{arguments}}}}}"))
        );
        let kept = Facts::parse(&text).unwrap();
        assert_eq!(kept.mcp.arguments.as_ref().unwrap().get(), arguments);
        assert_eq!(serde_json::to_vec(&kept).unwrap(), text, "{arguments}");
        assert_eq!(exact(&bundle, &text, &decision.canonical()), Exact::Same, "{arguments}");
    }
}

#[test]
fn facts_from_before_there_was_content_are_the_same_bytes() {
    let kept = r#"{"time_ms":1795084200000,"enforcer":{"kind":"native","version":""},"agent_id":"a","assurance":1,"server_id":"s","http":{"method":"POST","path":"/mcp","host":"s","source_address":"10.0.0.7"},"mcp":{"era":"2025-06-18","kind":"request","method":"tools/call","tool":"t","arguments":{"a":1}}}"#;
    let (text, _) = judged(&bundle_of(ECHO), r#"{"a":1}"#);
    assert_eq!(String::from_utf8(text).unwrap(), kept);
    let old = Facts::parse(kept.as_bytes()).unwrap();
    assert!(old.content.is_none() && serde_json::to_string(&old).unwrap() == kept);
}

#[test]
fn findings_of_one_place_are_counted_together_and_bounded() {
    let finding = |class: &str, action, path: &str| Finding {
        class: class.into(),
        action,
        path: path.into(),
        place: Place::Text,
        span: None,
        facet: Facet::default(),
        mark: [7; 16],
    };
    let two = [
        finding("pan", Action::Redact, "/a"),
        finding("jwt", Action::Deny, "/a"),
        finding("pan", Action::Redact, "/a"),
    ];
    let fact = ContentFact::of(&two, false);
    let counts: Vec<_> = fact.findings.iter().map(|found| (found.class.as_str(), found.count)).collect();
    assert_eq!((counts, fact.incomplete), (vec![("jwt", 1), ("pan", 2)], false));
    let mut many: Vec<_> = (0..300).map(|at| finding("pan", Action::Count, &format!("/{at}"))).collect();
    many.push(finding("zip", Action::Deny, "/z"));
    let fact = ContentFact::of(&many, false);
    assert_eq!((fact.findings.len(), fact.findings[0].class.as_str(), fact.incomplete), (256, "zip", true));
    assert!(ContentFact::of(&[], false).is_empty() && !ContentFact::of(&[], true).is_empty());
}

#[test]
fn a_number_that_is_written_differently_is_another_fact() {
    let bundle = bundle_of(ECHO);
    assert_ne!(judged(&bundle, r#"{"n":100}"#).0, judged(&bundle, r#"{"n":1e2}"#).0);
}

#[test]
fn the_registry_refuses_in_the_order_and_words_of_the_server() {
    let bundle = bundle_of(ECHO);
    let mut judge = bundle.evaluator(limits());
    let mut code = |change: &dyn Fn(&mut FactsRef<'_>)| {
        let mut facts = facts(None);
        change(&mut facts);
        let kept = Facts::parse(&facts.to_json()).unwrap();
        let judgement = judge.judge(&facts);
        assert_eq!(kept.with_ref(|facts| judge.judge(facts)).unwrap(), judgement);
        (judgement.decision.reasons[0].code.clone(), judgement.enforcer)
    };
    let native = |code: &str| (code.to_owned(), EnforcerKind::Native);
    let past = Some(jiff::Timestamp::UNIX_EPOCH.into());
    assert_eq!(code(&|_| ()), native("policy.ok"));
    assert_eq!(
        code(&|facts| (facts.server_id, facts.identity_expires) = ("x", past)),
        native("registry.unknown_server")
    );
    assert_eq!(
        code(&|facts| (facts.agent_id, facts.identity_expires) = ("x", past)),
        native("identity.token_expired")
    );
    assert_eq!(code(&|facts| facts.agent_id = "x"), native("registry.unknown_agent"));
    assert_eq!(code(&|facts| facts.agent_id = "b"), native("registry.tenant_mismatch"));
    assert_eq!(code(&|facts| facts.agent_id = "c"), native("registry.agent_not_allowed"));
    let split = |code: &str| (code.to_owned(), EnforcerKind::Split);
    assert_eq!(code(&|facts| facts.server_id = "n"), split("policy.ok"));
    assert_eq!(
        code(&|facts| (facts.server_id, facts.agent_id) = ("n", "c")),
        split("registry.agent_not_allowed")
    );
}

#[test]
fn an_identity_is_over_in_the_millisecond_of_its_end() {
    let bundle = bundle_of(ECHO);
    let code = |end: &str| {
        let mut facts = facts(None);
        facts.identity_expires = Some(end.parse::<jiff::Timestamp>().unwrap().into());
        bundle.evaluator(limits()).judge(&facts).decision.reasons[0].code.clone()
    };
    assert_eq!(code("2026-11-19T10:30:00.001Z"), "policy.ok");
    // Less than a millisecond is not kept, and counts as over.
    assert_eq!(code("2026-11-19T10:30:00.0009Z"), "identity.token_expired");
}

#[test]
fn facts_with_anything_else_in_them_are_refused() {
    let (text, _) = judged(&bundle_of(ECHO), r#"{"a":1}"#);
    let text = String::from_utf8(text).unwrap();
    for (from, to, code) in [
        ("\"server_id\"", "\"more\":1,\"server_id\"", "facts.malformed"),
        ("\"server_id\"", "\"agent_id\":\"b\",\"server_id\"", "facts.malformed"),
        ("\"http\":{", "\"http\":{\"x\":1,", "facts.malformed"),
        ("\"mcp\":{", "\"mcp\":{\"x\":1,", "facts.malformed"),
        ("\"kind\":\"request\"", "\"kind\":\"Request\"", "facts.malformed"),
        ("\"kind\":\"native\"", "\"kind\":\"nobody\"", "facts.malformed"),
        ("\"time_ms\":", "\"time_ms\":9000000000000000", "facts.malformed"),
        ("\"time_ms\":", "\"time_ms\":0.", "facts.malformed"),
        ("{\"a\":1}", "{\"a\":1,\"a\":2}", "facts.arguments"),
        ("{\"a\":1}", "\"\\ud800\"", "facts.arguments"),
        ("}}", "}} ,", "facts.malformed"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        let Exact::Failed(error) = exact(
            &bundle_of(ECHO),
            changed.as_bytes(),
            b"{\"obligations\":[],\"reasons\":[],\"verdict\":\"deny\"}",
        ) else {
            panic!("{changed}")
        };
        assert_eq!(error.code, code, "{changed}");
    }
}

/// JSON text as clients write it, odd spellings included.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?[1-9][0-9]{0,40}",
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
    ];
    let text = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u00[0-7][0-9a-fA-F]|\\\\/|\\\\n|[a-z ])*\"",
        Just("\"\\ud83d\\uDE00\"".to_owned()),
    ];
    let leaf = prop_oneof![number, text, "true|false|null".prop_map(String::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let members = prop::collection::btree_map("[a-z]{1,6}|broken|ask|é", inner, 0..4);
        prop_oneof![
            (list, "[ \n\t]{0,2}")
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))),
            (members, "[ \r]{0,2}").prop_map(|(members, space)| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("\"{key}\"{space}:{value}")).collect();
                format!("{{{}{space}}}", members.join(&format!("{space},")))
            }),
        ]
    })
}

#[derive(Debug, Clone)]
struct Case {
    nanoseconds: i128,
    kind: u8,
    texts: Vec<String>,
    given: u16,
    agent: &'static str,
    server: &'static str,
    arguments: Option<String>,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        0..4_102_444_800_000_000_000_i128,
        any::<u8>(),
        prop::collection::vec(any::<String>(), 12),
        any::<u16>(),
        prop::sample::select(vec!["a", "a", "a", "b", "c", "x"]),
        prop::sample::select(vec!["s", "s", "n", "x"]),
        prop::option::weighted(0.8, json_text()),
    )
        .prop_map(|(nanoseconds, kind, texts, given, agent, server, arguments)| Case {
            nanoseconds,
            kind,
            texts,
            given,
            agent,
            server,
            arguments,
        })
}

/// Some content of every kind.
fn content(class: &str, path: &str, count: u64) -> ContentFact {
    let finding = FindingFact {
        class: class.into(),
        action: Action::Redact,
        path: path.into(),
        place: Place::Text,
        count,
        last_four: Some("1111".into()),
        domain: count.is_multiple_of(2).then(|| path.into()),
        country: None,
    };
    ContentFact {
        findings: vec![finding],
        accumulated: vec![AccumulatedFact { class: class.into(), family: "card".into(), distinct: count }],
        labels: [HOSTILE.to_owned(), class.to_owned()].into(),
        incomplete: count.is_multiple_of(3),
    }
}

impl Case {
    fn with_arguments(arguments: &str) -> Self {
        Self {
            nanoseconds: 0,
            kind: 0,
            texts: vec![String::new(); 12],
            given: 0,
            agent: "a",
            server: "s",
            arguments: Some(arguments.into()),
        }
    }

    fn with_facts<T>(&self, run: impl FnOnce(&FactsRef<'_>) -> T) -> T {
        let document = self
            .arguments
            .as_ref()
            .map(|text| json::Document::parse(text.as_bytes(), &exact_numbers()).unwrap());
        let time = jiff::Timestamp::from_nanosecond(self.nanoseconds).unwrap();
        let given = |bit: u16| self.given & (1 << bit) != 0;
        let text = |index: usize| self.texts[index].as_str();
        let principal = Principal { id: text(0).into(), issuer: text(1).into() };
        let approval = ApprovalFact {
            id: text(2).into(),
            approved_by: text(3).into(),
            approved_at: time,
            covers: vec!["policy.ask".into(), text(4).into()],
        };
        let names = [text(5).into(), text(6).into()];
        let kinds = [
            MessageKind::Request,
            MessageKind::Notification,
            MessageKind::Response,
            MessageKind::OpenStream,
            MessageKind::EndSession,
        ];
        let enforcers = [EnforcerKind::Native, EnforcerKind::Split, EnforcerKind::Call];
        let mut facts = facts(document.as_ref().map(json::Document::root));
        facts.time = time.into();
        facts.enforcer = enforcers[usize::from(self.kind) % 3];
        facts.enforcer_version = text(7);
        (facts.agent_id, facts.server_id) = (self.agent, self.server);
        facts.assurance = self.kind % 3;
        facts.instance = given(0).then(|| text(8));
        facts.principal = given(1).then_some(&principal);
        facts.identity_expires = given(2).then(|| {
            let shift = jiff::SignedDuration::from_micros(i64::from(self.kind) * 20);
            time.saturating_add(shift).unwrap().into()
        });
        facts.http = HttpFact { method: text(9), path: text(10), host: text(11), source_address: text(0) };
        facts.mcp.kind = kinds[usize::from(self.kind) % 5];
        facts.mcp.era = text(1);
        facts.mcp.method = given(3).then(|| text(2));
        facts.mcp.tool = given(4).then(|| text(3));
        facts.mcp.name = given(5).then(|| text(4));
        facts.mcp.uri = given(6).then(|| text(5));
        facts.mcp.uris = if given(7) { &names } else { &[] };
        facts.mcp.task_ids = if given(8) { &names } else { &[] };
        facts.approval = given(9).then_some(&approval);
        let content = content(text(0), text(1), u64::from(self.kind));
        facts.content = given(10).then_some(&content);
        run(&facts)
    }
}

#[test]
fn facts_that_were_kept_lead_to_the_decision_that_was_made() {
    // Each part in a reason of its own: a message holds 500 characters.
    let parts = ["time", "enforcer", "agent", "principal", "server", "http", "approval", "content"].map(|part| {
        format!("allow contains {{\"code\": \"{part}\", \"message\": substring(base64.encode(json.marshal(input.{part})), 0, 480)}}\n")
    });
    let members = ["era", "kind", "method", "tool", "name", "uri", "uris", "task_ids", "arguments"].map(|part| {
        format!("allow contains {{\"code\": \"mcp_{part}\", \"message\": substring(base64.encode(json.marshal(input.mcp.{part})), 0, 480)}}\n")
    });
    let bundle = bundle_of(&format!("{ECHO}{}{}", parts.concat(), members.concat()));
    let other = Bundle::from_kept(&bundle.keep(&[])).unwrap();
    let live = std::cell::RefCell::new((bundle.evaluator(limits()), Judge::with_limits(&other, limits())));
    let same = |case: &Case| {
        let (live, judge) = &mut *live.borrow_mut();
        let (text, decision) = case.with_facts(|facts| (facts.to_json(), live.judge(facts).decision));
        let kept = Facts::parse(&text).unwrap();
        assert_eq!(serde_json::to_vec(&kept).unwrap(), text);
        assert_eq!(kept.with_ref(|facts| facts.to_json()).unwrap(), text);
        assert_eq!(judge.exact(&text, &decision.canonical()), Exact::Same);
        decision.verdict
    };
    // What chance may leave out: every verdict is one that is kept and judged again.
    for (arguments, verdict) in [
        (r#"{"a":1}"#, Verdict::Allow),
        (r#"{"ask":1}"#, Verdict::Intercept),
        (r#"{"broken":"x"}"#, Verdict::Deny),
    ] {
        assert_eq!(same(&Case::with_arguments(arguments)), verdict, "{arguments}");
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let run = runner.run(&cases(), |case| {
        same(&case);
        Ok(())
    });
    run.unwrap();
}
