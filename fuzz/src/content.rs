//! What holds for every document that is looked through. Panics when it does not.

use std::sync::LazyLock;

use interdict_content::detect::exact;
use interdict_content::engine::{Engine, Scan};
use interdict_content::finding::{Finding, Place, SessionKey};
use interdict_content::profile::{Action, Pattern, Profile};
use interdict_content::redact::redact;
use interdict_mcp::edit::apply;
use interdict_mcp::json::{Document, Limits};

const KEY: SessionKey = SessionKey::new([5; 32]);

/// Everything on, with a pattern and exact values of an operator.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let names = ["secret", "card", "account", "identity", "contact", "network", "canary", "staff"];
    let regions = [
        "us", "nl", "gb", "de", "fr", "es", "it", "se", "pl", "be", "dk", "fi", "no", "ch", "pt", "ca", "au",
    ];
    let staff = Pattern { class: "staff".into(), pattern: r"EMP-\d{5}".into(), near: Vec::new() };
    let profile = Profile {
        v: Profile::VERSION,
        classes: names.map(|name| (name.to_owned(), Action::Redact)).into(),
        regions: regions.map(str::to_owned).to_vec(),
        patterns: vec![staff],
        exact: vec![exact::build("canary", &[1; 32], ["canary 7f3a-99"]).0],
        injection: None,
    };
    Engine::new(&profile).expect("the profile compiles")
});

/// Looks through `data` as a document, and as plain text.
pub fn content(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for finding in ENGINE.scan_text(&text, &KEY).findings {
        let span = finding.span.expect("plain text has a span");
        assert!(text.get(span).is_some_and(|value| !value.is_empty()));
    }
    let Some(scan) = scan(data) else { return };
    let text: Vec<_> = scan.findings.into_iter().filter(|finding| finding.place == Place::Text).collect();
    let edits = redact(&text).expect("texts can be redacted");
    let edited = apply(data, &edits).expect("the edits fit");
    let again = self::scan(&edited).expect("a redacted document is JSON");
    // What is left and right of a mark may be read in another way than before (digits of two scripts side by side are
    // one number until one of them goes); apart from that the judged values are gone.
    let judged =
        |left: &Finding| text.iter().any(|finding| (finding.mark, &finding.path) == (left.mark, &left.path));
    let left = again.findings.iter().find(|finding| finding.place == Place::Text && judged(finding));
    let left = left.filter(|_| data.is_ascii());
    assert_eq!(left.map(|finding| (&finding.class, &finding.path)), None);
}

fn scan(data: &[u8]) -> Option<Scan> {
    let document = Document::parse(data, &Limits::default()).ok()?;
    let scan = ENGINE.scan(document.root(), &KEY);
    for finding in &scan.findings {
        assert_eq!(finding.span.is_some(), finding.place == Place::Text);
    }
    Some(scan)
}
