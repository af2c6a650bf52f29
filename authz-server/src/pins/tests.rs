use std::sync::Mutex;

use interdict_content::definition::digest_text;
use interdict_mcp::json::Document;
use interdict_mcp::{Head, Limits, Reading, read};
use interdict_proto::outcome;
use serde_json::json;

use super::*;
use crate::clock::SystemClock;
use crate::record::memory::MemoryLog;

mod approving;
mod bounds;
mod busy;
mod stale;
mod values;

const BUNDLE: &str = "servers: [\
    {id: files, owner: sam, tenant: acme, resource: 'https://f.test/mcp', hosts: ['*'], paths: [/mcp], tool_pinning: trust_first},\
    {id: mail, owner: sam, tenant: acme, resource: 'https://m.test/mcp', hosts: ['*'], paths: [/mail], tool_pinning: approve_first,\
     undeclared_arguments: allow},\
    {id: open, owner: sam, tenant: acme, resource: 'https://o.test/mcp', hosts: ['*'], paths: [/open]}]";

/// What may not pass, either way.
const CONTENT: &str =
    "rules:\n  - {classes: [card], action: redact}\n  - {classes: [secret], action: deny}\n";

/// A folder with a bundle and a database.
struct World {
    folder: tempfile::TempDir,
    bundle: Bundle,
    in_force: Arc<ArcSwap<Bundle>>,
    log: Arc<MemoryLog>,
}

fn bundle(folder: &Path, servers: &str) -> Bundle {
    for (file, text) in [
        ("bundle/servers/s.yaml", servers),
        ("bundle/agents/a.yaml", "agents: []"),
        ("bundle/house/rules.rego", "package interdict.policy.house\nimport rego.v1\n"),
        ("bundle/interdict/content/data.yaml", CONTENT),
    ] {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    Bundle::load(&[folder.join("bundle")]).unwrap()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), BUNDLE);
        let in_force = Arc::new(ArcSwap::from_pointee(bundle.clone()));
        Self { folder, bundle, in_force, log: Arc::new(MemoryLog::default()) }
    }

    /// Another text of the servers' file is in force.
    fn change(&mut self, servers: &str) {
        self.bundle = bundle(self.folder.path(), servers);
        self.in_force.store(Arc::new(self.bundle.clone()));
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join(DATABASE)
    }

    fn pins(&self) -> Pins {
        let bundle = Arc::clone(&self.in_force);
        Pins::open(&self.file(), bundle, Some(self.log.clone()), Arc::new(SystemClock), &Metrics::new())
            .unwrap()
    }

    fn server(&self, id: &str) -> &Server {
        self.bundle.registry().server(id).unwrap()
    }

    fn events(&self) -> Vec<(String, String)> {
        let word = |body: &serde_json::Value, name: &str| body[name].as_str().unwrap().to_owned();
        let pins = self.log.of(interdict_audit::record::Kind::Pin);
        pins.iter().map(|body| (word(body, "event"), word(body, "name"))).collect()
    }
}

/// A tool that takes one text.
fn tool(name: &str, description: &str) -> String {
    format!(
        r#"{{"description":"{description}","inputSchema":{{"properties":{{"path":{{"type":"string"}}}},"required":["path"],"type":"object"}},"name":"{name}"}}"#
    )
}

fn seen(name: &str, definition: &str, state: SeenAs) -> outcome::Seen {
    outcome::Seen {
        kind: "tool".to_owned(),
        name: name.to_owned(),
        digest: digest_text(definition),
        state: state.label().to_owned(),
        definition: definition.to_owned(),
    }
}

async fn saw(pins: &Pins, server: &str, seen: &[outcome::Seen]) {
    pins.saw("acme", server, seen);
    pins.settled("acme", server).await;
}

fn check(pins: &Pins, server: &Server, tool: &str, arguments: &str) -> Result<(), PinRefusal> {
    let document = Document::parse(arguments.as_bytes(), &checks::DEFINITION).unwrap();
    pins.check_arguments(server, tool, Some(document.root()))
}

fn code(result: Result<(), PinRefusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code, |()| "")
}

const GOOD: &str = r#"{"path":"a.txt"}"#;

