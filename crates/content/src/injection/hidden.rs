//! Characters that a person does not see and a model reads: tag characters, direction controls, runs of invisible
//! characters, runs of variation selectors, terminal escapes.

use super::Found;

const LETTERS_SPLIT: usize = 5;
const RUN: usize = 8;

/// What `text` hides by means of single characters. One pass.
pub(super) fn find(text: &str, found: &mut Found) {
    if text.is_ascii() {
        return;
    }
    let mut state = State::default();
    read(text, &mut state);
    for (seen, kind) in [
        (state.tags, "tag_characters"),
        (state.bidi, "bidi_control"),
        (state.invisible, "zero_width_run"),
        (state.selectors, "variation_selectors"),
        (state.csi, "terminal_escape"),
    ] {
        if seen {
            found.structural(kind);
        }
    }
}

fn read(text: &str, state: &mut State) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or_default();
        state.skip(plain);
        let mut characters = behind.chars();
        characters.next().into_iter().for_each(|character| state.step(character));
        rest = characters.as_str();
    }
    state.skip(rest);
    state.end_of_line();
    state.end_run();
}

#[derive(Default)]
struct State {
    tags: bool,
    bidi: bool,
    invisible: bool,
    selectors: bool,
    csi: bool,
    /// Tag characters behind a black flag (a regional flag, as that of Scotland) may be at most seven.
    flag: Option<usize>,
    /// Open direction embeddings and isolates of the line.
    embedded: usize,
    isolated: usize,
    right_to_left: bool,
    run: Run,
    selector_run: usize,
    split: Split,
}

/// Invisible characters in a row.
#[derive(Default)]
struct Run {
    length: usize,
    last: Option<char>,
    /// How often two neighbours differed, and how often two were alike: data has both, padding one of them.
    changes: usize,
    repeats: usize,
}

/// Letters with one invisible character between each two of them.
#[derive(Default)]
struct Split {
    after_letter: bool,
    after_invisible: bool,
    letters: usize,
}

impl State {
    /// ASCII between two other characters. What is in the middle of it says nothing, but that a line ends.
    fn skip(&mut self, plain: &str) {
        let mut characters = plain.chars();
        characters.next().into_iter().for_each(|character| self.step(character));
        let last = [characters.next_back(), characters.next_back()];
        if self.is_open() && characters.as_str().contains('\n') {
            self.end_of_line();
        }
        last.into_iter().rev().flatten().for_each(|character| self.step(character));
    }

    /// Whether the end of a line changes anything.
    const fn is_open(&self) -> bool {
        self.embedded > 0 || self.isolated > 0 || self.right_to_left
    }

    fn step(&mut self, character: char) {
        self.step_tags(character);
        self.step_bidi(character);
        self.step_selectors(character);
        self.step_run(character);
        self.split.step(character);
        self.invisible |= self.split.letters >= LETTERS_SPLIT;
        self.csi |= character == '\u{9b}';
    }

    fn step_tags(&mut self, character: char) {
        match (character, self.flag) {
            ('\u{1f3f4}', _) => self.flag = Some(0),
            ('\u{e0030}'..='\u{e007a}', Some(length)) if length < 7 => self.flag = Some(length + 1),
            ('\u{e007f}', Some(_)) => self.flag = None,
            ('\u{e0000}'..='\u{e007f}', _) => self.tags = true,
            _ => self.flag = None,
        }
    }

    fn step_bidi(&mut self, character: char) {
        match character {
            // Overrides show letters in an order in which they are not: nothing honest needs them.
            '\u{202d}' | '\u{202e}' => self.bidi = true,
            '\u{202a}' | '\u{202b}' => self.embedded += 1,
            '\u{2066}'..='\u{2068}' => self.isolated += 1,
            '\u{202c}' => self.close(true),
            '\u{2069}' => self.close(false),
            '\n' | '\u{2029}' => self.end_of_line(),
            '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' => {
                self.right_to_left = true;
            }
            _ => {}
        }
    }

    fn close(&mut self, embedding: bool) {
        // A stray terminator does nothing.
        let open = if embedding { &mut self.embedded } else { &mut self.isolated };
        *open = open.saturating_sub(1);
    }

    /// Sloppy right-to-left text leaves embeddings open; in a line of other text an open one reorders what follows.
    fn end_of_line(&mut self) {
        let unbalanced = self.embedded > 0 || self.isolated > 0;
        self.bidi |= unbalanced && !self.right_to_left;
        (self.embedded, self.isolated, self.right_to_left) = (0, 0, false);
    }

