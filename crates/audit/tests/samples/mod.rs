//! One body of every kind and of everything that a kind can say: `examples.jsonl` is made of them.

use interdict_audit::commit::{self, commit};
use interdict_audit::record::*;

const BUNDLE: &str = "6f0f1d0a3a6be6c0a3b1c4d1f3a94d2f1f6f3c55b1a0d2f6c7e8091a2b3c4d5e";
const OLD_BUNDLE: &str = "1f3a94d2f1f6f3c55b1a0d2f6c7e8091a2b3c4d5e6f0f1d0a3a6be6c0a3b1c4d";
const ACTION: &str = "c0ffee0a3a6be6c0a3b1c4d1f3a94d2f1f6f3c55b1a0d2f6c7e8091a2b3c4d5e";
const KEY: &str = "interdict-5b1a0d2f6c7e8091/acme+1c9a2f07+AVCi4nTeJ4kM4nq0vSsa3hbIdxq3t5T0H5FJdUQcO9Wk";
const OLD_KEY: &str = "interdict-5b1a0d2f6c7e8091/acme+a0451be2+Af3cQmWk7pD1uS0oP5yO2sZ9vQe8KxqT6RkNn3b0lYtA";
const BUILD: &str = "interdict 0.1.0";
const ENGINE: &str = "regorus 0.14.1";

fn id(number: u32) -> Text<'static> {
    format!("019aa6c1-8000-7000-8000-{number:012x}").into()
}

fn salt(number: u8) -> [u8; commit::SALT_BYTES] {
    [number; commit::SALT_BYTES]
}

/// One body after the other, as they might come.
pub(crate) fn bodies() -> Vec<AnyBody> {
    let mut all = beginning();
    all.extend(calls());
    all.extend(questions());
    all.extend(definitions());
    all.extend(lifts());
    all.extend(trouble());
    all.push(AnyBody::Stop(Box::new(Stop { clean: true, replica: "interdict-0".into() })));
    all
}

fn beginning() -> Vec<AnyBody> {
    let start = Start {
        build: BUILD.into(),
        config_digest: ACTION.into(),
        durability: Durability::Consequential,
        engine: ENGINE.into(),
        replica: "interdict-0".into(),
    };
    let key =
        |event, key: Option<&'static str>, previous: Option<&'static str>, day: Option<&'static str>| {
            AnyBody::Key(Box::new(Key {
                day: day.map(Into::into),
                event,
                key: key.map(Into::into),
                previous: previous.map(Into::into),
            }))
        };
    vec![
        AnyBody::Start(Box::new(start)),
        key(KeyEvent::Created, Some(OLD_KEY), None, None),
        key(KeyEvent::Rotated, Some(KEY), Some(OLD_KEY), None),
        key(KeyEvent::InputsDestroyed, None, None, Some("2025-10-17")),
        bundle(BundleEvent::Loaded, Some(BUNDLE), None),
        bundle(BundleEvent::Refused, None, Some("bundle.rolled_back")),
        bundle(BundleEvent::Restored, Some(BUNDLE), None),
        bundle(BundleEvent::Stale, Some(BUNDLE), Some("bundle.stale")),
        bundle(BundleEvent::Fresh, Some(BUNDLE), None),
    ]
}

fn bundle(event: BundleEvent, digest: Option<&'static str>, code: Option<&'static str>) -> AnyBody {
    let loaded = event == BundleEvent::Loaded;
    AnyBody::Bundle(Box::new(Bundle {
        code: code.map(Into::into),
        digest: digest.map(Into::into),
        event,
        message: code.map(|_| "Sequence 41 is not larger than 42.".into()),
        previous: loaded.then(|| OLD_BUNDLE.into()),
        revision: loaded.then(|| "2026-11-21.3".into()),
        sequence: loaded.then(|| Count::new(42)),
        signed_by: loaded.then(|| "release-2026".into()),
        source: "https://bundles.example/acme.tar.gz".into(),
    }))
}

fn judgement(verdict: Verdict, reasons: &[(ReasonKind, &'static str, &'static str)]) -> Judgement<'static> {
    Judgement {
        bundle: BUNDLE.into(),
        decision_commit: commit(commit::DECISION, &salt(1), b"{}").into(),
        obligations: Vec::new(),
        reasons: reasons
            .iter()
            .map(|(kind, code, topic)| Reason { code: (*code).into(), kind: *kind, topic: (*topic).into() })
            .collect(),
        verdict,
    }
}

