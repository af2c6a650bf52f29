//! The text of a draft.

use std::fmt::Write as _;

use serde_json::Value;

use super::arguments::{Place, places};
use super::words::{
    AMOUNTS, EFFECTS, FILTERS, HOSTS, NAMES, PATHS, PROGRAMS, READS, RECIPIENTS, SECRETS, URLS, has,
};
use crate::cli::plain;
use crate::store::name::hidden_in;

const HEAD: &str = "\
# Drafted from what a server says of its own tools. Read every contract, correct it, and put your name under `signed_by`: a
# bundle refuses it until then. Everything marked `guessed` is a guess. `destinations` need `interdict.destinations.hosts` in the
# bundle's data.
";
const GUESSED: &str = "# guessed, a person signs";
/// Longest piece of a description.
const MAX_TOLD: usize = 100;

/// A file of contracts for these tools.
pub(super) fn draft(server: &str, tools: &[Value]) -> String {
    let mut out = HEAD.to_owned();
    let contracts: Vec<_> = tools.iter().map(|tool| contract(server, tool)).collect();
    let any = contracts.iter().any(Result::is_ok);
    out.push_str(if any { "contracts:\n" } else { "contracts: []\n" });
    for contract in contracts {
        match contract {
            Ok(text) | Err(text) => out.push_str(&text),
        }
    }
    out
}

/// The contract of one tool; a comment when it has no name that could be called.
fn contract(server: &str, tool: &Value) -> Result<String, String> {
    let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.len() > 256 || hidden_in(name).is_some() {
        let shown: String = name.chars().take(64).collect();
        return Err(format!("  # left out: a tool whose name nobody can read: {}\n", plain::line(&shown)));
    }
    let none = Value::Null;
    let input = places(tool.get("inputSchema").unwrap_or(&none));
    let effects = effects(name, tool, &input);
    let mut out = String::new();
    if let Some(told) = tool.get("description").and_then(Value::as_str) {
        let told: String = told.chars().take(MAX_TOLD).collect();
        line(&mut out, &format!("  # the server: {}", plain::line(&told)));
    }
    line(&mut out, &format!("  - server: {}", scalar(server)));
    line(&mut out, &format!("    tool: {}", scalar(name)));
    line(&mut out, "    signed_by: \"\"");
    line(&mut out, &format!("    effects: [{}] {GUESSED}{}", effects.join(", "), hints(tool)));
    let does = |effect: &str| effects.contains(&effect);
    if ["delete", "send", "pay", "execute"].into_iter().any(does) || hint(tool, "destructiveHint") {
        line(&mut out, &format!("    reversible: false {GUESSED}"));
    }
    if has(name, SECRETS) || input.iter().any(|place| has(place.name, SECRETS)) {
        line(&mut out, &format!("    sensitivity: high {GUESSED}"));
    }
    value(&mut out, &input, does("pay"));
    if does("send") || does("pay") {
        recipients(&mut out, &input);
    }
    if does("delete") {
        cardinality(&mut out, &input);
        depth(&mut out, &input);
    }
    destinations(&mut out, &input);
    rows(&mut out, tool);
    Ok(out)
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A text in YAML: JSON's quotes, with everything escaped that is not plain.
fn scalar(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        // Writing to a String does not fail.
        let _ = match character {
            '"' | '\\' => write!(out, "\\{character}"),
            ' '..='~' => write!(out, "{character}"),
            other => write!(out, "\\U{:08X}", u32::from(other)),
        };
    }
    out.push('"');
    out
}

fn list(path: &[String]) -> String {
    let parts: Vec<_> = path.iter().map(|part| scalar(part)).collect();
    format!("[{}]", parts.join(", "))
}

fn hint(tool: &Value, name: &str) -> bool {
    tool.get("annotations").and_then(|hints| hints.get(name)).and_then(Value::as_bool) == Some(true)
}

fn hints(tool: &Value) -> String {
    let said = ["readOnlyHint", "destructiveHint", "openWorldHint"];
    let said: Vec<_> = said.into_iter().filter(|name| hint(tool, name)).collect();
    if said.is_empty() { String::new() } else { format!("; the server says {}", said.join(", ")) }
}

