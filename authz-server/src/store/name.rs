//! Names of people. Who gains by a call must not approve it, and neither under another spelling of the same name.

use unicode_normalization::UnicodeNormalization;

/// The first character that nobody can see or that moves others about; a name with one of these is somebody's trick.
pub(crate) fn hidden_in(name: &str) -> Option<char> {
    name.chars().find(|character| is_hidden(*character))
}

/// Whether two names would be read as the same one: in form NFKC (Unicode annex 15: wide, ligature and composed
/// spellings fall together), without hidden characters, without letter case, blanks counted once.
pub(crate) fn same(left: &str, right: &str) -> bool {
    folded(left) == folded(right)
}

fn folded(name: &str) -> String {
    let visible = name.chars().filter(|character| character.is_whitespace() || !is_hidden(*character));
    let lower = visible.nfkc().collect::<String>().to_lowercase();
    // Lower case can leave the form (`İ`), and the form can bring blanks.
    let text: String = lower.nfkc().filter(|character| !is_hidden(*character)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Controls, and the characters that reorder, hide or have no shape (Unicode TR 36 section 2.5, TR 9,
/// `Default_Ignorable_Code_Point`, the blank Braille pattern).
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_are_read_alike_are_one_name() {
        for spelling in [
            "Olga Kern",
            " olga  kern ",
            "OLGA\u{a0}KERN",
            "ol\u{200b}ga kern",
            "\u{202e}olga kern",
            "ｏｌｇａ\u{3000}ｋｅｒｎ",
            "𝐨𝐥𝐠𝐚 𝐤𝐞𝐫𝐧",
            "olga\u{34f} kern",
        ] {
            assert!(same(spelling, "olga kern"), "{spelling:?}");
        }
        assert!(same("Jose\u{301}", "JOSÉ"));
        assert!(same("İlker", "i\u{307}lker"));
        for other in ["olgakern", "olga kerns", "oľga kern"] {
            assert!(!same(other, "olga kern"), "{other:?}");
        }
    }

    #[test]
    fn hidden_characters_are_found_and_names_in_any_script_have_none() {
        for (name, hidden) in [
            ("ol\u{200b}ga", '\u{200b}'),
            ("a\nb", '\n'),
            ("a\u{2066}b", '\u{2066}'),
            ("a\u{e0041}", '\u{e0041}'),
        ] {
            assert_eq!(hidden_in(name), Some(hidden));
        }
        for name in ["Ana María O’Neill-Ødegård", "Ольга", "山田 太郎", "مريم", "ana@example.com"]
        {
            assert_eq!(hidden_in(name), None, "{name}");
        }
    }
}