/// The attack that pins are for: a server changes one character after it was approved.
#[tokio::test]
async fn a_change_of_one_character_takes_the_tool_out_of_force() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    let definition = tool("read", "Reads a file.");
    assert_eq!(code(check(&pins, server, "read", GOOD)), "tool.unpinned");
    saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    check(&pins, server, "read", GOOD).unwrap();
    let rules = pins.list_rules(server, Permissions::default()).unwrap();
    assert_eq!(rules.tools.unwrap()["read"], digest_text(&definition));

    let changed = tool("read", "Reads a file!");
    saw(&pins, "files", &[seen("read", &changed, SeenAs::Changed)]).await;
    assert_eq!(code(check(&pins, server, "read", GOOD)), "tool.drift");
    let rules = pins.list_rules(server, Permissions::default()).unwrap();
    assert_eq!(rules.tools.unwrap()["read"], "", "neither form is shown until a person has looked");
    let word = |event: &str| (event.to_owned(), "read".to_owned());
    assert_eq!(world.events(), [word("approved"), word("drift")]);
    let drift = world.log.of(interdict_audit::record::Kind::Pin).pop().unwrap();
    assert_eq!(drift["previous"].as_str().unwrap(), digest_text(&definition));
}

#[tokio::test]
async fn first_use_approves_nothing_that_looks_like_something_else_or_reads_like_an_order() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    let mail = tool("send_mail", "Sends.");
    saw(&pins, "mail", &[seen("send_mail", &mail, SeenAs::New)]).await;
    let key = pins.find("mail", EntryKind::Tool, "send_mail").await.unwrap().key;
    pins.approve(&key, &digest_text(&mail), None, "ana").await.unwrap();
    let news = [
        seen("read", &tool("read", "x"), SeenAs::ShownNew),
        seen("reaď", &tool("reaď", "x"), SeenAs::Confusable),
        seen("helper", &tool("helper", "<IMPORTANT>"), SeenAs::Poisoned),
        // The look-alike is a tool of another server, which the enforcement point does not know.
        seen("send-rnail", &tool("send-rnail", "x"), SeenAs::ShownNew),
        // The same name at two servers is usual.
        seen("send_mail", &tool("send_mail", "y"), SeenAs::ShownNew),
    ];
    saw(&pins, "files", &news).await;
    let codes: Vec<_> = news.iter().map(|news| code(check(&pins, server, &news.name, GOOD))).collect();
    assert_eq!(codes, ["", "tool.unpinned", "tool.unpinned", "tool.unpinned", ""]);
    let entry = pins.find("files", EntryKind::Tool, "send-rnail").await.unwrap();
    let suspicions = pins.suspicions(&entry);
    assert!(suspicions.iter().any(|found| found.kind == "looks_like_another"), "{suspicions:?}");
}

#[tokio::test]
async fn arguments_are_held_against_the_approved_schema_and_their_values_are_not_told() {
    let world = World::new();
    let pins = world.pins();
    for server in ["files", "mail"] {
        let definition = tool("read", server);
        saw(&pins, server, &[seen("read", &definition, SeenAs::ShownNew)]).await;
        if server == "mail" {
            let key = pins.find(server, EntryKind::Tool, "read").await.unwrap().key;
            pins.approve(&key, &digest_text(&definition), None, "ana").await.unwrap();
        }
    }
    let (strict, lenient) = (world.server("files"), world.server("mail"));
    let wrong = check(&pins, strict, "read", r#"{"path":4711}"#).unwrap_err();
    assert_eq!(wrong.code, "tool.schema");
    assert!(wrong.text.contains("`type`") && wrong.text.contains("/path"), "{}", wrong.text);
    assert!(!wrong.text.contains("4711"), "{}", wrong.text);
    let beside = r#"{"path":"a","token-4711":1}"#;
    let undeclared = check(&pins, strict, "read", beside).unwrap_err();
    assert!(
        undeclared.text.contains("`undeclared`") && !undeclared.text.contains("4711"),
        "{}",
        undeclared.text
    );
    check(&pins, lenient, "read", beside).unwrap();
    assert_eq!(code(pins.check_arguments(strict, "read", None)), "tool.schema", "`path` is required");
    check(&pins, world.server("open"), "anything", r#"{"x":1}"#).unwrap();
    assert!(pins.list_rules(world.server("open"), Permissions::default()).is_none());
}

#[tokio::test]
async fn a_schema_that_cannot_be_checked_refuses_every_call_and_the_reviewer_is_told() {
    let world = World::new();
    let pins = world.pins();
    let definition = r#"{"inputSchema":{"$ref":"https://evil.test/schema"},"name":"far"}"#;
    saw(&pins, "files", &[seen("far", definition, SeenAs::ShownNew)]).await;
    let refused = check(&pins, world.server("files"), "far", "{}").unwrap_err();
    assert_eq!(refused.code, "tool.schema");
    let entry = pins.find("files", EntryKind::Tool, "far").await.unwrap();
    assert!(pins.suspicions(&entry).iter().any(|found| found.kind == "schema.remote_ref"));
}

fn call(body: &str) -> Reading<'_> {
    let headers: [(&str, &[u8]); 2] =
        [("content-type", b"application/json"), ("mcp-protocol-version", b"2025-06-18")];
    let head = Head { method: "POST", path: "/mcp", headers: &headers };
    read(&head, body.as_bytes(), &Limits::default()).unwrap()
}

const CALLS: u32 = 20;

/// A client lists and calls at once; what the list showed is told a moment later.
#[tokio::test]
async fn a_call_waits_a_moment_for_the_report_of_the_list_that_its_tool_was_on() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"a"}}}"#;
    let Reading::Message(message) = call(body) else { panic!("one message") };
    let started = Instant::now();
    let refused = pins.admit(server, &message, None).await.unwrap_err();
    assert_eq!(refused.code, "tool.unpinned");
    assert!(refused.text.contains("List the tools first"), "{}", refused.text);
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    // Of many that do not wait, all together take less than as many moments, on a busy machine too.
    let past = Instant::now();
    for _ in 0..CALLS {
        let found = pins.admit(server, &message, Some(past)).await;
        assert_eq!(code(found), "tool.unpinned", "no longer than its time");
    }
    assert!(past.elapsed() < REPORT_TAKES * CALLS);
    let quick = Instant::now();
    let mail = world.server("mail");
    for _ in 0..CALLS {
        assert_eq!(code(pins.admit(mail, &message, None).await), "tool.unpinned");
    }
    assert!(quick.elapsed() < REPORT_TAKES * CALLS, "a person takes longer: there is nothing to wait for");
}

