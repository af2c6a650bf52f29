//! What was found in a call, as the policy sees it.

use interdict_content::finding::Place;
use interdict_content::profile::Action;
use regorus::Value;

use super::Input;
use super::document::{Keys, Members, strings};
use crate::{ContentFact, FindingFact};

pub(super) fn value(content: &ContentFact, input: &Input<'_>, keys: &Keys) -> Value {
    let mut members = Members::new();
    members.insert(keys.consequential.clone(), Value::Bool(is_consequential(input)));
    if !content.findings.is_empty() {
        let findings: Vec<Value> =
            content.findings.iter().map(|finding| finding_value(finding, keys)).collect();
        members.insert(keys.findings.clone(), findings.into());
    }
    if !content.accumulated.is_empty() {
        let accumulated = content.accumulated.iter().map(|class| {
            let mut members = Members::new();
            members.insert(keys.class.clone(), class.class.as_str().into());
            members.insert(keys.family.clone(), class.family.as_str().into());
            members.insert(keys.distinct.clone(), class.distinct.into());
            Value::from(members)
        });
        members.insert(keys.accumulated.clone(), accumulated.collect::<Vec<_>>().into());
    }
    if !content.labels.is_empty() {
        let labels: Vec<&str> = content.labels.iter().map(String::as_str).collect();
        members.insert(keys.labels.clone(), strings(&labels));
    }
    if content.incomplete {
        members.insert(keys.incomplete.clone(), Value::Bool(true));
    }
    members.into()
}

fn finding_value(finding: &FindingFact, keys: &Keys) -> Value {
    let mut members = Members::new();
    members.insert(keys.class.clone(), finding.class.as_str().into());
    members.insert(keys.action.clone(), action_label(finding.action).into());
    members.insert(keys.path.clone(), finding.path.as_str().into());
    members.insert(keys.place.clone(), place_label(finding.place).into());
    members.insert(keys.count.clone(), finding.count.into());
    for (key, facet) in [
        (&keys.last_four, &finding.last_four),
        (&keys.domain, &finding.domain),
        (&keys.country, &finding.country),
    ] {
        if let Some(facet) = facet {
            members.insert(key.clone(), facet.as_str().into());
        }
    }
    members.into()
}

/// Whether the call may change something: what the contract says, and without one what the registry says.
fn is_consequential(input: &Input<'_>) -> bool {
    match (input.mcp.tool, input.contract) {
        (None, _) => false,
        (Some(_), Some(contract)) => contract.changes_things(),
        (Some(tool), None) => !input.server.read_only_tools.iter().any(|name| name == tool),
    }
}

fn action_label(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Count => "count",
        Action::Tokenise => "tokenise",
        Action::Redact => "redact",
        Action::Ask => "ask",
        Action::Deny => "deny",
    }
}

fn place_label(place: Place) -> &'static str {
    match place {
        Place::Text => "text",
        Place::Number => "number",
        Place::Name => "name",
    }
}
