//! What a name looks like.

use unicode_normalization::UnicodeNormalization as _;

/// What `name` looks like: names with equal skeletons are easily taken for each other.
///
/// The skeleton of UTS #39 (invisible characters gone, look-alikes of all scripts mapped to one), made blind to case and
/// to separators. Since `I` looks like `l` and is the `i` of another case, these three count as one.
#[must_use]
pub fn skeleton(name: &str) -> String {
    let plain: String = name.nfkc().collect();
    // Twice: the small form of a letter may look like something else than the letter.
    let once: String = unicode_security::skeleton(&plain).flat_map(char::to_lowercase).collect();
    unicode_security::skeleton(&once)
        .flat_map(char::to_lowercase)
        .filter(|character| !is_separator(*character))
        .map(|character| if character == 'i' { 'l' } else { character })
        .collect()
}

fn is_separator(character: char) -> bool {
    matches!(character, '-' | '_' | '.' | '/' | ':' | '\u{2010}'..='\u{2015}')
        || character.is_whitespace()
        || character.is_control()
}
