//! The enforcement message: strict reading, strict writing, exact edits.

use interdict_proto::enforcement::{
    Edit, Enforcement, EnforcementError, EnforcerKind, Obligation, Verdict, apply, keys,
};
use interdict_proto::envoy::auth::CheckResponse;

const ID: &str = "0192f0c1-5c1e-7000-8000-000000000001";

fn edit(start: usize, end: usize, text: &str) -> Edit {
    Edit { start, end, text: text.into() }
}

fn with_edits(length_before: usize, edits: Vec<Edit>) -> Enforcement {
    let obligation = Obligation::ReplaceRequestBody { length_before, edits };
    Enforcement::new(ID, Verdict::Allow, "policy.allowed", vec![obligation])
}

#[test]
fn what_is_written_is_read_back() {
    let written = with_edits(10, vec![edit(0, 2, "ü\"\\"), edit(2, 2, ""), edit(9, 10, "x")]);
    assert_eq!(Enforcement::parse(&written.to_json().unwrap()).unwrap(), written);
    let response =
        CheckResponse { dynamic_metadata: Some(written.to_struct().unwrap()), ..Default::default() };
    assert_eq!(Enforcement::from_response(&response).unwrap(), written);
    let fields = response.dynamic_metadata.unwrap();
    assert_eq!(fields.string(keys::VERDICT), Some("allow"));
    assert_eq!(fields.string(keys::DECISION_ID), Some(ID));
    assert_eq!(fields.string(keys::REASON), Some("policy.allowed"));
}

#[test]
fn the_wire_form_is_this_one() {
    let text = with_edits(4, vec![edit(1, 2, "x")]).to_json().unwrap();
    let expected = format!(
        r#"{{"v":1,"decision_id":"{ID}","verdict":"allow","reason":"policy.allowed","obligations":[{{"type":"replace_request_body","length_before":4,"edits":[{{"start":1,"end":2,"text":"x"}}]}}]}}"#
    );
    assert_eq!(text, expected);
}

#[test]
fn anything_unknown_duplicate_or_missing_is_refused() {
    let good = format!(r#"{{"v":1,"decision_id":"{ID}","verdict":"allow","reason":"r","obligations":[]}}"#);
    assert!(Enforcement::parse(&good).is_ok());
    let edit = r#"{"type":"replace_request_body","length_before":0,"edits":[]}"#;
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""v":1"#, r#""v":1.0"#),
        (r#""v":1,"#, ""),
        (r#""v":1"#, r#""v":1,"v":1"#),
        (r#""v":1"#, r#""v":1,"more":1"#),
        (r#""allow""#, r#""Allow""#),
        (r#""allow""#, r#""allowed""#),
        (r#""allow""#, "null"),
        (r#""r""#, r#""""#),
        (r#""r""#, r#""two words""#),
        (r#""r""#, r#""line\nbreak""#),
        ("[]", r#"[{"type":"redact_response"}]"#),
        ("[]", r#"[{"type":"replace_request_body","edits":[]}]"#),
        ("[]", r#"[{"type":"replace_request_body","length_before":0,"edits":[],"more":1}]"#),
        (
            "[]",
            r#"[{"type":"replace_request_body","length_before":0,"edits":[{"start":0,"end":0,"text":"","x":1}]}]"#,
        ),
        ("[]", r#"[{"type":"replace_request_body","length_before":0,"length_before":0,"edits":[]}]"#),
        ("[]", r#"[{"type":"replace_request_body","length_before":-1,"edits":[]}]"#),
        ("[]", &format!("[{edit},{edit}]")),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(Enforcement::parse(&bad).is_err(), "accepted: {bad}");
    }
    for bad in ["", "null", "[]", "{}", &format!("{good} x"), &format!("\u{feff}{good}")] {
        assert!(Enforcement::parse(bad).is_err(), "accepted: {bad}");
    }
    let long = good.replace(ID, &"x".repeat(129));
    assert_eq!(Enforcement::parse(&long), Err(EnforcementError::Label("decision_id")));
}

#[test]
fn a_verdict_that_stops_the_request_has_no_body_to_edit() {
    let mut enforcement = with_edits(0, Vec::new());
    enforcement.verdict = Verdict::Deny;
    assert_eq!(enforcement.to_json(), Err(EnforcementError::Contradiction));
}

#[test]
fn edits_that_do_not_fit_are_refused_on_both_sides() {
    for edits in [
        vec![edit(0, 11, "")],
        vec![edit(3, 2, "")],
        vec![edit(11, 11, "")],
        vec![edit(0, 4, ""), edit(3, 5, "")],
        vec![edit(4, 5, ""), edit(0, 1, "")],
        vec![edit(0, usize::MAX, "")],
    ] {
        assert!(with_edits(10, edits.clone()).to_json().is_err());
        assert!(apply(b"0123456789", 10, &edits).is_err());
    }
}

#[test]
fn edits_change_exactly_their_bytes() {
    let body = b"0123456789";
    assert_eq!(apply(body, 10, &[]).unwrap(), body);
    assert_eq!(apply(body, 10, &[edit(0, 10, "")]).unwrap(), b"");
    assert_eq!(
        apply(body, 10, &[edit(0, 0, "<"), edit(2, 4, "--"), edit(4, 4, "|"), edit(10, 10, ">")]).unwrap(),
        b"<01--|456789>"
    );
}

#[test]
fn another_length_is_another_body() {
    let error = apply(b"012345678", 10, &[]).unwrap_err();
    assert_eq!(error, EnforcementError::Length { judged: 10, found: 9 });
}

#[test]
fn the_stricter_verdict_is_the_greater_one() {
    assert!(Verdict::Deny > Verdict::Intercept && Verdict::Intercept > Verdict::Allow);
}

#[test]
fn metadata_without_the_text_is_missing() {
    assert_eq!(Enforcement::from_response(&CheckResponse::default()), Err(EnforcementError::Missing));
    let response = CheckResponse { dynamic_metadata: Some(Default::default()), ..Default::default() };
    assert_eq!(Enforcement::from_response(&response), Err(EnforcementError::Missing));
}

#[test]
fn enforcers_keep_their_names() {
    for kind in [EnforcerKind::Native, EnforcerKind::Split, EnforcerKind::Call] {
        assert_eq!(EnforcerKind::from_name(kind.as_str()), Some(kind));
        assert_eq!(kind.can_edit_body(), kind != EnforcerKind::Native);
    }
    assert_eq!(EnforcerKind::from_name("Call"), None);
}
