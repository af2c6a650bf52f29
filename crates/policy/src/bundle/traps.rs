//! The functions that a program of the bytecode machine calls, each of which raises a flag when it fails.
//!
//! regorus' machine drops an error inside of a rule, which makes the rule silently false. Nothing that fails may do so
//! unseen: every function here notes the failure for its thread before the machine gets to see it. Whoever runs the
//! machine looks at the flag afterwards and throws the result away when it is up.

use std::cell::Cell;
use std::sync::LazyLock;

use regorus::Value;
use regorus::unstable::{BUILTINS, BuiltinFcn};

use super::strict::{self, Wrong};

thread_local! {
    static TRIPPED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and says whether anything in it failed.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> (T, bool) {
    TRIPPED.set(false);
    let result = work();
    (result, TRIPPED.take())
}

/// Raises the flag for an error, and for an "undefined" out of defined arguments: some built-ins answer so instead of
/// failing.
fn watched<E>(result: Result<Value, E>) -> Result<Value, E> {
    if !matches!(&result, Ok(value) if *value != Value::Undefined) {
        TRIPPED.set(true);
    }
    result
}

/// A check that is put in front of an instruction. Undefined operands never reach it: the machine answers such a call
/// with "undefined" itself, and does the same for the instruction behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Two numbers.
    Arithmetic,
    /// Two numbers or two sets.
    Subtraction,
    /// Two numbers, the second of which is not zero.
    Division,
    /// Two numbers or two strings.
    Ordered,
    /// What can be iterated over.
    Collection,
    Array,
    /// A key that finds the same in both engines: text, or a number for an array.
    Key,
    Text,
    /// The same value: a rule has one.
    Same,
    /// Gives the first argument; "undefined" when any argument is.
    First,
}

impl Check {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arithmetic => "interdict.arithmetic",
            Self::Subtraction => "interdict.subtraction",
            Self::Division => "interdict.division",
            Self::Ordered => "interdict.ordered",
            Self::Collection => "interdict.collection",
            Self::Array => "interdict.array",
            Self::Key => "interdict.key",
            Self::Text => "interdict.text",
            Self::Same => "interdict.same",
            Self::First => "interdict.first",
        }
    }

    pub(crate) fn function(self) -> BuiltinFcn {
        macro_rules! check {
            ($holds:pat $(if $condition:expr)?) => {{
                let function: BuiltinFcn = (
                    |_, _, arguments, _| {
                        let holds = matches!(arguments, $holds $(if $condition)?);
                        Ok(watched(if holds { Ok(Value::Bool(true)) } else { Err(Wrong::Type) })?)
                    },
                    0,
                );
                function
            }};
        }
        match self {
            Self::Arithmetic => check!([Value::Number(_), Value::Number(_)]),
            Self::Subtraction => {
                check!([Value::Number(_), Value::Number(_)] | [Value::Set(_), Value::Set(_)])
            }
            Self::Division => {
                check!([Value::Number(_), divisor @ Value::Number(_)] if *divisor != Value::from(0))
            }
            Self::Ordered => {
                check!([Value::Number(_), Value::Number(_)] | [Value::String(_), Value::String(_)])
            }
            Self::Collection => check!([Value::Array(_) | Value::Set(_) | Value::Object(_)]),
            Self::Array => check!([Value::Array(_)]),
            Self::Key => check!([Value::Array(_), Value::Number(_)] | [_, Value::String(_)]),
            Self::Text => check!([Value::String(_)]),
            Self::Same => check!([one, other] if one == other),
            Self::First => {
                (|_, _, arguments, _| Ok(arguments.first().cloned().unwrap_or(Value::Undefined)), 0)
            }
        }
    }
}

/// The function that a program calls under this name; `None` for one that is not known to give the same in both
/// engines.
pub(crate) fn builtin(name: &str) -> Option<BuiltinFcn> {
    macro_rules! own {
        ($function:path, $arity:literal) => {{
            let function: BuiltinFcn = (|_, _, arguments, _| Ok(watched($function(arguments))?), $arity);
            Some(function)
        }};
    }
    macro_rules! engines {
        ($($name:literal)*) => {
            match name {
                "regex.match" => own!(strict::regex_match, 2),
                "regex.find_all_string_submatch_n" => own!(strict::regex_submatches, 3),
                "array.slice" => own!(strict::array_slice, 3),
                "time.clock" => own!(strict::time_clock, 1),
                "time.date" => own!(strict::time_date, 1),
                "time.weekday" => own!(strict::time_weekday, 1),
                $($name => {
                    static ORIGINAL: LazyLock<Option<BuiltinFcn>> =
                        LazyLock::new(|| BUILTINS.get($name).copied());
                    let (_, arity) = (*ORIGINAL)?;
                    let function: BuiltinFcn = (
                        |span, expressions, arguments, strict| match *ORIGINAL {
                            Some((original, _)) => watched(original(span, expressions, arguments, strict)),
                            None => Ok(watched(Err(Wrong::Type))?),
                        },
                        arity,
                    );
                    Some(function)
                })*
                _ => None,
            }
        };
    }
    engines! {
        "__builtin_sets.intersection" "__builtin_sets.union" "abs" "array.concat" "array.reverse" "ceil" "concat"
        "contains" "count" "endswith" "floor" "indexof" "is_array" "is_boolean" "is_null" "is_number" "is_object"
        "is_set" "is_string" "lower" "max" "min" "net.cidr_contains" "object.get" "object.keys" "replace" "round"
        "split" "startswith" "substring" "sum" "to_number" "trim" "trim_left" "trim_prefix" "trim_right" "trim_space"
        "trim_suffix" "type_name" "upper"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_a_builtin_of_the_engine() {
        for name in ["abs", "__builtin_sets.union", "time.clock", "regex.match", "trim_suffix", "object.keys"]
        {
            assert!(builtin(name).is_some(), "{name}");
        }
        assert!(builtin("time.now_ns").is_none());
    }
}
