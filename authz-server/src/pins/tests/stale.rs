//! What stands behind a server is replaced.

use super::*;

const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// The servers, with an image behind `files`.
fn with_image(image: &str) -> String {
    BUNDLE.replacen(
        "tool_pinning: trust_first",
        &format!("tool_pinning: trust_first, image_digest: '{image}'"),
        1,
    )
}

/// The code for which a person is asked about a call, or nothing.
fn asked(pins: &Pins, server: &Server, body: &str) -> &'static str {
    let Reading::Message(message) = call(body) else { panic!("one message") };
    pins.stale(server, &message).map_or("", |refusal| refusal.code)
}

const READ: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{}}}"#;
const GREET: &str = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"greet"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

async fn wait_for(pins: &Pins, name: &str, state: PinState) {
    let seen = async {
        while pins.find("files", EntryKind::Tool, name).await.unwrap().state != state {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap();
}

/// Attack: behind the same definition another program begins to work.
#[tokio::test]
async fn a_new_image_behind_the_same_definitions_has_a_person_asked_until_somebody_approves_again() {
    let mut world = World::new();
    world.change(&with_image(ONE));
    let pins = world.pins();
    let definition = tool("read", "Reads.");
    let greet = r#"{"name":"greet"}"#;
    let prompt = outcome::Seen { kind: "prompt".to_owned(), ..seen("greet", greet, SeenAs::ShownNew) };
    saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew), prompt]).await;
    assert_eq!(asked(&pins, world.server("files"), READ), "");

    world.change(&with_image(TWO));
    let server = world.server("files");
    // By the bundle that decides, before anything was noted.
    assert_eq!([READ, GREET, LIST].map(|body| asked(&pins, server, body)), ["tool.stale", "tool.stale", ""]);
    wait_for(&pins, "read", PinState::Stale).await;
    check(&pins, server, "read", GOOD).unwrap();
    assert_eq!(
        code(check(&pins, server, "read", "{}")),
        "tool.schema",
        "arguments are held against what was approved"
    );
    let rules = pins.list_rules(server, Permissions::default()).unwrap();
    assert_eq!(rules.tools.unwrap()["read"], digest_text(&definition), "lists go on as before");
    saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    assert_eq!(asked(&pins, server, READ), "tool.stale", "first use is not trusted again");

    let body = world.log.of(interdict_audit::record::Kind::Pin).pop().unwrap();
    assert_eq!((&body["event"], &body["image"]), (&"stale".into(), &TWO.into()));
    assert!(body.get("by").is_none());
    let waiting = pins.waiting(Some("files".to_owned()), None).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|entry| pins.is_plain(entry)), "one answer is enough for all");
    let all = pins.digest_of_all(waiting.iter());

    world.change(&with_image(ONE));
    assert_eq!(
        asked(&pins, world.server("files"), READ),
        "tool.stale",
        "what ran in between is not forgotten"
    );
    assert_ne!(pins.digest_of_all(waiting.iter()), all, "an answer is about the image that was reviewed");

    for entry in waiting {
        pins.approve(&entry.key, entry.waits_for().unwrap(), Some(ONE), "ana").await.unwrap();
    }
    assert_eq!([READ, GREET].map(|body| asked(&pins, world.server("files"), body)), ["", ""]);
    let body = world.log.of(interdict_audit::record::Kind::Pin).pop().unwrap();
    assert_eq!(
        (&body["event"], &body["image"], &body["by"]),
        (&"approved".into(), &ONE.into(), &"ana".into())
    );
}

#[tokio::test]
async fn an_image_that_was_replaced_while_nothing_ran_is_noticed_at_the_start_and_told_once() {
    let mut world = World::new();
    let definition = tool("read", "Reads.");
    {
        let pins = world.pins();
        saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    }
    world.change(&with_image(ONE));
    for _ in 0..2 {
        let pins = world.pins();
        wait_for(&pins, "read", PinState::Stale).await;
        assert_eq!(
            asked(&pins, world.server("files"), READ),
            "tool.stale",
            "to say it for the first time is a change"
        );
    }
    let events: Vec<_> = world.events().into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["approved", "stale"]);
    let pins = world.pins();
    let entry = pins.find("files", EntryKind::Tool, "read").await.unwrap();
    assert_eq!(entry.pin.unwrap().definition, definition);
}

#[tokio::test]
async fn a_server_without_an_image_or_without_pins_is_never_stale() {
    let mut world = World::new();
    let pins = world.pins();
    saw(&pins, "files", &[seen("read", &tool("read", "x"), SeenAs::ShownNew)]).await;
    world.change(&BUNDLE.replacen("paths: [/open]", &format!("paths: [/open], image_digest: '{ONE}'"), 1));
    assert_eq!(asked(&pins, world.server("files"), READ), "");
    assert_eq!(asked(&pins, world.server("open"), READ), "");
}

/// Attack: the pipeline replaces what stands behind a server between the review and the approval of one tool.
#[tokio::test]
async fn an_approval_is_for_the_image_that_was_reviewed_and_for_no_other() {
    let mut world = World::new();
    world.change(&with_image(ONE));
    let pins = world.pins();
    let definition = tool("read", "Reads.");
    saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    world.change(&with_image(TWO));
    wait_for(&pins, "read", PinState::Stale).await;
    let entry = pins.find("files", EntryKind::Tool, "read").await.unwrap();
    for image in [Some(ONE), None] {
        let refused = pins.approve(&entry.key, entry.waits_for().unwrap(), image, "ana").await.unwrap_err();
        assert!(matches!(&refused, AnswerError::Pin(error) if error.code() == "pin.changed"), "{refused:?}");
        assert!(refused.to_string().contains("stands behind"), "{refused}");
    }
    assert_eq!(asked(&pins, world.server("files"), READ), "tool.stale");
    pins.approve(&entry.key, entry.waits_for().unwrap(), Some(TWO), "ana").await.unwrap();
    assert_eq!(asked(&pins, world.server("files"), READ), "");
}
