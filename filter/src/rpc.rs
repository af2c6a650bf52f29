//! What an answer says as JSON-RPC: a result, the result of a tool that failed, or an error.
//!
//! It is told to the decision point and changes nothing on the way of the response, so whatever has no single reading is
//! simply not read.

use interdict_mcp::json::{Document, Kind, Limits, Numbers, Value};
use interdict_proto::outcome::Rpc;

/// Largest integer that a record can hold (2^53-1).
const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// The requests whose answers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Not known, because nobody here read the request: every answer counts.
    Unknown,
    /// The raw ids of the requests that have not been answered yet.
    Ids(Vec<String>),
}

impl Asked {
    /// Whether nothing more can be answered.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Ids(ids) if ids.is_empty())
    }

    /// Whether an answer with this id counts; one id counts once.
    fn take(&mut self, id: Value<'_>) -> bool {
        match self {
            Self::Unknown => true,
            Self::Ids(ids) => match ids.iter().position(|asked| is_same(asked, id)) {
                Some(place) => {
                    ids.swap_remove(place);
                    true
                }
                None => false,
            },
        }
    }
}

/// Whether two ids are the same: numbers as they are written, strings by what they say.
fn is_same(asked: &str, id: Value<'_>) -> bool {
    if asked == id.raw() {
        return true;
    }
    let Some(text) = id.as_str() else { return false };
    let limits = Limits { max_bytes: asked.len(), max_depth: 0, max_tokens: 1, numbers: Numbers::Exact };
    Document::parse(asked.as_bytes(), &limits)
        .ok()
        .and_then(|document| document.root().as_str().map(|asked| asked == text))
        .unwrap_or(false)
}

/// What was found so far; of several answers (a batch) the worst, and the code of its first error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    worst: Option<Rpc>,
    code: Option<i64>,
}

impl Findings {
    /// What is reported, if anything was found.
    pub fn told(self) -> Option<(Rpc, Option<i64>)> {
        self.worst.map(|worst| (worst, self.code))
    }

    fn add(&mut self, rpc: Rpc) {
        // The numbers of result, tool error and error rise with their weight.
        self.worst =
            Some(self.worst.map_or(rpc, |worst| if rpc as i32 > worst as i32 { rpc } else { worst }));
    }

    /// Reads one message, or an array of them, and takes note of the answers that count.
    pub fn read(&mut self, text: &[u8], asked: &mut Asked, max_bytes: usize) {
        let limits = Limits { max_bytes, numbers: Numbers::Exact, ..Limits::default() };
        let Ok(document) = Document::parse(text, &limits) else { return };
        let root = document.root();
        if root.is_array() {
            for element in root.elements() {
                self.message(element, asked);
            }
        } else {
            self.message(root, asked);
        }
    }

    fn message(&mut self, message: Value<'_>, asked: &mut Asked) {
        // A method makes it a request or notification of the server, whatever else it holds.
        if message.get("method").is_some() {
            return;
        }
        let id = message.get("id").filter(|id| !id.is_null());
        match (message.get("result"), message.get("error"), id) {
            (Some(result), None, Some(id)) if asked.take(id) => self.add(of_result(result)),
            // An error without an id is about a request that the server could not read: it answers all of them.
            (None, Some(error), id) if id.is_none_or(|id| asked.take(id)) => {
                self.code = self.code.or_else(|| code(error));
                self.add(Rpc::Error);
            }
            _ => {}
        }
    }
}

/// Results of tools say by themselves that they failed, also where they come late (`tasks/result`).
fn of_result(result: Value<'_>) -> Rpc {
    let failed = result.get("isError").and_then(|flag| flag.as_bool()) == Some(true);
    if failed { Rpc::ToolError } else { Rpc::Result }
}

fn code(error: Value<'_>) -> Option<i64> {
    let Kind::Number(text) = error.get("code")?.kind() else { return None };
    text.parse().ok().filter(|code| (-MAX_INTEGER..=MAX_INTEGER).contains(code))
}
