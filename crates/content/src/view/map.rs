//! Where the bytes of a view come from.

use std::ops::Range;

/// A stretch of a view.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where it starts in the view.
    at: usize,
    /// Where it comes from.
    from: usize,
    to: usize,
    /// Byte for byte the same as its source; otherwise it stands for its source as a whole.
    verbatim: bool,
}

/// From offsets in a view to offsets in what it was made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    /// In order and without gaps. Empty: everything is verbatim.
    pieces: Vec<Piece>,
    /// Added to every source offset.
    base: usize,
}

impl Map {
    /// Of a view that is its source from byte `base` on.
    pub(crate) const fn shifted(base: usize) -> Self {
        Self { pieces: Vec::new(), base }
    }

    /// Of a view that stands for `source` as a whole.
    pub(crate) fn whole(source: Range<usize>) -> Self {
        Self { pieces: vec![Piece { at: 0, from: source.start, to: source.end, verbatim: false }], base: 0 }
    }

    /// The bytes of the source that `range` of the view comes from.
    pub(crate) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.start(range.start);
        let end = self.end(range.end);
        self.base + start..self.base + end.max(start)
    }

    fn start(&self, at: usize) -> usize {
        match self.piece(at) {
            Some(piece) if piece.verbatim => piece.from + (at - piece.at),
            Some(piece) => piece.from,
            None => at,
        }
    }

    fn end(&self, end: usize) -> usize {
        match self.piece(end.saturating_sub(1)) {
            Some(piece) if piece.verbatim => piece.from + (end.saturating_sub(piece.at)),
            Some(piece) => piece.to,
            None => end,
        }
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        let behind = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(behind.checked_sub(1)?)
    }
}

/// A view in the making: text, and where it comes from.
#[derive(Default)]
pub(crate) struct Mapped {
    pub(crate) text: String,
    pub(crate) map: Map,
}

impl Mapped {
    /// Empties it for another view, whose source starts at `base`.
    pub(crate) fn restart(&mut self, base: usize) {
        self.text.clear();
        self.map.pieces.clear();
        self.map.base = base;
    }

    /// Adds text that stands at `from` in the source.
    pub(crate) fn keep(&mut self, text: &str, from: usize) {
        if !text.is_empty() {
            let piece = Piece { at: self.text.len(), from, to: from + text.len(), verbatim: true };
            self.map.pieces.push(piece);
            self.text.push_str(text);
        }
    }

    /// Adds what `source` stands for. What stands for nothing belongs to what is before it.
    pub(crate) fn put(&mut self, character: Option<char>, source: Range<usize>) {
        match character {
            Some(character) => {
                let piece =
                    Piece { at: self.text.len(), from: source.start, to: source.end, verbatim: false };
                self.map.pieces.push(piece);
                self.text.push(character);
            }
            None => {
                if let Some(piece) = self.map.pieces.last_mut().filter(|piece| !piece.verbatim) {
                    piece.to = source.end;
                }
            }
        }
    }
}

/// Maps from a view down to the document.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'o> {
    pub(crate) map: &'o Map,
    pub(crate) below: Option<&'o Origin<'o>>,
}

impl Origin<'_> {
    /// The bytes of the document that `range` of the view comes from.
    pub(crate) fn resolve(&self, range: &Range<usize>) -> Range<usize> {
        let source = self.map.source(range);
        match self.below {
            Some(below) => below.resolve(&source),
            None => source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_view_comes_from_the_bytes_it_was_made_of() {
        let mut view = Mapped::default();
        view.keep("ab", 0);
        view.put(Some('@'), 2..5);
        view.put(None, 5..8);
        view.keep("cd", 8);
        assert_eq!(view.text, "ab@cd");
        assert_eq!(view.map.source(&(0..2)), 0..2);
        assert_eq!(view.map.source(&(1..3)), 1..8);
        assert_eq!(view.map.source(&(2..3)), 2..8);
        assert_eq!(view.map.source(&(3..5)), 8..10);
        assert_eq!(view.map.source(&(0..5)), 0..10);
    }

    #[test]
    fn maps_on_top_of_each_other_lead_to_the_document() {
        let ground = Map::shifted(100);
        let below = Origin { map: &ground, below: None };
        let blob = Map::whole(4..20);
        let above = Origin { map: &blob, below: Some(&below) };
        assert_eq!(above.resolve(&(1..3)), 104..120);
        assert_eq!(below.resolve(&(1..3)), 101..103);
    }
}
