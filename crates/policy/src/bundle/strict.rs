//! Built-ins of which the engine's own version is not strict, not pure or not fast enough.
//!
//! regorus looks functions up here before its own table. `regex.replace` and `array.slice` answer "undefined" for a
//! wrong argument, which would make a `deny` rule silently false. The matching ones clone the compiled pattern for every
//! call, and a cloned pattern starts with empty scratch memory (about 7 to 14 µs per call); here it is shared. Those that
//! take a time zone read the machine's own for `Local`, and a decision must not depend on it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use regorus::unstable::{BUILTINS, Expr, Ref, Source, Span};
use regorus::{Engine, Value};

/// Largest compiled pattern, in bytes; the engine's own limit.
const PATTERN_BYTES: usize = 100 * 1024;
/// Most compiled patterns kept per thread. Patterns come from policies and data; one that takes them from arguments
/// would otherwise fill the memory.
const PATTERNS: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<Box<str>, Rc<Regex>>> = RefCell::default();
}

/// Names no value: messages of the engine may reach a log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("arguments of another type than the function takes")]
    Type,
    #[error("invalid regex")]
    Pattern,
    #[error("a time zone has a name; `Local` is another one on every machine")]
    Zone,
}

pub(crate) fn install(engine: &mut Engine) -> Result<(), String> {
    type Function = fn(&[Value]) -> Result<Value, Wrong>;
    let functions: [(&str, u8, Function); 10] = [
        ("regex.find_all_string_submatch_n", 3, regex_submatches),
        ("regex.match", 2, regex_match),
        ("regex.replace", 3, regex_replace),
        ("array.slice", 3, array_slice),
        ("time.add_date", 4, |arguments| time("time.add_date", arguments)),
        ("time.clock", 1, time_clock),
        ("time.date", 1, time_date),
        ("time.diff", 2, |arguments| time("time.diff", arguments)),
        ("time.format", 1, |arguments| time("time.format", arguments)),
        ("time.weekday", 1, time_weekday),
    ];
    for (name, arity, function) in functions {
        let extension = move |arguments: Vec<Value>| function(&arguments).map_err(Into::into);
        engine.add_extension(name.into(), arity, Box::new(extension)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn compiled(pattern: &str) -> Result<Rc<Regex>, Wrong> {
    COMPILED.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        let regex =
            RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().map_err(|_| Wrong::Pattern)?;
        if known.len() >= PATTERNS {
            known.clear();
        }
        let regex = Rc::new(regex);
        known.insert(pattern.into(), Rc::clone(&regex));
        Ok(regex)
    })
}

pub(crate) fn regex_match(arguments: &[Value]) -> Result<Value, Wrong> {
    let [Value::String(pattern), Value::String(text)] = arguments else { return Err(Wrong::Type) };
    Ok(Value::Bool(compiled(pattern)?.is_match(text)))
}

/// Each match with its groups; a group that took no part is the empty text. A negative number asks for all matches.
pub(crate) fn regex_submatches(arguments: &[Value]) -> Result<Value, Wrong> {
    let [Value::String(pattern), Value::String(text), number] = arguments else { return Err(Wrong::Type) };
    let most = usize::try_from(number.as_i64().map_err(|_| Wrong::Type)?).unwrap_or(usize::MAX);
    let group = |group: Option<regex::Match<'_>>| Value::from(group.map_or("", |group| group.as_str()));
    let matches = compiled(pattern)?
        .captures_iter(text)
        .take(most)
        .map(|found| Value::from(found.iter().map(group).collect::<Vec<_>>()))
        .collect::<Vec<_>>();
    Ok(matches.into())
}

fn regex_replace(arguments: &[Value]) -> Result<Value, Wrong> {
    let [Value::String(text), Value::String(pattern), Value::String(with)] = arguments else {
        return Err(Wrong::Type);
    };
    Ok(Value::from(&*compiled(pattern)?.replace_all(text, &**with)))
}

pub(crate) fn array_slice(arguments: &[Value]) -> Result<Value, Wrong> {
    let [Value::Array(array), start, stop] = arguments else { return Err(Wrong::Type) };
    let bound = |value: &Value| {
        let number = value.as_i64().map_err(|_| Wrong::Type)?;
        Ok(usize::try_from(number.max(0)).unwrap_or(usize::MAX).min(array.len()))
    };
    let (start, stop) = (bound(start)?, bound(stop)?);
    Ok(array.iter().skip(start).take(stop.saturating_sub(start)).cloned().collect::<Vec<_>>().into())
}

pub(crate) fn time_clock(arguments: &[Value]) -> Result<Value, Wrong> {
    time("time.clock", arguments)
}

pub(crate) fn time_date(arguments: &[Value]) -> Result<Value, Wrong> {
    time("time.date", arguments)
}

pub(crate) fn time_weekday(arguments: &[Value]) -> Result<Value, Wrong> {
    time("time.weekday", arguments)
}

/// The engine's function, for every zone that means the same everywhere.
fn time(name: &str, arguments: &[Value]) -> Result<Value, Wrong> {
    let zone = |argument: &Value| match argument {
        Value::Array(parts) => parts.get(1).cloned(),
        _ => None,
    };
    if arguments.iter().any(|argument| zone(argument) == Some(Value::from("Local"))) {
        return Err(Wrong::Zone);
    }
    let (Some((function, _)), Some((span, expressions))) = (BUILTINS.get(name), &*NOWHERE) else {
        return Err(Wrong::Type);
    };
    let expressions = expressions.get(..arguments.len()).ok_or(Wrong::Type)?;
    function(span, expressions, arguments, true).map_err(|_| Wrong::Type)
}

/// A place, and expressions for the arguments: a built-in wants them for its messages, which are not used.
static NOWHERE: LazyLock<Option<(Span, Vec<Ref<Expr>>)>> = LazyLock::new(|| {
    let source = Source::from_contents(String::new(), String::new()).ok()?;
    let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
    let expression = || Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
    let expressions = (0..4).map(|_| expression()).collect();
    Some((span, expressions))
});
