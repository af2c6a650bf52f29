//! Values that are split over calls: the ends of an argument's last texts and the beginning of this one are scanned
//! together.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use interdict_content::engine::Engine;
use interdict_content::finding::{Finding, SessionKey};
use interdict_content::profile::Action;
use interdict_content::tail::{self, Border, MOST_PARTS, Room, Tail};
use interdict_mcp::json::Value;

use super::session::{MAX_TAILS, Place, Sessions};
use super::strings;

/// What the texts of a call continue, and what they leave behind.
#[derive(Default)]
pub(super) struct Joined {
    /// Values that began in an earlier call; spans are those of the parts in this one.
    pub(super) findings: Vec<Finding>,
    pub(super) incomplete: bool,
    pub(super) tails: Vec<(Place, Tail)>,
}

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Looks at the texts in the arguments of a call of `tool`, the first ones of them.
pub(super) fn look(
    arguments: Value<'_>,
    (server, tool): (&str, &str),
    (engine, key): (&Engine, &SessionKey),
    sessions: &Sessions,
) -> Joined {
    let mut texts = Vec::new();
    let mut path = "/params/arguments".to_owned();
    strings::walk(arguments, &mut path, &mut |path, value| {
        let place = KEYS.hash_one((server, tool, path));
        let before = sessions.tail(key, place).unwrap_or_default();
        texts.push(Text {
            path: path.to_owned(),
            value,
            text: value.as_str().unwrap_or_default(),
            place,
            before,
        });
        texts.len() < MAX_TAILS
    });
    let mut room = Room::default();
    room.came(arguments.span().len());
    let (mut at, mut borders) = (Vec::new(), Vec::new());
    for text in &texts {
        if let Some(border) = Border::new(&text.before, &text.text, MOST_PARTS, engine.tail(), &mut room) {
            at.push(text);
            borders.push(border);
        }
    }
    tail::read(&mut borders, &mut room, engine, key);
    let mut joined = Joined::default();
    for (text, border) in at.into_iter().zip(borders) {
        joined.incomplete |= border.scan.incomplete;
        joined.findings.extend(border.scan.findings.into_iter().map(|found| text.part(found)));
    }
    let left = texts.iter().filter(|text| !text.text.is_empty());
    joined.tails = left.map(|text| (text.place, text.before.with(&text.text, engine.tail()))).collect();
    joined
}

/// A text of a call.
struct Text<'d> {
    path: String,
    value: Value<'d>,
    text: Cow<'d, str>,
    place: Place,
    before: Tail,
}

impl Text<'_> {
    /// What is found in it, with its place in the call.
    fn part(&self, found: Finding) -> Finding {
        // Where the text stands in the body as it is, byte for byte, its part of a value does too.
        let plain = self.value.raw().len() == self.text.len() + 2;
        let inside = self.value.span().start + 1;
        let span = found.span.filter(|_| plain).map(|span| inside + span.start..inside + span.end);
        // Half a value cannot be turned back.
        let action = if found.action == Action::Tokenise { Action::Redact } else { found.action };
        Finding { span, action, path: self.path.clone(), ..found }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use interdict_content::profile::Profile;
    use interdict_mcp::json::{Document, Limits};

    use super::super::session::Lesson;
    use super::*;

    const KEY: SessionKey = SessionKey::new([1; 32]);

    /// What is redacted in each of some calls.
    fn redacted(texts: &[&str]) -> Vec<String> {
        let classes = BTreeMap::from([("card".to_owned(), Action::Redact)]);
        let profile =
            Profile { v: 1, classes, regions: vec![], patterns: vec![], exact: vec![], injection: None };
        let (engine, sessions) = (Engine::new(&profile).unwrap(), Sessions::default());
        let mut parts = Vec::new();
        for text in texts {
            let json = format!(r#"{{"to":"x","text":"{text}"}}"#);
            let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
            let joined = look(document.root(), ("files", "write"), (&engine, &KEY), &sessions);
            assert!(!joined.incomplete);
            parts.extend(
                joined.findings.iter().map(|found| json.get(found.span.clone().unwrap()).unwrap().to_owned()),
            );
            sessions.learn(&KEY, Lesson { marks: Vec::new(), tails: joined.tails });
        }
        parts
    }

    /// Attack: something in a call of its own, before the call with the first half.
    #[test]
    fn the_second_half_of_a_value_is_found_whatever_was_sent_before_the_first() {
        assert_eq!(redacted(&["41111111", "11111111 ok"]), ["11111111"]);
        assert_eq!(redacted(&["9", "41111111", "11111111 ok"]), ["11111111"]);
        assert_eq!(redacted(&["12345678901234567890", "4929", "9", "1288 4991", "2034"]), [""; 0]);
        assert_eq!(redacted(&["12345678901234567890", "4929", "1288", "4991", "2034"]), ["2034"]);
    }

    #[test]
    fn the_same_call_again_and_again_holds_no_value() {
        assert_eq!(redacted(&["42424242"; 9]), [""; 0]);
    }
}