/// An allowed `tools/call` of a known agent: what nearly every entry of a log is.
pub(crate) fn allowed() -> Decision<'static> {
    Decision {
        action: Action {
            args: Some(Args { commit: commit(commit::ARGS, &salt(1), br#"{"id":7}"#).into(), shown: None }),
            digest: None,
            era: Some("2025-11-25".into()),
            kind: Some(ActionKind::Request),
            method: Some("tools/call".into()),
            path: Some("/mcp".into()),
            server: Some("crm".into()),
            target: Some("update_contact".into()),
        },
        agent: Some(Agent {
            assurance: 2,
            id: "support-triage".into(),
            instance: Some("pod-7f9c".into()),
            owner: Some("team-support".into()),
        }),
        approval: None,
        body_bytes: Count::new(187),
        content: None,
        decision_id: id(1),
        enforcer: Enforcer {
            kind: EnforcerKind::Call,
            route: Some("crm".into()),
            version: Some("0.1.0".into()),
        },
        expects_outcome: true,
        input_commit: Some(commit(commit::INPUT, &salt(1), b"[]").into()),
        judgements: vec![Judgement {
            obligations: vec!["set_request_header".into()],
            ..judgement(Verdict::Allow, &[(ReasonKind::Allow, "policy.tool_granted", "tools")])
        }],
        latency_us: Latency {
            approval: Count::new(0),
            identity: Count::new(41),
            policy: Count::new(118),
            read: Count::new(6),
            total: Count::new(190),
        },
        policy: Some(Policy { build: BUILD.into(), bundle: BUNDLE.into(), engine: ENGINE.into() }),
        principal: Some(Principal {
            id: "mia@acme.example".into(),
            issuer: "https://login.acme.example".into(),
        }),
        reason: "policy.tool_granted".into(),
        reasons: vec!["policy.tool_granted".into()],
        repeat_of: None,
        replica: "interdict-0".into(),
        request: Request {
            id: "5a1f0c9e-2f0b-4d59-9a53-1f7c3f1f7a10".into(),
            source_address: "10.0.3.17:51234".into(),
        },
        stage: Stage::Record,
        verdict: Verdict::Allow,
    }
}

/// A request that was refused before anything was known of it.
fn refused() -> Decision<'static> {
    Decision {
        action: Action { path: Some("/mcp".into()), ..Action::default() },
        agent: None,
        body_bytes: Count::new(0),
        decision_id: id(2),
        enforcer: Enforcer { kind: EnforcerKind::Native, route: None, version: None },
        expects_outcome: false,
        input_commit: None,
        judgements: Vec::new(),
        latency_us: Latency::default(),
        policy: None,
        principal: None,
        reason: "parse.duplicate_key".into(),
        reasons: Vec::new(),
        stage: Stage::Read,
        verdict: Verdict::Deny,
        ..allowed()
    }
}

/// The same call, asked by somebody who needs an approval, which was given; the operator shows arguments.
fn approved() -> Decision<'static> {
    let mut decision = Decision {
        approval: Some(UsedApproval {
            at: Moment::parse("2026-11-21T14:29:58.250Z"),
            by: Some("noor@acme.example".into()),
            id: id(100),
        }),
        content: Some(Content {
            classes: vec![found("email", "count", 2), found("pan", "redact", 1)],
            labels: vec!["hostile".into()],
            redacted: Count::new(1),
        }),
        decision_id: id(3),
        repeat_of: Some(id(1)),
        ..allowed()
    };
    decision.action.digest = Some(ACTION.into());
    if let Some(args) = &mut decision.action.args {
        args.shown = Some(r#"{"id":7,"note":"„Grüße“\n"}"#.into());
    }
    decision
}

fn found(class: &'static str, action: &'static str, count: u64) -> Found<'static> {
    Found { action: action.into(), class: class.into(), count: Count::new(count) }
}

/// A batch of two, one of which nobody may run.
fn batch() -> Decision<'static> {
    let judgements = vec![
        judgement(Verdict::Allow, &[(ReasonKind::Allow, "policy.tool_granted", "tools")]),
        judgement(
            Verdict::Deny,
            &[
                (ReasonKind::Deny, "policy.tool_not_granted", "tools"),
                (ReasonKind::Intercept, "policy.new", "risk"),
            ],
        ),
    ];
    Decision {
        action: Action {
            kind: Some(ActionKind::Batch),
            target: None,
            method: None,
            args: None,
            ..allowed().action
        },
        decision_id: id(4),
        enforcer: Enforcer { kind: EnforcerKind::Split, ..allowed().enforcer },
        expects_outcome: false,
        judgements,
        reason: "policy.tool_not_granted".into(),
        reasons: vec!["policy.tool_not_granted".into(), "policy.new".into(), "policy.tool_granted".into()],
        stage: Stage::Policy,
        verdict: Verdict::Deny,
        ..allowed()
    }
}

fn calls() -> Vec<AnyBody> {
    let outcome = Outcome {
        bytes: Count::new(512),
        decision_id: id(1),
        duration_us: Count::new(48_211),
        ended: Ended::Complete,
        found: Vec::new(),
        grpc: None,
        http_status: Some(200),
        late: false,
        rows_cut: None,
        rpc: Rpc::Result,
        rpc_code: None,
        treated: None,
        treated_reason: None,
    };
    let withheld = Outcome {
        found: vec![found("injection.structural", "quarantine", 1), found("us_ssn", "redact", 3)],
        rows_cut: Some(Count::new(40)),
        treated: Some(Treated::Quarantined),
        treated_reason: Some("response.quarantined".into()),
        ..outcome.clone()
    };
    let failed = Outcome {
        decision_id: id(3),
        rpc: Rpc::Error,
        rpc_code: Some(RpcCode::new(-32602)),
        ..outcome.clone()
    };
    let reset = Outcome {
        ended: Ended::Reset,
        grpc: Some(Count::new(14)),
        http_status: None,
        late: true,
        rpc: Rpc::None,
        ..failed.clone()
    };
    let decisions = [allowed(), refused(), approved(), batch()].map(|body| AnyBody::Decision(Box::new(body)));
    let missing = OutcomeMissing { deadline_seconds: Count::new(300), decision_id: id(3) };
    let outcomes = [outcome, failed, Outcome { rpc_code: None, ..reset }, withheld];
    let mut all = Vec::from(decisions);
    all.push(AnyBody::OutcomeMissing(Box::new(missing)));
    all.extend(outcomes.map(|body| AnyBody::Outcome(Box::new(body))));
    all
}