    fn step_selectors(&mut self, character: char) {
        let selects = matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
        self.selector_run = if selects { self.selector_run + 1 } else { 0 };
        // An honest character has one; a doubled one is seen in the wild.
        self.selectors |= self.selector_run >= 3;
    }

    fn step_run(&mut self, character: char) {
        let counts = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{180e}');
        if counts {
            self.run.add(character);
        } else if self.run.length > 0 {
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        self.invisible |= self.run.carries_data();
        self.run = Run::default();
    }
}

impl Run {
    fn add(&mut self, character: char) {
        match self.last {
            Some(last) if last == character => self.repeats += 1,
            Some(_) => self.changes += 1,
            None => {}
        }
        self.length += 1;
        self.last = Some(character);
    }

    /// Padding (of mails, of line breaks) repeats one character or a short pattern.
    fn carries_data(&self) -> bool {
        self.length >= RUN && self.changes > 0 && self.repeats > 0
    }
}

impl Split {
    fn step(&mut self, character: char) {
        let invisible =
            matches!(character, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}');
        if character.is_ascii_alphabetic() && (self.after_invisible || self.letters == 0) {
            self.letters += 1;
            (self.after_letter, self.after_invisible) = (true, false);
        } else if invisible && self.after_letter {
            (self.after_letter, self.after_invisible) = (false, true);
        } else if character.is_ascii_alphabetic() {
            *self = Self { after_letter: true, after_invisible: false, letters: 1 };
        } else {
            *self = Self::default();
        }
    }
}

/// Terminal escapes: everything but plain colours, and colours that hide what they colour.
pub(super) fn find_escapes(text: &str, strict: bool, found: &mut Found) {
    let mut pieces = text.split('\u{1b}');
    pieces.next();
    if pieces.any(|after| strict || is_harmful(after)) {
        found.structural("terminal_escape");
    }
}

fn is_harmful(after: &str) -> bool {
    let Some(sequence) = after.strip_prefix('[') else {
        // OSC, DCS, APC, PM, SOS, reset, save and restore; a lone escape in binary noise is none of these.
        return after.starts_with([']', 'P', '_', '^', 'X', 'c', '7', '8', 'M', 'D', 'E', '#', '(']);
    };
    let Some(end) = sequence.find(|byte: char| !matches!(byte, '0'..='9' | ';' | ':' | '?' | '>' | '='))
    else {
        return false;
    };
    let (parameters, rest) = sequence.split_at_checked(end).unwrap_or_default();
    match rest.chars().next() {
        Some('m') => hides(parameters),
        // Erasing to the end of the line comes with colours in the output of compilers and test runners.
        Some('K') => !matches!(parameters, "" | "0"),
        Some('@'..='~') => true,
        _ => false,
    }
}

/// Whether a choice of colours makes text unreadable on a usual terminal.
fn hides(parameters: &str) -> bool {
    let numbers: Vec<&str> = parameters.split([';', ':']).collect();
    match numbers.as_slice() {
        ["38", "5", "16" | "231", ..]
        | ["38", "2", "255", "255", "255", ..]
        | ["38", "2", "0", "0", "0", ..] => true,
        ["38" | "48", ..] => false,
        all => all.contains(&"8") || same_ink(all),
    }
}

fn same_ink(numbers: &[&str]) -> bool {
    let ink = |prefix: char| {
        numbers.iter().filter(|number| number.len() == 2).find_map(|number| number.strip_prefix(prefix))
    };
    ink('3').is_some() && ink('3') == ink('4')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::State;

    /// What is seen when no character is left out.
    fn seen(state: &State) -> [bool; 5] {
        [state.tags, state.bidi, state.invisible, state.selectors, state.csi]
    }

    proptest! {
        #[test]
        fn ascii_that_is_skipped_would_have_said_nothing(
            parts in prop::collection::vec(
                prop_oneof![
                    "[a-z \\n]{0,6}",
                    "[\u{200b}\u{2060}\u{202a}\u{202c}\u{2066}\u{2069}\u{202e}\u{5d0}\u{e0041}\u{fe0f}\u{1f3f4}\u{9b}]{1,4}",
                ],
                0..24,
            ),
        ) {
            let text = parts.concat();
            let (mut fast, mut slow) = (State::default(), State::default());
            super::read(&text, &mut fast);
            text.chars().for_each(|character| slow.step(character));
            slow.end_of_line();
            slow.end_run();
            prop_assert_eq!(seen(&fast), seen(&slow));
        }
    }
}
