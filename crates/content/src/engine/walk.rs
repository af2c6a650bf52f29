//! The walk over a document: every leaf, every view of it.

use std::ops::Range;

use hmac::{Hmac, KeyInit as _, Mac as _};
use interdict_mcp::json::Value;
use sha2::Sha256;

use super::{Engine, Scan};
use crate::detect::{Found, Hit, MOST, Scratch, Text};
use crate::finding::{Finding, Place, SessionKey};
use crate::schema::decimal::Decimal;
use crate::view::textual::{self, Changed};
use crate::view::{Map, Mapped, Origin, encoded, literal};

/// Deepest nesting that is walked. The reader's own bound is below it.
const DEEPEST: usize = 256;
/// Bytes that may be decoded for one leaf.
const ROOM: usize = 64 << 10;
/// Bytes that may be decoded for one document: compressed runs would otherwise keep a worker busy for seconds.
const WHOLE_ROOM: usize = 1 << 20;
/// Digits of a number that is written with an exponent; nothing that is looked for has more.
const MOST_DIGITS: usize = 40;
/// How often encodings may be nested: runs within runs, and textual codings within textual codings.
const LEVELS: u8 = 2;

/// The way from the root to a value.
pub(super) enum Step<'s> {
    Root,
    Name { before: &'s Step<'s>, name: &'s str, hidden: bool, depth: usize },
    Index { before: &'s Step<'s>, index: usize, depth: usize },
}

impl Step<'_> {
    fn depth(&self) -> usize {
        match self {
            Step::Root => 0,
            Step::Name { depth, .. } | Step::Index { depth, .. } => *depth,
        }
    }

    /// As an RFC 6901 pointer.
    fn render(&self) -> String {
        let (mut parts, mut step) = (Vec::new(), self);
        loop {
            match step {
                Step::Root => break,
                Step::Name { before, name, hidden, .. } => {
                    let shown = *hidden || name.len() > 64;
                    parts.push(if shown {
                        "…".to_owned()
                    } else {
                        name.replace('~', "~0").replace('/', "~1")
                    });
                    step = before;
                }
                Step::Index { before, index, .. } => {
                    parts.push(index.to_string());
                    step = before;
                }
            }
        }
        parts.iter().rev().fold(String::new(), |path, part| path + "/" + part)
    }
}

/// One leaf of the document.
struct Leaf<'l> {
    step: &'l Step<'l>,
    place: Place,
    name: &'l str,
}

/// How deep in encodings a view is.
#[derive(Clone, Copy, Default)]
struct Levels {
    encoded: u8,
    textual: u8,
}

pub(super) struct Walk<'e> {
    engine: &'e Engine,
    key: &'e SessionKey,
    scan: Scan,
    scratch: Scratch,
    /// What the last pass over a text brought.
    found: Found,
    view: Mapped,
    /// Only what is on both sides of this place of a text is wanted.
    pub(super) border: Option<usize>,
    /// What is left of [`ROOM`] for this leaf.
    room: usize,
    /// What is left of [`WHOLE_ROOM`].
    whole: usize,
    /// First finding of this leaf.
    first: usize,
    /// Class and place of what was found in this leaf.
    told: Vec<(usize, Range<usize>)>,
    /// Runs of this leaf that were decoded: how deep they stood, where, and how much came out of them.
    decoded: Vec<(u8, Range<usize>, usize)>,
}

