//! Says for each line of JSON on standard input what was found in it, for measurements on corpora.
//!
//! In: `{"text": "…"}` or `{"json": …}`, with `"definition": true` for the definition of a tool and `"tools": ["…"]` for
//! the names of the agent's other tools. Out, in the same order:
//! `{"marks": [["structural", "chat_template"], …], "classes": {"pan": 1, …}, "incomplete": false}`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};

use interdict_content::engine::{CLASSES, Engine, ProfileError, Scan};
use interdict_content::finding::SessionKey;
use interdict_content::injection::{Injection, Mark};
use interdict_content::profile::{Action, InjectionAction, InjectionRules, Profile};
use interdict_mcp::json::{Document, JsonError, Limits, Numbers};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Case<'a> {
    text: Option<String>,
    #[serde(borrow)]
    json: Option<&'a RawValue>,
    #[serde(default)]
    definition: bool,
    #[serde(default)]
    tools: BTreeSet<String>,
}

#[derive(Serialize)]
struct Answer {
    marks: BTreeSet<(&'static str, &'static str)>,
    classes: BTreeMap<String, usize>,
    incomplete: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = everything()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let case: Case<'_> = serde_json::from_str(&line)?;
        serde_json::to_writer(&mut out, &judge(&engine, &case)?)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// All classes of all countries.
fn everything() -> Result<Engine, ProfileError> {
    let regions: BTreeSet<String> =
        CLASSES.iter().map(|class| class.country.to_owned()).filter(|country| !country.is_empty()).collect();
    Engine::new(&Profile {
        v: Profile::VERSION,
        classes: CLASSES.iter().map(|class| (class.name.to_owned(), Action::Count)).collect(),
        regions: regions.into_iter().collect(),
        patterns: Vec::new(),
        exact: Vec::new(),
        injection: None,
    })
}

fn judge(engine: &Engine, case: &Case<'_>) -> Result<Answer, JsonError> {
    let note = InjectionAction::Note;
    let rules = InjectionRules { structural: note, contextual: note, lexical: note };
    let injection = Injection::new(&rules, &case.tools);
    let key = SessionKey::new([7; 32]);
    if let Some(json) = case.json {
        let limits =
            Limits { max_bytes: 1 << 26, max_tokens: 1 << 22, numbers: Numbers::Exact, ..Limits::default() };
        let document = Document::parse(json.get().as_bytes(), &limits)?;
        let root = document.root();
        let marks =
            if case.definition { injection.inspect_definition(root) } else { injection.inspect(root) };
        return Ok(answer(&marks, &engine.scan(root, &key)));
    }
    let text = case.text.as_deref().unwrap_or_default();
    Ok(answer(&injection.inspect_text(text), &engine.scan_text(text, &key)))
}

fn answer(marks: &[Mark], scan: &Scan) -> Answer {
    let mut classes = BTreeMap::new();
    for finding in &scan.findings {
        *classes.entry(finding.class.as_ref().to_owned()).or_default() += 1;
    }
    let marks = marks.iter().map(|mark| (mark.tier.as_str(), mark.kind)).collect();
    Answer { marks, classes, incomplete: scan.incomplete }
}
