//! The checks. They panic when something does not hold; this is what a fuzzer looks for.

use interdict_mcp::edit::{apply, remove_members, replace_string};
use interdict_mcp::json::{Document, Kind, Value};
use interdict_mcp::sse::{Decoder, Event, SseLimits};
use interdict_mcp::{Head, Id, Limits, Message, MessageKind, Method, Numbers, Reading, Refusal, read};

/// Heads worth trying; the first byte of the input chooses.
const VERSIONS: [&[u8]; 8] = [
    b"",
    b"2024-11-05",
    b"2025-03-26",
    b"2025-06-18",
    b"2025-11-25",
    b"2026-07-28",
    b"2099-01-01",
    b"2026-07-28",
];

fn limits(numbers: Numbers) -> Limits {
    Limits { numbers, ..Limits::default() }
}

/// Reads `data` behind its first byte as a body.
pub fn message(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let version = VERSIONS[usize::from(choice % 8)];
    let numbers = if choice & 8 == 0 { Numbers::IJson } else { Numbers::Exact };
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/json")];
    if !version.is_empty() {
        headers.push(("mcp-protocol-version", version));
    }
    // Modern messages get nowhere without their headers; these fit the seeds.
    if choice & 16 != 0 {
        headers.extend([("mcp-method", &b"tools/call"[..]), ("mcp-name", b"add"), ("mcp-param-a", b"1")]);
    }
    let head = Head { method: "POST", path: "/mcp", headers: &headers };
    let limits = limits(numbers);
    match read(&head, body, &limits) {
        Ok(Reading::Message(message)) => check_message(&message, body, &limits),
        Ok(Reading::Batch(batch)) => {
            assert!(!batch.messages().is_empty());
            batch.messages().iter().for_each(|message| check_message(message, body, &limits));
        }
        Ok(reading) => panic!("a POST was read as {reading:?}"),
        Err(refusal) => check_refusal(&refusal),
    }
}

fn check_message(message: &Message<'_>, body: &[u8], limits: &Limits) {
    check_value(message.root(), body, limits);
    assert_eq!(message.kind() == MessageKind::Response, message.method().is_none());
    assert_eq!(message.kind() == MessageKind::Notification, message.id().is_none());
    if let Some(id) = message.id() {
        assert_eq!(Id::from_raw(id.raw()), Some(id));
        assert_eq!(message.root().get("id").map(|value| value.raw()), Some(id.raw()));
    }
    if let Some(method) = message.method() {
        assert!(method.exists_in(message.era()));
        assert_eq!(
            message.root().get("method").and_then(|value| value.as_str()).as_deref(),
            Some(method.name())
        );
        assert_eq!(message.tool().is_some(), method == Method::ToolsCall);
    }
    let objects = [message.params(), message.arguments(), message.meta(), message.input_responses()];
    assert!(objects.into_iter().flatten().all(|value| value.is_object()));
    let _ = (message.declares_url_elicitation(), message.uris(), message.task_ids(), message.request_state());
    check_edits(message, body, limits);
}

/// Every value lies in the body where it says, and reads alone as it reads in its place.
fn check_value(value: Value<'_>, body: &[u8], limits: &Limits) {
    let mut open = vec![value];
    let mut checked = 0;
    while let Some(value) = open.pop() {
        let span = value.span();
        assert_eq!(body.get(span.clone()), Some(value.raw().as_bytes()));
        // Reading each value again is quadratic: enough is enough.
        checked += 1;
        if checked < 32 {
            let again = Document::parse(value.raw().as_bytes(), limits).expect("a value reads alone");
            assert_eq!(again.root().kind(), value.kind());
        }
        let inside =
            |child: Value<'_>| assert!(span.start < child.span().start && child.span().end < span.end);
        match value.kind() {
            Kind::Object => {
                for (name, key, member) in value.members() {
                    assert!(span.start < key.start && key.end <= member.span().start);
                    inside(member);
                    assert_eq!(value.get(&name).map(|found| found.span()), Some(member.span()));
                    open.push(member);
                }
            }
            Kind::Array => {
                for element in value.elements() {
                    inside(element);
                    open.push(element);
                }
            }
            _ => {}
        }
    }
}

