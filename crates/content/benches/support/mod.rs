//! What is measured with: an engine that looks for everything built in, and documents as servers answer with, records of a
//! database or an API, and prose.

use interdict_content::engine::{Engine, ProfileError};
use interdict_content::finding::SessionKey;
use interdict_content::profile::{Action, Profile};

pub(crate) const SIZES: [usize; 2] = [10 << 10, 1 << 20];
pub(crate) const KEY: SessionKey = SessionKey::new([7; 32]);

pub(crate) fn engine() -> Result<Engine, ProfileError> {
    let families = ["secret", "card", "account", "identity", "contact", "network"];
    let classes = families.map(|family| (family.to_owned(), Action::Redact)).into();
    let regions = vec!["us".to_owned(), "nl".to_owned()];
    Engine::new(&Profile { v: 1, classes, regions, patterns: vec![], exact: vec![], injection: None })
}

/// `rows` of about `size` bytes in all; every tenth has the note `odd` where there is one.
pub(crate) fn rows(size: usize, odd: Option<&str>) -> String {
    let rows: Vec<String> = (0..size / row(1, None).len()).map(|at| row(at, odd)).collect();
    format!(r#"{{"structuredContent":{{"rows":[{}]}},"isError":false}}"#, rows.join(","))
}

fn row(at: usize, odd: Option<&str>) -> String {
    let plain = "Delivered to the front desk; the customer was not at home and asked us to call back later.";
    let note = odd.filter(|_| at.is_multiple_of(10)).unwrap_or(plain);
    format!(
        r#"{{"id":{at},"uuid":"{:08x}-7c1f-4e5d-9a3b-{:012x}","name":"Widget, large ({at})","created_at":"2026-07-{:02}T10:{:02}:00Z","price":{}.95,"in_stock":true,"url":"https://shop.example.org/items/{at}?ref=list","tags":["tools","garden"],"note":"{note}"}}"#,
        at * 2_654_435_761 % 4_294_967_296,
        at * 40_503,
        at % 28 + 1,
        at % 60,
        at % 1000,
    )
}

/// Prose of about `size` bytes, in texts of 16 KiB at most.
pub(crate) fn text(size: usize) -> String {
    let paragraph = "## Results\\n\\nThe quick brown fox jumps over the lazy dog. It said: \\\"never mind\\\", and went on (see \
                     chapter 12) to the river, where nobody had been since the bridge fell in 1987.\\n";
    let length = size.min(16 << 10);
    let part = format!(r#"{{"type":"text","text":"{}"}}"#, paragraph.repeat(length / paragraph.len()));
    format!(r#"{{"content":[{}]}}"#, vec![part; size / length].join(","))
}
