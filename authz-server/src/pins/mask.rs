//! What may be kept of a definition: names and texts are a server's, and what nobody may see in answers has no place in a
//! store, in the log or before a reviewer.
//!
//! Marks are put in by the decision point and not by the enforcement point, because the digest is that of the definition
//! as the server wrote it: here it can be held against the text before anything in that is replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::hmac;
use interdict_content::definition::EntryKind;
use interdict_content::engine::{Engine, Scan};
use interdict_content::finding::SessionKey;
use interdict_content::profile::Action;
use interdict_content::redact::redact;
use interdict_mcp::edit::apply;
use interdict_mcp::json::Document;

use super::checks::DEFINITION;
use super::entry::STAND_IN;

/// Puts marks into what a server wrote.
pub(super) struct Mask {
    /// What is looked for in answers of the server; `None`: nothing.
    pub(super) engine: Option<Arc<Engine>>,
    pub(super) key: SessionKey,
}

impl Mask {
    /// A definition with marks in the place of values; `None` when a value stands where no mark can be, or cannot be
    /// looked for.
    pub(super) fn text(&self, definition: &str) -> Option<String> {
        let Some(engine) = &self.engine else { return Some(definition.to_owned()) };
        let document = Document::parse(definition.as_bytes(), &DEFINITION).ok()?;
        let mut scan = withheld(engine.scan(document.root(), &self.key));
        if scan.incomplete {
            return None;
        }
        for finding in &mut scan.findings {
            finding.action = Action::Redact;
        }
        let marked = apply(definition.as_bytes(), &redact(&scan.findings).ok()?).ok()?;
        String::from_utf8(marked).ok()
    }

    /// What stands in for a name that holds a value; `None`: it holds none. Equal names have equal ones.
    pub(super) fn name(&self, kind: EntryKind, name: &str) -> Option<String> {
        let scan = withheld(self.engine.as_ref()?.scan_text(name, &self.key));
        let class = match scan.findings.first() {
            Some(finding) => &*finding.class,
            None if scan.incomplete => "unread",
            None => return None,
        };
        Some(self.stand_in(&format!("dlp:{class}"), kind, name))
    }

    /// A name of ours, for an entry that has none of its own. The digits say nothing about the text to whoever does not
    /// have the key.
    pub(super) fn stand_in(&self, what: &str, kind: EntryKind, of: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.bytes());
        let digits = hmac::sign(&key, format!("name\n{}\n{of}", kind.as_str()).as_bytes());
        let digits: String = digits.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{STAND_IN}{what}:{digits}]]")
    }
}

/// What is more than counted.
fn withheld(mut scan: Scan) -> Scan {
    scan.findings.retain(|finding| finding.action > Action::Count);
    scan
}

/// Classes of the marks in a definition. Of marks that the server wrote itself, too: they are as telling.
pub(super) fn classes(definition: &str) -> BTreeSet<String> {
    let marks = definition.split("[[dlp:").skip(1).filter_map(|rest| rest.split_once(':'));
    let is_class = |class: &str| {
        class.len() <= 64
            && class.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    marks.map(|(class, _)| class).filter(|class| is_class(class)).map(str::to_owned).collect()
}
