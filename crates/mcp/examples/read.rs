//! Reads bodies from standard input, one a line in hexadecimal, and prints what was understood, one JSON object a line.
//!
//! `tests/differential` compares the output with what Python and Node understand. With `--exact` numbers are not limited
//! to I-JSON.

use std::io::{BufRead, Write};

use interdict_mcp::json::{Kind, Value};
use interdict_mcp::{Head, Limits, Message, Numbers, Reading, read};

fn main() -> std::io::Result<()> {
    let exact = std::env::args().any(|argument| argument == "--exact");
    let numbers = if exact { Numbers::Exact } else { Numbers::IJson };
    let limits = Limits { numbers, ..Limits::default() };
    let head = Head { method: "POST", path: "/mcp", headers: &[("content-type", b"application/json")] };
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let body = from_hex(&line?)?;
        let understood = match read(&head, &body, &limits) {
            Ok(Reading::Message(message)) => format!("{{\"messages\":[{}]}}", show(&message)),
            Ok(Reading::Batch(batch)) => {
                let messages: Vec<String> = batch.messages().iter().map(show).collect();
                format!("{{\"messages\":[{}]}}", messages.join(","))
            }
            Ok(_) => String::from("{\"refused\":\"not a POST\"}"),
            Err(refusal) => format!("{{\"refused\":\"{}\"}}", refusal.code),
        };
        writeln!(output, "{understood}")?;
    }
    output.flush()
}

fn from_hex(line: &str) -> std::io::Result<Vec<u8>> {
    let digits: Option<Vec<u32>> = line.trim().chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.unwrap_or_default();
    pairs
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).map_err(std::io::Error::other),
            _ => Err(std::io::Error::other("an odd number of hexadecimal digits")),
        })
        .collect()
}

fn show(message: &Message<'_>) -> String {
    let text = |value: Option<std::borrow::Cow<'_, str>>| {
        value.map_or_else(|| "null".to_owned(), |text| quote(&text))
    };
    let name = message.tool().or_else(|| message.prompt_name());
    let (arguments, span) = match message.arguments() {
        Some(value) => (tree(value), format!("[{},{}]", value.span().start, value.span().end)),
        None => ("null".to_owned(), "null".to_owned()),
    };
    format!(
        "{{\"method\":{},\"id\":{},\"name\":{},\"uri\":{},\"arguments\":{arguments},\"span\":{span}}}",
        text(message.method_name().map(Into::into)),
        message.id().map_or("null", |id| id.raw()),
        text(name),
        text(message.uri()),
    )
}

/// The value written anew from what was understood, numbers by their token.
fn tree(value: Value<'_>) -> String {
    match value.kind() {
        Kind::String(text) => quote(&text),
        Kind::Array => {
            let elements: Vec<String> = value.elements().map(tree).collect();
            format!("[{}]", elements.join(","))
        }
        Kind::Object => {
            let members: Vec<String> =
                value.members().map(|(name, _, value)| format!("{}:{}", quote(&name), tree(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Kind::Number(token) => token.to_owned(),
        Kind::Null => "null".to_owned(),
        Kind::Bool(flag) => flag.to_string(),
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
