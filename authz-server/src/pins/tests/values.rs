//! Attack: a server writes values into its definitions, because those are kept and recorded.

use super::*;

const CARD: &str = "4111 1111 1111 1111";
const TOKEN: &str = "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";

/// A definition in canonical form.
fn canonical(definition: &serde_json::Value) -> String {
    let document = definition.to_string();
    let document = Document::parse(document.as_bytes(), &checks::DEFINITION).unwrap();
    interdict_content::definition::canonical(EntryKind::Tool, document.root())
}

/// Everything that is written somewhere: files, the log, and what a reviewer is shown.
async fn everything(world: &World, pins: &Pins) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    let entries = pins.entries(None, None, None, None).await.unwrap();
    let log = world.log.of(interdict_audit::record::Kind::Pin);
    all.extend(format!("{entries:?}{log:?}").into_bytes());
    all
}

fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_value_in_a_definition_is_marked_before_it_is_kept_and_the_digest_is_that_of_the_original() {
    let world = World::new();
    let pins = world.pins();
    let definition = canonical(&json!({
        "name": "pay", "description": format!("Pays from {CARD}."),
        "inputSchema": {"type": "object", "properties": {"key": {"enum": [TOKEN]}}},
    }));
    saw(&pins, "files", &[seen("pay", &definition, SeenAs::ShownNew)]).await;
    let entry = pins.find("files", EntryKind::Tool, "pay").await.unwrap();
    let pin = entry.pin.clone().unwrap();
    assert_eq!(pin.digest, digest_text(&definition), "lists are held against what the server says");
    assert!(
        pin.definition.contains("[[dlp:pan:") && pin.definition.contains("[[dlp:github_token:"),
        "{}",
        pin.definition
    );
    let kinds: Vec<_> = pins
        .suspicions(&entry)
        .into_iter()
        .filter(|found| found.tier == "content")
        .map(|found| found.kind)
        .collect();
    assert_eq!(kinds, ["github_token", "pan"], "a reviewer is told");
    let drift =
        canonical(&json!({"name": "pay", "description": format!("Now from {CARD}."), "inputSchema": {}}));
    saw(&pins, "files", &[seen("pay", &drift, SeenAs::Changed)]).await;
    let entry = pins.find("files", EntryKind::Tool, "pay").await.unwrap();
    assert_eq!((entry.state, entry.waits_for().unwrap()), (PinState::Review, &*digest_text(&drift)));
    assert!(!pins.is_plain(&entry), "it is not approved together with others");
    let all = everything(&world, &pins).await;
    for value in [CARD, TOKEN] {
        assert!(!holds(&all, value), "{value}");
    }
    pins.approve(&entry.key, &digest_text(&drift), None, "ana").await.unwrap();
    check(&pins, world.server("files"), "pay", "{}").unwrap();
}

#[tokio::test]
async fn a_value_where_no_mark_can_be_leaves_nothing_to_approve() {
    let world = World::new();
    let pins = world.pins();
    for (name, member) in
        [("number", json!({"card": 4_111_111_111_111_111_u64})), ("member", json!({CARD: "x"}))]
    {
        let definition = canonical(&json!({"name": name, "annotations": member}));
        saw(&pins, "files", &[seen(name, &definition, SeenAs::ShownNew)]).await;
        let entry = pins.find("files", EntryKind::Tool, name).await.unwrap();
        assert!(entry.pin.is_none() && entry.seen.as_ref().unwrap().definition.is_none(), "{name}");
        let refused = pins.approve(&entry.key, &digest_text(&definition), None, "ana").await.unwrap_err();
        assert!(matches!(refused, AnswerError::Pin(PinError::Unread)), "{name}: {refused}");
    }
    let all = everything(&world, &pins).await;
    assert!(!holds(&all, CARD) && !holds(&all, "4111111111111111"));
}