/// Everything that the name suggests. A server that says that a tool reads is believed where its name does not say
/// otherwise; what suggests nothing may change something.
fn effects(name: &str, tool: &Value, input: &[Place<'_>]) -> Vec<&'static str> {
    let mut found: Vec<_> =
        EFFECTS.iter().filter(|(_, verbs)| has(name, verbs)).map(|(effect, _)| *effect).collect();
    let reads = has(name, READS);
    // `get_message`, `list_roles`: the nouns are what is read.
    if reads && super::words::words(name).first().is_some_and(|first| READS.contains(&first.as_str())) {
        found.retain(|effect| !matches!(*effect, "send" | "grant" | "pay" | "write"));
    }
    let program = input.iter().any(|place| place.is_text() && has(place.name, PROGRAMS));
    if program && !found.contains(&"execute") {
        found.push("execute");
    }
    if found.is_empty() {
        found.push(if reads || hint(tool, "readOnlyHint") { "read" } else { "write" });
    }
    found
}

fn value(out: &mut String, input: &[Place<'_>], pays: bool) {
    let amount = |place: &&Place<'_>| {
        place.is_number() && has(place.name, if pays { AMOUNTS } else { &["amount", "price"] })
    };
    let Some(place) = input.iter().find(amount) else { return };
    line(out, &format!("    value: {GUESSED}; ask_above and max are in the smallest unit"));
    line(out, &format!("      path: {}", list(&place.path)));
    if !place.is("integer") {
        line(out, &format!("      minor_units: 2 {GUESSED}"));
    }
    if let Some(currency) = input.iter().find(|place| place.is_text() && has(place.name, &["currency"])) {
        line(out, &format!("      # currency: EUR, and currency_path: {}", list(&currency.path)));
    }
    line(out, "      ask_above: 0");
    if !place.required {
        line(out, "      optional: true");
    }
}

fn recipients(out: &mut String, input: &[Place<'_>]) {
    let found: Vec<_> = input
        .iter()
        .filter(|place| place.is_text() && (has(place.name, RECIPIENTS) || place.has_format("email")))
        .collect();
    if found.is_empty() {
        return;
    }
    line(out, &format!("    recipients: {GUESSED}"));
    line(out, "      paths:");
    for place in &found {
        line(out, &format!("        - {}", list(&place.path)));
    }
    line(out, "      ask_above: 1");
    if !found.iter().any(|place| place.required) {
        line(out, "      optional: true");
    }
}

fn cardinality(out: &mut String, input: &[Place<'_>]) {
    let text = |place: &&Place<'_>| place.is_text() || place.is("integer");
    let named: Vec<_> = input.iter().filter(text).filter(|place| has(place.name, NAMES)).collect();
    let filters: Vec<_> =
        input.iter().filter(|place| has(place.name, FILTERS) && !place.is("array")).collect();
    if named.is_empty() && filters.is_empty() {
        line(out, "    # Nothing in the arguments seems to say what is deleted: give `cardinality.paths`.");
        return;
    }
    line(out, &format!("    cardinality: {GUESSED}"));
    for (key, places) in [("paths", named), ("filters", filters)] {
        if !places.is_empty() {
            line(out, &format!("      {key}:"));
        }
        for place in places {
            line(out, &format!("        - {}", list(&place.path)));
        }
    }
    line(out, "      ask_above: 1");
    line(out, "      max: 10");
    line(out, "      unbounded: deny");
}

fn depth(out: &mut String, input: &[Place<'_>]) {
    let Some(place) = input.iter().find(|place| place.is_text() && has(place.name, PATHS)) else { return };
    line(out, &format!("    path_depth: {GUESSED}"));
    line(out, &format!("      path: {}", list(&place.path)));
    line(out, "      min: 2");
    if !place.required {
        line(out, "      optional: true");
    }
}

fn destinations(out: &mut String, input: &[Place<'_>]) {
    let kind = |place: &Place<'_>| match () {
        () if !place.is_text() => None,
        () if place.has_format("uri") || has(place.name, URLS) => Some("url"),
        () if place.has_format("email") => Some("email"),
        () if place.has_format("hostname") || has(place.name, HOSTS) => Some("host"),
        () => None,
    };
    let found: Vec<_> = input.iter().filter_map(|place| Some((place, kind(place)?))).collect();
    if found.is_empty() {
        return;
    }
    line(out, &format!("    destinations: {GUESSED}"));
    for (place, kind) in found {
        line(out, &format!("      - path: {}", list(&place.path)));
        line(out, &format!("        kind: {kind}"));
        if !place.required {
            line(out, "        optional: true");
        }
    }
}

/// A ceiling on the first list of the result, or on the one whose name says that it is what was asked for.
fn rows(out: &mut String, tool: &Value) {
    const ROWS: &[&str] = &["rows", "items", "results", "records", "entries", "data", "hits", "matches"];
    let Some(schema) = tool.get("outputSchema") else { return };
    let lists: Vec<_> = places(schema).into_iter().filter(|place| place.is("array")).collect();
    let Some(place) = lists.iter().find(|place| has(place.name, ROWS)).or(lists.first()) else { return };
    line(out, &format!("    rows: {GUESSED}"));
    line(out, &format!("      path: {}", list(&place.path)));
    line(out, "      max: 100");
    line(out, "      over: cut");
}