fn questions() -> Vec<AnyBody> {
    let question = Approval {
        agent: "support-triage".into(),
        approval_id: id(100),
        binding: ACTION.into(),
        by: None,
        event: ApprovalEvent::Opened,
        method: "tools/call".into(),
        note_commit: None,
        server: "crm".into(),
        tool: Some("update_contact".into()),
    };
    let answered = Approval {
        by: Some("noor@acme.example".into()),
        event: ApprovalEvent::Approved,
        note_commit: Some(commit("interdict/note/1", &salt(2), b"ok").into()),
        ..question.clone()
    };
    let used = Approval { event: ApprovalEvent::Consumed, ..question.clone() };
    [question, answered, used].map(|body| AnyBody::Approval(Box::new(body))).into()
}

/// A tool's first use, a change of it, and what a person made of that.
fn definitions() -> Vec<AnyBody> {
    let pinned = Pin {
        by: Some("first use".into()),
        digest: OLD_BUNDLE.into(),
        event: PinEvent::Approved,
        image: None,
        kind: Defined::Tool,
        name: "update_contact".into(),
        previous: None,
        server: "crm".into(),
    };
    let drift = Pin {
        by: None,
        digest: BUNDLE.into(),
        event: PinEvent::Drift,
        previous: Some(OLD_BUNDLE.into()),
        ..pinned.clone()
    };
    let revoked = Pin {
        by: Some("noor@acme.example".into()),
        digest: OLD_BUNDLE.into(),
        event: PinEvent::Revoked,
        previous: None,
        ..pinned.clone()
    };
    let instructions = Pin {
        by: None,
        event: PinEvent::Seen,
        kind: Defined::Instructions,
        name: "".into(),
        ..pinned.clone()
    };
    let stale = Pin {
        by: None,
        event: PinEvent::Stale,
        image: Some(format!("sha256:{}", "5".repeat(64)).into()),
        ..pinned.clone()
    };
    [pinned, drift, revoked, instructions, stale].map(|body| AnyBody::Pin(Box::new(body))).into()
}

/// A total that begins again, a label that is gone, and one that was gone already.
fn lifts() -> Vec<AnyBody> {
    let total = Lift {
        agent: "crm-assistant".into(),
        by: "noor@acme.example".into(),
        counter: Some("5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f".into()),
        event: LiftEvent::TotalReset,
        label: None,
        principal: Some(Principal { id: "mia".into(), issuer: "https://idp.acme.example".into() }),
        server: Some("crm".into()),
        stood: Some(Count::new(500_000)),
        tool: Some("refund".into()),
        total: Some("payee".into()),
        why: "the refunds of the recall, checked with finance".into(),
        window: Some("24h".into()),
    };
    let label = Lift {
        agent: "crm-assistant".into(),
        by: "noor@acme.example".into(),
        counter: None,
        event: LiftEvent::LabelCleared,
        label: Some("hostile".into()),
        principal: None,
        server: None,
        stood: None,
        tool: None,
        total: None,
        why: "read the quarantined text: a manual that quotes an attack".into(),
        window: None,
    };
    let late = Lift { event: LiftEvent::NotApplied, ..label.clone() };
    [total, label, late].map(|body| AnyBody::Lift(Box::new(body))).into()
}

fn trouble() -> Vec<AnyBody> {
    let difference = ReplayDifference {
        decision_id: id(1),
        recorded: commit(commit::DECISION, &salt(1), b"{}").into(),
        replayed: commit(commit::DECISION, &salt(1), b"[]").into(),
    };
    let down = Health { code: Some("audit.disk_full".into()), event: HealthEvent::Down, seconds: None };
    let up = Health { code: None, event: HealthEvent::Up, seconds: Some(Count::new(12)) };
    let moment = |text| Moment::parse(text).unwrap_or_default();
    let gap = Gap {
        count: Count::new(3),
        from: moment("2026-11-21T14:30:02.001Z"),
        reason: "audit.disk_full".into(),
        to: moment("2026-11-21T14:30:13.990Z"),
    };
    vec![
        AnyBody::ReplayDifference(Box::new(difference)),
        AnyBody::Health(Box::new(down)),
        AnyBody::Health(Box::new(up)),
        AnyBody::Gap(Box::new(gap)),
    ]
}