#[tokio::test]
async fn a_call_goes_on_when_the_report_comes_while_it_waits() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    // A busy machine may need the moment for itself: then with the next tool.
    for number in 0..CALLS {
        let name = format!("read{number}");
        let definition = tool(&name, "Reads.");
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"path":"a"}}}}}}"#
        );
        let Reading::Message(message) = call(&body) else { panic!("one message") };
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            pins.saw("acme", "files", &[seen(&name, &definition, SeenAs::ShownNew)]);
        };
        let (admitted, ()) = tokio::join!(pins.admit(server, &message, None), later);
        if admitted.is_ok() {
            return;
        }
    }
    panic!("no report was waited for");
}

#[tokio::test]
async fn prompts_templates_and_instructions_have_pins_of_their_own() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    let of = |kind: &str, name: &str, definition: &str| outcome::Seen {
        kind: kind.to_owned(),
        ..seen(name, definition, SeenAs::ShownNew)
    };
    let news = [
        of("prompt", "greet", r#"{"name":"greet"}"#),
        of("template", "file:///{path}", r#"{"name":"f","uriTemplate":"file:///{path}"}"#),
        of("instructions", "", "\"Be kind.\""),
        of("resource", "file:///a", r#"{"name":"a","uri":"file:///a"}"#),
    ];
    saw(&pins, "files", &news).await;
    let rules = pins.list_rules(server, Permissions::default()).unwrap();
    assert_eq!(rules.prompts.unwrap().keys().collect::<Vec<_>>(), ["greet"]);
    assert_eq!(rules.templates.unwrap().keys().collect::<Vec<_>>(), ["file:///{path}"]);
    assert_eq!(rules.instructions.unwrap(), digest_text("\"Be kind.\""));
    assert_eq!(rules.resources, None, "resources are data");
    let prompt = |name: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"{name}"}}}}"#)
    };
    for (name, expected) in [("greet", ""), ("other", "tool.unpinned")] {
        let body = prompt(name);
        let Reading::Message(message) = call(&body) else { panic!("one message") };
        assert_eq!(code(pins.admit(server, &message, Some(Instant::now())).await), expected, "{name}");
    }
}

#[tokio::test]
async fn a_restart_keeps_the_pins_and_another_server_on_the_file_is_heard() {
    let world = World::new();
    let server = world.server("files");
    let definition = tool("read", "Reads.");
    {
        let pins = world.pins();
        saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    }
    let (pins, twin) = (world.pins(), world.pins());
    check(&pins, server, "read", GOOD).unwrap();
    let key = twin.find("files", EntryKind::Tool, "read").await.unwrap().key;
    twin.revoke(&key, "ana").await.unwrap();
    assert_eq!(code(check(&twin, server, "read", GOOD)), "tool.drift");
    let heard = async {
        while check(&pins, server, "read", GOOD).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap();
}

#[tokio::test]
async fn the_output_schema_of_a_pinned_tool_is_a_rule_for_its_results() {
    let world = World::new();
    let pins = world.pins();
    let definition = r#"{"name":"get","outputSchema":{"type":"object"}}"#;
    saw(&pins, "files", &[seen("get", definition, SeenAs::ShownNew)]).await;
    let rule = pins.output_rule(world.server("files"), "get").unwrap();
    assert_eq!(rule.schema, r#"{"type":"object"}"#);
    assert_eq!(pins.output_rule(world.server("open"), "get"), None);
}
