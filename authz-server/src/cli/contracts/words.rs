//! What names suggest. A guess for a person to correct, and nothing that a decision ever rests on.

/// The words of a name: `listOpenIssues`, `list-open_issues` → `list`, `open`, `issues`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_small = false;
    for character in name.chars() {
        let is_new = character.is_uppercase() && previous_is_small;
        if !character.is_alphanumeric() || is_new {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(character.to_lowercase());
        }
        previous_is_small = character.is_lowercase() || character.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether any word of the name is one of these.
pub(super) fn has(name: &str, among: &[&str]) -> bool {
    words(name).iter().any(|word| among.contains(&word.as_str()))
}

/// Effects and the verbs that suggest them, the gravest first.
pub(super) const EFFECTS: [(&str, &[&str]); 6] = [
    (
        "pay",
        &["pay", "payment", "payout", "transfer", "refund", "charge", "purchase", "buy", "wire", "withdraw"],
    ),
    ("grant", &["grant", "permission", "permissions", "authorize", "chmod", "acl", "role", "roles", "share"]),
    ("execute", &["exec", "execute", "run", "eval", "shell", "command", "script", "bash", "sql", "spawn"]),
    (
        "delete",
        &["delete", "remove", "drop", "purge", "destroy", "erase", "truncate", "clear", "wipe", "unlink"],
    ),
    (
        "send",
        &[
            "send", "email", "mail", "publish", "notify", "message", "reply", "forward", "invite", "tweet",
            "post", "sms", "webhook",
        ],
    ),
    (
        "write",
        &[
            "create", "update", "write", "set", "add", "insert", "edit", "modify", "upload", "move",
            "rename", "put", "patch", "save", "append", "copy", "register", "assign", "close", "merge",
            "upsert", "book", "schedule", "cancel", "import", "replace", "change", "submit", "approve",
        ],
    ),
];

/// Verbs of tools that read.
pub(super) const READS: &[&str] = &[
    "get",
    "list",
    "read",
    "search",
    "find",
    "fetch",
    "query",
    "describe",
    "show",
    "count",
    "lookup",
    "check",
    "view",
    "status",
    "download",
    "export",
    "inspect",
    "browse",
    "select",
    "summarize",
    "ask",
];

pub(super) const AMOUNTS: &[&str] = &["amount", "value", "price", "total", "sum", "cost", "fee", "budget"];
pub(super) const RECIPIENTS: &[&str] = &[
    "to",
    "cc",
    "bcc",
    "recipient",
    "recipients",
    "email",
    "emails",
    "attendee",
    "attendees",
    "invitee",
    "invitees",
    "phone",
    "payee",
    "audience",
];
pub(super) const URLS: &[&str] = &["url", "uri", "urls", "endpoint", "webhook", "callback", "href", "link"];
pub(super) const HOSTS: &[&str] = &["host", "hostname", "domain"];
pub(super) const PATHS: &[&str] = &["path", "file", "filename", "filepath", "folder", "directory", "dir"];
pub(super) const NAMES: &[&str] = &[
    "id", "ids", "name", "names", "key", "keys", "uuid", "number", "numbers", "path", "paths", "file",
    "files",
];
pub(super) const FILTERS: &[&str] = &["filter", "filters", "where", "query", "condition", "pattern", "match"];
pub(super) const PROGRAMS: &[&str] = &["sql", "command", "code", "script", "cmd", "shell", "expression"];
pub(super) const SECRETS: &[&str] = &[
    "password",
    "passwords",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "salary",
    "payroll",
    "medical",
    "patient",
    "patients",
    "health",
    "ssn",
    "iban",
    "card",
    "passport",
];
