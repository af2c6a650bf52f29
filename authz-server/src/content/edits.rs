//! From findings to the edits of a body.

use std::cmp::Reverse;

use interdict_content::finding::Finding;
use interdict_content::profile::Action;
use interdict_content::redact::mark_text;
use interdict_proto::enforcement::Edit;

use super::token::Tokens;

/// Puts a mark, or a token, in the place of every finding that `wanted` wants: sorted, not overlapping. All of them have
/// a span. What several findings share gets what the strictest of them asks for; where they are of several classes, that
/// is a mark and no token: whoever may see one of the classes may not see the others.
pub(super) fn of(
    findings: &[Finding],
    body: &str,
    (tokens, tenant): (&Tokens, &str),
    wanted: impl Fn(Action) -> bool,
) -> Vec<Edit> {
    let spans = findings.iter().filter(|finding| wanted(finding.action));
    let mut spans: Vec<_> = spans.filter_map(|finding| Some((finding.span.clone()?, finding))).collect();
    spans.sort_by_key(|(span, finding)| (span.start, Reverse(span.end), Reverse(finding.action)));
    let mut groups: Vec<(usize, usize, &Finding, bool)> = Vec::with_capacity(spans.len());
    for (span, finding) in spans {
        match groups.last_mut().filter(|(_, end, ..)| span.start < *end) {
            Some((_, end, strictest, alike)) => {
                *end = span.end.max(*end);
                *alike &= finding.class == strictest.class;
                if finding.action > strictest.action {
                    *strictest = finding;
                }
            }
            None => groups.push((span.start, span.end, finding, true)),
        }
    }
    let text = |start: usize, end: usize, finding: &Finding, alike: bool| {
        let value = body.get(start..end).filter(|_| alike && finding.action == Action::Tokenise);
        let token = value.and_then(|value| tokens.seal(tenant, &finding.class, value));
        token.unwrap_or_else(|| mark_text(finding))
    };
    groups
        .into_iter()
        .map(|(start, end, finding, alike)| Edit { start, end, text: text(start, end, finding, alike) })
        .collect()
}

/// Adds edits to others that count in the same body; what would touch one of those is left out.
pub(crate) fn merged(edits: Vec<Edit>, more: Vec<Edit>) -> Vec<Edit> {
    let free = |new: &Edit| edits.iter().all(|edit| new.end <= edit.start || edit.end <= new.start);
    let more: Vec<Edit> = more.into_iter().filter(free).collect();
    let mut all: Vec<Edit> = edits.into_iter().chain(more).collect();
    all.sort_by_key(|edit| edit.start);
    all
}
