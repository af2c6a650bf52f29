//! What adds up over calls: what a call would add, as the policy says it, and what stands so far, as the server knows it.
//!
//! The policy alone reads the arguments. With an obligation of the type `consume` it says which counter a call adds to,
//! and how much or which things; whoever keeps the counters answers with a [`TotalFact`] each, and the call is judged
//! with them as facts. So a judgement stays a pure function, and can be replayed.

use std::fmt;

use regorus::Value;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::contract::{Contract, TotalTerm};

/// Most things that one call adds to a counter.
const MAX_THINGS: usize = 10_000;
/// Longest name of a counter.
const MAX_NAME: usize = 64;
/// Largest number that every reader of JSON keeps.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Shortest window, in seconds.
const MIN_WINDOW: u64 = 60;
/// Longest window, in seconds: 31 days.
pub const MAX_WINDOW: u64 = 31 * 24 * 60 * 60;

/// What a call adds to one counter once it is let through. It holds values of arguments: nothing of it may be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Consume {
    /// Name of the counter; one of its own for each agent, person, server and tool.
    pub counter: String,
    /// As the contract says it, like `24h`.
    pub window: String,
    /// The window in seconds.
    pub seconds: u64,
    /// Whom or what the counter is about, when there is one for each.
    pub of: Option<String>,
    /// How much.
    pub quantity: Quantity,
}

/// How much a call adds.
#[derive(Clone, PartialEq, Eq)]
pub enum Quantity {
    /// An amount, added up.
    Amount(u64),
    /// Things, each counted once however often it is named in the window.
    Things(Vec<String>),
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amount(_) => "Amount",
            Self::Things(_) => "Things",
        })
    }
}

impl fmt::Debug for Consume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consume")
            .field("counter", &self.counter)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// What a counter said before a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotalFact {
    /// Name of the counter.
    pub counter: String,
    /// Its window, as the contract says it.
    pub window: String,
    /// The amount, or the number of distinct things, without this call.
    pub before: u64,
    /// How many of this call's things were not among those; none for an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<u64>,
}

/// The seconds of a window: a whole number with `m`, `h` or `d`, from a minute to 31 days.
#[must_use]
pub fn window_seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    let in_form = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !in_form || digits.starts_with('0') {
        return None;
    }
    let scale = match unit {
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(scale)?;
    (MIN_WINDOW..=MAX_WINDOW).contains(&seconds).then_some(seconds)
}

impl Contract {
    /// The ceilings over calls of a counter, by its name and window, as the default policies name them.
    #[must_use]
    pub fn total(&self, counter: &str, window: &str) -> Option<&TotalTerm> {
        let terms = match counter {
            "value" | "payee" => &self.value.as_ref()?.totals,
            "recipients" => &self.recipients.as_ref()?.totals,
            "cardinality" => &self.cardinality.as_ref()?.totals,
            _ => return None,
        };
        terms.iter().find(|term| term.window == window && term.per.is_some() == (counter == "payee"))
    }
}

/// Whom a counter is about, by a name that a person wrote; all spellings of one are one. `None`: it names nobody.
#[must_use]
pub fn payee(text: &str) -> Option<String> {
    spelled(&Value::from(text))
}

impl Consume {
    /// Reads an element of an `obligation` set; `None` when it has not exactly the members that it should.
    pub(crate) fn read(element: &Value) -> Option<Self> {
        let members = element.as_object().ok()?;
        let member = |name: &str| members.get(&Value::from(name));
        let text = |name: &str| member(name)?.as_string().ok().map(|text| text.to_string());
        let of = match member("of") {
            Some(of) => Some(spelled(of)?),
            None => None,
        };
        let quantity = match (member("amount"), member("things")) {
            (Some(amount), None) => Quantity::Amount(whole(amount)?),
            (None, Some(things)) => Quantity::Things(keys(things)?),
            _ => return None,
        };
        let (counter, window) = (text("counter")?, text("window")?);
        let named = (1..=MAX_NAME).contains(&counter.len()) && !counter.chars().any(char::is_control);
        let known = 4 + usize::from(of.is_some());
        if !named || members.len() != known {
            return None;
        }
        let seconds = window_seconds(&window)?;
        Some(Self { counter, window, seconds, of, quantity })
    }

    /// Whether both add to one counter.
    pub(crate) fn is_of_counter(&self, other: &Self) -> bool {
        (&self.counter, self.seconds) == (&other.counter, other.seconds)
    }
}

/// A number without decimal places, however the engine keeps it.
fn whole(value: &Value) -> Option<u64> {
    let number = value.as_u64().ok().or_else(|| {
        let number = value.as_f64().ok()?;
        let fits = number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&number);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number in this range is one of both types"
        )]
        fits.then_some(number as u64)
    });
    number.filter(|number| *number <= MAX_INTEGER)
}

