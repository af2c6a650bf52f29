//! Names of members that a reader without regard to case takes for each other.

use interdict_mcp::json::Value;

/// Whether a member of `object` differs in case only from one of `names`.
pub(crate) fn differs_in_case(object: Value<'_>, names: &[&str]) -> bool {
    object.members().any(|(name, ..)| names.iter().any(|known| name != *known && is_alike(&name, known)))
}

/// Whether the names are equal but for case.
pub(crate) fn is_alike(name: &str, known: &str) -> bool {
    name.chars().map(folded).eq(known.chars().map(folded))
}

/// As any comparison without case may see a character, with the letters outside ASCII that fold into it: long s, Kelvin
/// sign, dotless and dotted i.
fn folded(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{131}' | '\u{130}' => 'i',
        other => other.to_ascii_lowercase(),
    }
}
