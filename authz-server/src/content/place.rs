//! Where in a message something stands, and what can be done there.

use interdict_content::finding::{Finding, Place};

const ARGUMENTS: &str = "/params/arguments";

/// Members of `params` that steer the protocol: another value there is another request. Pointers; what is below them
/// counts too.
const STEERING: [&str; 12] = [
    "/params/name",
    "/params/uri",
    "/params/ref",
    "/params/taskId",
    "/params/cursor",
    "/params/level",
    "/params/requestState",
    "/params/progressToken",
    "/params/requestId",
    "/params/protocolVersion",
    "/params/notifications",
    "/params/_meta/progressToken",
];

/// The envelope of MCP 2026-07-28.
const ENVELOPE_VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// What a message says beside its frame.
const FREE: [&str; 3] = ["/params/", "/result/", "/error/"];

/// Members of `params` that a round of ours adds; they never get to the server.
const OUR_ROUND: [&str; 2] = ["/params/requestState", "/params/inputResponses"];

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the finding is in what is taken out of a round of ours anyhow.
pub(super) fn is_in_our_round(finding: &Finding) -> bool {
    OUR_ROUND.iter().any(|top| is_below(&finding.path, top))
}

/// Whether the finding is in the name of the tool, prompt or resource.
pub(super) fn is_in_target(finding: &Finding) -> bool {
    ["/params/name", "/params/uri", "/params/ref"].iter().any(|top| is_below(&finding.path, top))
}

/// Whether a mark can stand in its place: in a text that is no part of the protocol.
pub(super) fn is_replaceable(finding: &Finding) -> bool {
    let path = finding.path.as_str();
    let steers = STEERING.iter().chain([&ENVELOPE_VERSION]).any(|top| is_below(path, top));
    finding.place == Place::Text
        && finding.span.is_some()
        && FREE.iter().any(|top| path.starts_with(top))
        && !steers
}

/// The finding as the policy sees it: a pointer into the arguments, or `params/…`, `result/…` for what is not in there.
pub(super) fn told(finding: &Finding) -> Finding {
    let path = finding.path.as_str();
    let path = match path.strip_prefix(ARGUMENTS).filter(|_| is_below(path, ARGUMENTS)) {
        Some(inside) => inside.to_owned(),
        None => path.strip_prefix('/').unwrap_or(path).to_owned(),
    };
    Finding { path, ..finding.clone() }
}

#[cfg(test)]
mod tests {
    use interdict_content::finding::Facet;
    use interdict_content::profile::Action;

    use super::*;

    fn at(path: &str) -> Finding {
        Finding {
            class: "pan".into(),
            action: Action::Redact,
            path: path.to_owned(),
            place: Place::Text,
            span: Some(1..2),
            facet: Facet::default(),
            mark: [0; 16],
        }
    }

    #[test]
    fn a_mark_can_stand_in_texts_that_are_no_part_of_the_protocol() {
        for path in [
            "/params/arguments/name",
            "/params/arguments",
            "/params/names",
            "/params/_meta/x",
            "/params/_meta/io.modelcontextprotocol~1clientInfo/version",
            "/result/content/0/text",
            "/error/message",
            "/params/…/x",
        ] {
            assert!(is_replaceable(&at(path)), "{path}");
        }
        for path in [
            "/params/name",
            "/params/uri",
            "/params/ref/name",
            "/params/_meta/progressToken",
            "/params/_meta/io.modelcontextprotocol~1protocolVersion",
            "/params/requestState",
            "/id",
            "/method",
            "/other",
            "",
        ] {
            assert!(!is_replaceable(&at(path)), "{path}");
        }
        assert!(!is_replaceable(&Finding { place: Place::Number, ..at("/params/arguments/a") }));
        assert!(!is_replaceable(&Finding { span: None, ..at("/params/arguments/a") }));
    }

    #[test]
    fn the_policy_sees_pointers_into_the_arguments() {
        assert_eq!(told(&at("/params/arguments/a/0")).path, "/a/0");
        assert_eq!(told(&at("/params/argumentsx/a")).path, "params/argumentsx/a");
        assert_eq!(told(&at("/result/content/0/text")).path, "result/content/0/text");
    }
}