fn keys(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array().ok()?;
    if items.len() > MAX_THINGS {
        return None;
    }
    items.iter().map(key).collect()
}

/// Whom a counter is about. How an account is written makes no other one of it: as a number or as a text, in which form
/// of a letter or a digit, with which accents and in which case. All that is neither letter nor digit counts for nothing.
fn spelled(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.to_string(),
        Value::Number(_) => key(value)?,
        _ => return key(value),
    };
    // They count as letters, and show nothing.
    let fills = |character: char| matches!(character, '\u{115f}' | '\u{1160}');
    let text: String = text
        .nfkd()
        .filter(|character| character.is_alphanumeric() && !fills(*character))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    (!text.is_empty()).then(|| format!("\"{text}"))
}

/// What tells a thing from others: a number is another one than the text with its digits.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::String(text) => Some(format!("\"{text}")),
        Value::Number(number) => {
            Some(if number.is_integer() { number.format_decimal() } else { value.to_string() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Consume> {
        Consume::read(&Value::from_json_str(text).unwrap())
    }

    #[test]
    fn a_window_is_a_whole_number_of_minutes_hours_or_days_up_to_a_month() {
        for (text, seconds) in
            [("1m", 60), ("90m", 5_400), ("24h", 86_400), ("1d", 86_400), ("31d", MAX_WINDOW)]
        {
            assert_eq!(window_seconds(text), Some(seconds), "{text}");
        }
        for text in [
            "", "m", "0m", "01h", "1", "1s", "1w", "32d", "745h", "-1h", "1.5h", "1 h", "+1h", "1é",
            "999999m",
        ] {
            assert_eq!(window_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn an_element_has_exactly_its_members() {
        let amount = r#"{"type":"consume","counter":"value","window":"1h","amount":5}"#;
        let consume = read(amount).unwrap();
        assert_eq!((consume.seconds, &consume.quantity), (3_600, &Quantity::Amount(5)));
        assert_eq!(read(&amount.replace(":5", ":5.0")).unwrap(), consume);
        let of = read(&amount.replace(":5", r#":5,"of":" A-b.""#)).unwrap();
        assert_eq!((of.of.as_deref(), of.is_of_counter(&consume)), (Some("\"ab"), true));
        let things = read(&amount.replace(r#""amount":5"#, r#""things":["5",5,null]"#)).unwrap();
        assert_eq!(things.quantity, Quantity::Things(["\"5", "5", "null"].map(str::to_owned).to_vec()));
        for (from, to) in [
            (":5", ":-1"),
            (":5", ":0.5"),
            (":5", ":9007199254740992"),
            (":5", r#":5,"things":[]"#),
            (":5", r#":5,"of":[]"#),
            (":5", r#":5,"of":" - ""#),
            (":5", r#":5,"more":7"#),
            (r#""amount":5"#, r#""things":[[]]"#),
            (r#","amount":5"#, ""),
            ("1h", "1s"),
            ("value", ""),
        ] {
            assert!(read(&amount.replace(from, to)).is_none(), "{from} -> {to}");
        }
    }

    /// Attack: one account, spelled in many ways, has a total for each.
    #[test]
    fn how_a_payee_is_spelled_makes_no_other_one_of_it() {
        let of = |payee: &str| {
            let text = r#"{"type":"consume","counter":"payee","window":"1h","amount":5,"of":"#;
            read(&format!("{text}{payee}}}")).unwrap().of.unwrap()
        };
        for digits in ["12345", "\"12345\"", "12345.0", "\"１２３４５\"", "\"①2345\""] {
            assert_eq!(of(digits), "\"12345", "{digits}");
        }
        let separators = [
            " ",
            ".",
            "-",
            "_",
            "/",
            ":",
            "'",
            "\u{ad}",
            "\u{2060}",
            "\u{180e}",
            "\u{fe0f}",
            "\u{202e}",
            "\u{2010}",
            "\u{301}",
            "\u{200b}",
            "\u{feff}",
            "\u{34f}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}",
            "\u{e0041}",
        ];
        for between in separators {
            assert_eq!(of(&format!("\"De{between}8 9\"")), "\"de89", "{between:?}");
        }
        assert_eq!(of("\"Café Straße\""), of("\"CAFE\u{301} STRASSE\""));
        assert_ne!(of("\"12345\""), of("\"12346\""));
        assert_ne!(of("\"null\""), of("null"));
    }

    /// Attack: whoever reads logs learns whom somebody pays.
    #[test]
    fn what_a_call_adds_is_not_written_out() {
        let text = r#"{"type":"consume","counter":"payee","window":"1h","amount":5,"of":"DE89"}"#;
        assert!(!format!("{:?}", read(text)).contains("DE89"));
    }
}