/// Editing changes what it should and nothing else.
fn check_edits(message: &Message<'_>, body: &[u8], limits: &Limits) {
    let Some(params) = message.params() else { return };
    let names = ["_meta", "requestState", "inputResponses", "arguments"];
    let edited = apply(body, &remove_members(params, &names)).expect("the edits fit");
    let limits = Limits { max_bytes: usize::MAX, ..*limits };
    assert!(Document::parse(&edited, &limits).is_ok());
    if let Some((_, _, value)) = params.members().next() {
        let text = "a\"\\\u{1}\u{2028}é😀";
        let edited = apply(body, &[replace_string(value, text)]).expect("the edit fits");
        let document = Document::parse(&edited, &limits).expect("an edited body is JSON");
        assert_eq!(
            body.len() - value.raw().len(),
            edited.len() - quoted_length(&document, value.span().start)
        );
    }
}

fn quoted_length(document: &Document<'_>, start: usize) -> usize {
    let mut open = vec![document.root()];
    while let Some(value) = open.pop() {
        if value.span().start == start {
            return value.raw().len();
        }
        open.extend(value.elements());
        open.extend(value.members().map(|(_, _, member)| member));
    }
    panic!("nothing starts where the edit was");
}

/// Every refusal has a stable code and an answer that is JSON.
fn check_refusal(refusal: &Refusal) {
    let (stage, rule) = refusal.code.split_once('.').expect("a code has two parts");
    assert!(matches!(stage, "parse" | "http"));
    assert!(rule.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
    let reply = refusal.reply("decision");
    assert_eq!(reply.status, refusal.status);
    assert!(matches!(reply.status, 200 | 202 | 400 | 404 | 405 | 413 | 415));
    if reply.body.is_empty() {
        assert!(matches!(reply.status, 202 | 405));
        return;
    }
    let everything =
        Limits { max_bytes: usize::MAX, max_depth: 64, max_tokens: usize::MAX, numbers: Numbers::Exact };
    let document = Document::parse(&reply.body, &everything).expect("the answer is JSON");
    if let Some(id) = refusal.id() {
        assert_eq!(document.root().get("id").map(|value| value.raw()), Some(id.raw()));
    }
}

/// Reads `data` behind its first byte as a stream, whole and in pieces.
pub fn sse(data: &[u8]) {
    let Some((choice, stream)) = data.split_first() else { return };
    let limits = SseLimits { max_event_bytes: if choice & 128 == 0 { 1 << 20 } else { 64 } };
    let whole = decode(stream, stream.len().max(1), limits);
    let pieces = decode(stream, usize::from(choice & 63) + 1, limits);
    assert_eq!(whole.1, pieces.1, "the outcome depends on chunk borders");
    assert_eq!(whole.0, pieces.0, "the events depend on chunk borders");
}

/// The events without their spans, and whether the stream was read to its end.
fn decode(stream: &[u8], size: usize, limits: SseLimits) -> (Vec<Event>, bool) {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    let mut taken = 0;
    let outcome = stream.chunks(size).try_for_each(|chunk| {
        decoder.push(chunk, &mut events)?;
        decoder.push(&[], &mut events)?;
        taken += chunk.len() as u64;
        assert!(decoder.settled() <= taken);
        assert!(taken - decoder.settled() <= limits.max_event_bytes as u64);
        Ok::<(), interdict_mcp::sse::SseError>(())
    });
    for pair in events.windows(2) {
        assert!(pair[0].span.end <= pair[1].span.start);
    }
    let read = outcome.is_ok();
    (events.into_iter().map(|event| Event { span: 0..0, ..event }).collect(), read)
}