impl<'e> Walk<'e> {
    pub(super) fn new(engine: &'e Engine, key: &'e SessionKey) -> Self {
        Self {
            engine,
            key,
            scan: Scan::default(),
            scratch: Scratch::default(),
            found: Found::default(),
            view: Mapped::default(),
            border: None,
            room: ROOM,
            whole: WHOLE_ROOM,
            first: 0,
            told: Vec::new(),
            decoded: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Scan {
        self.scan
    }

    pub(super) fn plain(&mut self, text: &str) {
        self.leaf(text, &Map::shifted(0), &Leaf { step: &Step::Root, place: Place::Text, name: "" });
    }

    /// A value and what is below it. `name` is the member that it belongs to.
    pub(super) fn value(&mut self, value: Value<'_>, step: &Step<'_>, name: &str) {
        if self.scan.findings.len() >= MOST || step.depth() > DEEPEST {
            self.scan.incomplete = true;
            return;
        }
        let raw = value.raw();
        match raw.as_bytes().first() {
            Some(b'"') => self.string(raw, value.span().start + 1, step, name),
            Some(b'{') => self.members(value, step),
            Some(b'[') => {
                let depth = step.depth() + 1;
                for (index, element) in value.elements().enumerate() {
                    self.value(element, &Step::Index { before: step, index, depth }, name);
                }
            }
            Some(b'-' | b'0'..=b'9') if !self.engine.detectors.is_dull_number(raw) => {
                self.number(raw, value.span().start, &Leaf { step, place: Place::Number, name });
            }
            _ => {}
        }
    }

    fn members(&mut self, object: Value<'_>, step: &Step<'_>) {
        let depth = step.depth() + 1;
        for (name, span, member) in object.members() {
            let before = self.scan.findings.len();
            if !self.engine.detectors.is_dull_name(&name) {
                let hidden = Step::Name { before: step, name: &name, hidden: true, depth };
                let leaf = Leaf { step: &hidden, place: Place::Name, name: "" };
                self.leaf(&name, &Map::shifted(span.start), &leaf);
            }
            let hidden = self.scan.findings.len() > before;
            self.value(member, &Step::Name { before: step, name: &name, hidden, depth }, &name);
        }
    }

    fn string(&mut self, raw: &str, base: usize, step: &Step<'_>, name: &str) {
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        if self.engine.detectors.is_dull_text(inner) {
            return;
        }
        let leaf = Leaf { step, place: Place::Text, name };
        if !inner.as_bytes().contains(&b'\\') {
            return self.leaf(inner, &Map::shifted(base), &leaf);
        }
        let mut view = std::mem::take(&mut self.view);
        literal::decode(inner, base, &mut view);
        self.leaf(&view.text, &view.map, &leaf);
        self.view = view;
    }

    /// A number as it is written, and the integer that every reader makes of `4.11e15`.
    fn number(&mut self, raw: &str, base: usize, leaf: &Leaf<'_>) {
        let map = Map::shifted(base);
        self.leaf(raw, &map, leaf);
        // Zeros behind a point are left out of what is read anyhow.
        if !raw.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
            return;
        }
        if let Some(integer) = Decimal::read(raw).integer(MOST_DIGITS) {
            let (below, whole) = (Origin { map: &map, below: None }, Map::whole(0..raw.len()));
            let origin = Origin { map: &whole, below: Some(&below) };
            self.text(&integer, &origin, leaf, Levels { textual: 1, ..Levels::default() });
        }
    }

    fn leaf(&mut self, text: &str, map: &Map, leaf: &Leaf<'_>) {
        self.room = ROOM;
        self.first = self.scan.findings.len();
        self.told.clear();
        self.decoded.clear();
        self.text(text, &Origin { map, below: None }, leaf, Levels::default());
        if let Some(found) = self.scan.findings.get_mut(self.first..).filter(|found| found.len() > 1) {
            found.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
        }
    }

    /// One view of a leaf, and the views of this view.
    fn text(&mut self, text: &str, origin: &Origin<'_>, leaf: &Leaf<'_>, levels: Levels) {
        self.found.clear();
        let name = if leaf.place == Place::Name { "" } else { leaf.name };
        let subject = Text { text, name, number: leaf.place == Place::Number };
        self.engine.detectors.find(&subject, &mut self.scratch, &mut self.found);
        if !self.found.is_empty() {
            self.look_closer(text, origin, leaf, levels);
        }
    }

    /// There is something in the text: values, or what is to be decoded.
    fn look_closer(&mut self, text: &str, origin: &Origin<'_>, leaf: &Leaf<'_>, levels: Levels) {
        let mut found = std::mem::take(&mut self.found);
        self.scan.incomplete |= found.incomplete;
        let mut allowed = Vec::new();
        if !found.hits.is_empty() {
            allowed = self.engine.settle(text, &mut found.hits);
            for hit in &found.hits {
                self.tell(hit, origin, leaf, levels);
            }
        }
        if found.textual {
            self.textual(text, origin, leaf, levels);
        }
        // The parts of a token that a person allowed are allowed with it.
        let is_allowed = |word: &Range<usize>| {
            allowed.iter().any(|range| range.start <= word.start && word.end <= range.end)
        };
        // Elsewhere than in the text itself nobody knows where the border is.
        let border = self.border.filter(|_| levels.encoded == 0 && levels.textual == 0);
        let is_beside = |word: &Range<usize>| border.is_some_and(|at| !encoded::may_cross(text, word, at));
        for word in found.encoded.into_iter().filter(|word| !is_allowed(word) && !is_beside(word)) {
            self.encoded(text, word, origin, leaf, levels);
        }
    }

    fn textual(&mut self, text: &str, origin: &Origin<'_>, leaf: &Leaf<'_>, levels: Levels) {
        let mut view = Mapped::default();
        let changed = textual::undo(text, &mut view);
        if changed == Changed::No {
            return;
        }
        if levels.textual >= LEVELS {
            self.scan.incomplete = true;
            return;
        }
        let levels = Levels { textual: levels.textual + 1, ..levels };
        self.text(&view.text, &Origin { map: &view.map, below: Some(origin) }, leaf, levels);
        if changed == Changed::Tags {
            textual::undo_tags(text, &mut view);
            self.text(&view.text, &Origin { map: &view.map, below: Some(origin) }, leaf, levels);
        }
    }

    fn encoded(
        &mut self,
        text: &str,
        word: Range<usize>,
        origin: &Origin<'_>,
        leaf: &Leaf<'_>,
        levels: Levels,
    ) {
        match encoded::decode(text, word, self.room.min(self.whole)) {
            encoded::Decoded::Texts(texts) => {
                texts
                    .into_iter()
                    .for_each(|(decoded, run)| self.decoded(&decoded, run, origin, leaf, levels));
            }
            encoded::Decoded::TooLong => self.scan.incomplete = true,
        }
    }

    fn decoded(
        &mut self,
        decoded: &str,
        run: Range<usize>,
        origin: &Origin<'_>,
        leaf: &Leaf<'_>,
        levels: Levels,
    ) {
        let source = origin.resolve(&run);
        // The same run in another view of the leaf.
        let again = (levels.encoded, source, decoded.len());
        if self.decoded.contains(&again) {
            return;
        }
        if levels.encoded >= LEVELS || decoded.len() > self.room.min(self.whole) {
            self.scan.incomplete = true;
            return;
        }
        self.decoded.push(again);
        self.room = self.room.saturating_sub(decoded.len());
        self.whole = self.whole.saturating_sub(decoded.len());
        let map = Map::whole(run);
        let origin = Origin { map: &map, below: Some(origin) };
        self.text(decoded, &origin, leaf, Levels { encoded: levels.encoded + 1, textual: 0 });
    }

    fn tell(&mut self, hit: &Hit, origin: &Origin<'_>, leaf: &Leaf<'_>, levels: Levels) {
        let Some(Some(class)) = self.engine.classes.get(hit.class) else { return };
        if self.scan.findings.len() >= MOST {
            self.scan.incomplete = true;
            return;
        }
        let source = origin.resolve(&hit.range);
        let mark = mark(self.key, &class.name, &hit.value);
        if self.is_told(hit.class, &source, &mark, levels) {
            return;
        }
        self.told.push((hit.class, source.clone()));
        self.scan.findings.push(Finding {
            class: class.name.clone(),
            action: class.action,
            path: leaf.step.render(),
            place: leaf.place,
            span: (leaf.place == Place::Text).then_some(source),
            facet: hit.facet.clone(),
            mark,
        });
    }

    /// Whether a value of the class was found in the same bytes in another view. Runs hold many values in the same
    /// bytes; there the mark tells them apart.
    fn is_told(&self, class: usize, source: &Range<usize>, mark: &[u8; 16], levels: Levels) -> bool {
        if levels.encoded == 0 && levels.textual == 0 {
            return false;
        }
        let findings = self.scan.findings.get(self.first..).unwrap_or_default();
        self.told.iter().zip(findings).any(|((told, range), finding)| {
            let touches = range.start < source.end && source.start < range.end;
            let within = range.start <= source.start && source.end <= range.end;
            *told == class && if levels.encoded == 0 { touches } else { within && finding.mark == *mark }
        })
    }
}

/// First 16 bytes of HMAC-SHA-256 over class, a zero byte and the value.
fn mark(key: &SessionKey, class: &str, value: &str) -> [u8; 16] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.bytes()) else { return [0; 16] };
    mac.update(class.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    mac.finalize().into_bytes().first_chunk::<16>().copied().unwrap_or_default()
}
