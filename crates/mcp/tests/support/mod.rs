//! Reads the corpus in `tests/corpus` of the project.

use interdict_mcp::{Head, Limits, Numbers};
use serde_json::Value;

/// One line of the corpus.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) expect: String,
    pub(crate) status: u64,
    pub(crate) id: Option<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) limits: Limits,
    method: String,
    headers: Vec<(String, String)>,
}

impl Case {
    fn of(line: &str) -> Case {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let mut headers = Vec::new();
        match row.get("content_type") {
            None => headers.push(("content-type".to_owned(), "application/json".to_owned())),
            Some(value) => {
                headers.extend(value.as_str().map(|value| ("content-type".to_owned(), value.to_owned())))
            }
        }
        headers.extend(text("version").map(|version| ("mcp-protocol-version".to_owned(), version)));
        for pair in row["headers"].as_array().into_iter().flatten() {
            headers.push((pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()));
        }
        let numbers = if row["numbers"] == "exact" { Numbers::Exact } else { Numbers::IJson };
        Case {
            name: text("name").unwrap(),
            body: body(&row),
            expect: text("expect").unwrap(),
            status: row["status"].as_u64().unwrap(),
            id: text("id"),
            ids: row["ids"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|id| id.as_str().unwrap().to_owned())
                .collect(),
            limits: Limits { numbers, ..Limits::default() },
            method: text("method").unwrap_or_else(|| "POST".to_owned()),
            headers,
        }
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    pub(crate) fn head<'a>(&'a self, headers: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        Head { method: &self.method, path: "/mcp", headers }
    }
}

fn body(row: &Value) -> Vec<u8> {
    if let Some(text) = row["body"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(text) = row["body_base64"].as_str() {
        return base64(text);
    }
    let parts = row["body_repeat"].as_array().unwrap();
    parts
        .iter()
        .flat_map(|part| part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize).into_bytes())
        .collect()
}

fn base64(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for symbol in text.chars().filter(|symbol| *symbol != '=') {
        bits = bits << 6 | digits.find(symbol).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

pub(crate) fn corpus() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/hostile.jsonl");
    std::fs::read_to_string(path).unwrap().lines().map(Case::of).collect()
}