#[tokio::test]
async fn a_value_in_a_name_is_nowhere_and_the_entry_can_be_reviewed_and_refused() {
    let world = World::new();
    let pins = world.pins();
    let name = format!("pay_{TOKEN}");
    let definition = canonical(&json!({"name": name, "description": "Pays."}));
    let template = format!("file:///{TOKEN}/{{path}}");
    let other = canonical(&json!({"name": "t"}))
        .replace("{\"name\"", &format!("{{\"uriTemplate\":\"{template}\",\"name\""));
    let news = [
        // As an enforcement point tells it that looks for nothing, and as one that does.
        seen(&name, &definition, SeenAs::ShownNew),
        seen("", &definition, SeenAs::Misshapen),
        outcome::Seen { kind: "template".to_owned(), ..seen(&template, &other, SeenAs::New) },
    ];
    saw(&pins, "files", &news).await;
    let entries = pins.entries(Some("files".to_owned()), None, None, None).await.unwrap();
    let names: Vec<_> =
        entries.iter().map(|entry| (entry.key.kind, entry.state, entry.key.is_stand_in())).collect();
    assert_eq!(
        names,
        [(EntryKind::Template, PinState::Review, true), (EntryKind::Tool, PinState::Review, true)]
    );
    assert!(entries.iter().all(|entry| entry.key.name.starts_with("[[dlp:github_token:")), "{entries:?}");
    assert_eq!(code(check(&pins, world.server("files"), &name, "{}")), "tool.unpinned");
    assert!(!holds(&everything(&world, &pins).await, TOKEN));
    let tool = &entries[1];
    let refused = pins.approve(&tool.key, tool.waits_for().unwrap(), None, "ana").await.unwrap_err();
    assert!(matches!(refused, AnswerError::Pin(PinError::NoName)), "{refused}");
    pins.revoke(&tool.key, "ana").await.unwrap();
    assert_eq!(pins.waiting(None, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_entry_that_has_no_usable_name_is_told_without_touching_one_that_has() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    saw(&pins, "files", &[seen("read", &tool("read", "x"), SeenAs::ShownNew)]).await;
    let twice = tool("read", "y");
    let hidden = canonical(&json!({"name": "read\u{7}"}));
    let nameless = canonical(&json!({"description": "x"}));
    let news = [&twice, &hidden, &nameless].map(|definition| seen("", definition, SeenAs::Misshapen));
    saw(&pins, "files", &news).await;
    saw(&pins, "files", &news).await;
    check(&pins, server, "read", GOOD).unwrap();
    let waiting = pins.waiting(None, None).await.unwrap();
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter().all(|entry| entry.key.name.starts_with("[[misshapen:")), "{waiting:?}");
    let shown: Vec<_> =
        waiting.iter().filter_map(|entry| entry.seen.as_ref()?.definition.as_deref()).collect();
    assert!(shown.iter().any(|text| text.contains("read\\u0007")), "{shown:?}");
    // What only does not follow the guidance of MCP has a name, and a person may approve it.
    let odd = canonical(&json!({"name": "read all"}));
    saw(&pins, "files", &[seen("read all", &odd, SeenAs::Misshapen)]).await;
    let entry = pins.find("files", EntryKind::Tool, "read all").await.unwrap();
    assert!(!pins.is_plain(&entry));
    pins.approve(&entry.key, &digest_text(&odd), None, "ana").await.unwrap();
    check(&pins, server, "read all", "{}").unwrap();
}

/// A name of a page that is judged without the page before it.
#[tokio::test]
async fn first_use_approves_no_name_that_looks_like_one_of_the_same_server() {
    let world = World::new();
    let (pins, server) = (world.pins(), world.server("files"));
    for name in ["read_file", "readfile"] {
        pins.saw("acme", "files", &[seen(name, &tool(name, "x"), SeenAs::ShownNew)]);
    }
    pins.settled("acme", "files").await;
    check(&pins, server, "read_file", GOOD).unwrap();
    assert_eq!(code(check(&pins, server, "readfile", GOOD)), "tool.unpinned");
    let entry = pins.find("files", EntryKind::Tool, "readfile").await.unwrap();
    assert!(pins.suspicions(&entry).iter().any(|found| found.kind == "looks_like_another"));
}

#[tokio::test]
async fn definitions_are_encrypted_and_belong_to_the_key_beside_them() {
    let world = World::new();
    let planted = "A sentence that nobody looks for.";
    let pins = world.pins();
    saw(&pins, "files", &[seen("read", &tool("read", planted), SeenAs::ShownNew)]).await;
    let entry = pins.find("files", EntryKind::Tool, "read").await.unwrap();
    assert!(entry.pin.unwrap().definition.contains(planted));
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.is_file() || !holds(&std::fs::read(&path).unwrap(), planted), "{}", path.display());
    }
    drop(pins);
    std::fs::write(world.folder.path().join("quarantine.key"), "0f".repeat(32)).unwrap();
    let opened =
        Pins::open(&world.file(), Arc::clone(&world.in_force), None, Arc::new(SystemClock), &Metrics::new());
    assert!(opened.unwrap_err().to_string().contains("quarantine.key"));
}
