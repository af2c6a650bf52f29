"""Values and orders in answers: the client gets a mark, an error or a handle in their place, and everything else as it was
sent."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support import answers, content, mcp
from support import interdict as decision_point
from support.answers import (
    LAX,
    MAIL,
    MARK,
    ORDERS,
    ROWS,
    Answer,
    Asking,
    answer,
    cut,
    event,
    message,
    messages,
    reason,
    rows,
    said,
)
from support.evidence import Audit
from support.planted import Planted, halves
from support.scripted import Scripted, head, pieces, whole
from support.stack import Stack


@pytest.fixture(scope="module", params=["call", "split"])
def running(request: pytest.FixtureRequest, folder: Path, server: Scripted) -> Iterator[Stack]:
    """The two modes that can look into responses."""
    with answers.started(request.param, folder, server.address) as started:
        yield started


@pytest.fixture
def ask(running: Stack, server: Scripted, agent: str) -> Asking:
    return Asking(running, server, agent)


FORMS: dict[str, Callable[[str], Answer]] = {
    "JSON": lambda value: whole(answer(f"paid with {value}.")),
    "JSON in two segments": lambda value: pieces(cut(answer(value), value.encode()), "application/json"),
    "structured": lambda value: whole(answer("ok", structuredContent={"cards": [{"no": value}]})),
    "in base64": lambda value: whole(answer(base64.b64encode(f"it is {value}, really".encode()).decode())),
    "a failed tool": lambda value: whole(answer(f"{value} was refused", isError=True)),
    "an error": lambda value: whole(message(id=1, error={"code": -1, "message": value, "data": {"x": [1]}})),
    "an error's data": lambda value: whole(message(id=1, error={"code": -1, "message": "no", "data": {"x": value}})),
    "an event": lambda value: pieces([event(said("fine")), event(answer(value))]),
    "an event in two segments": lambda value: pieces(cut(event(said("fine")) + event(answer(value)), value.encode())),
    "two events": lambda value: pieces([event(said(halves(value)[0])), event(answer(halves(value)[1]))]),
    "a notification": lambda value: pieces([event(said(value)), event(answer("done"))]),
    "progress": lambda value: pieces(
        [
            event(
                message(method="notifications/progress", params={"progressToken": 1, "progress": 1, "message": value})
            ),
            event(answer("done")),
        ]
    ),
    "a request of the server": lambda value: pieces(
        [
            event(
                message(id=9, method="elicitation/create", params={"message": f"Is it {value}?", "requestedSchema": {}})
            ),
            event(answer("done")),
        ]
    ),
    "text": lambda value: whole(f"failed for {value}".encode(), "text/plain", 500),
}


Asked = tuple[str, httpx.Response, str]
"""A value, the answer with it, and the decision: outcomes are told five times a second, so that all is asked before."""


@pytest.fixture(scope="module")
def arrived(running: Stack, server: Scripted, planted: Planted, agents: Iterator[str]) -> dict[str, Asked]:
    found = {}
    for form, write in FORMS.items():
        ask, value = Asking(running, server, next(agents)), planted.pan()
        found[form] = (value, ask(write(value)), ask.decision()["decision_id"])
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_value_in_an_answer_is_a_mark_when_it_arrives(
    form: str, arrived: dict[str, Asked], running: Stack, planted: Planted
) -> None:
    """D2: whatever it comes in."""
    value, got, decision = arrived[form]
    assert planted.found_in(got.content) == [], f"{got.text}\n{running.tail()}"
    second = halves(value)[1]
    assert second.encode() not in got.content
    assert len(MARK.findall(got.text)) == 1, got.text
    outcome = Audit.of(running.interdict).wait_outcome(decision)
    assert [(found["class"], found["action"], found["count"]) for found in outcome["found"]] == [("pan", "redact", 1)]
    assert outcome["treated"] == "edited"


def test_a_value_that_may_not_come_in_is_an_error_of_the_right_id(ask: Asking, planted: Planted) -> None:
    """D2: and the rest of a stream goes on."""
    got = ask(whole(answer(f"key: {planted.token()}")))
    assert (messages(got)[0]["id"], reason(got)) == (1, "response.denied_content"), got.text
    got = ask(pieces([event(said("before")), event(said(planted.token())), event(answer(planted.token()))]))
    first, last = messages(got)
    assert first["params"]["data"] == "before"
    assert (last["id"], last["error"]["data"]["reason"]) == (1, "response.denied_content"), got.text
    assert ask.outcome()["treated_reason"] == "response.denied_content"


def test_a_number_cannot_be_replaced_so_the_answer_is_denied(ask: Asking, planted: Planted) -> None:
    """D2."""
    got = ask(whole(answer("ok", structuredContent={"card_number": int(planted.pan())})))
    assert reason(got) == "response.denied_content", got.text


def test_what_is_only_counted_passes_byte_for_byte(ask: Asking) -> None:
    """D2."""
    body = answer("write to ana.example@mail.test")
    assert ask(whole(body)).content == body
    outcome = ask.outcome()
    assert [(found["class"], found["action"], found["count"]) for found in outcome["found"]] == [("email", "count", 1)]
    assert outcome["treated"] == "untouched"


UNREADABLE: dict[str, Callable[[str], Answer]] = {
    "gzip": lambda value: whole(gzip.compress(answer(value)), content_encoding="gzip"),
    "a gzipped stream": lambda value: whole(
        gzip.compress(event(answer(value))), "text/event-stream", content_encoding="gzip"
    ),
    "another content type": lambda value: whole(b"%PDF " + value.encode(), "application/pdf"),
    "no content type": lambda value: [head(content_length=str(len(value) + 2)) + f"a {value}".encode()],
    "no JSON": lambda value: whole(f"not JSON {value}".encode()),
    "a member twice": lambda value: whole(b'{"jsonrpc":"2.0","id":1,"result":{"a":"%s","a":1}}' % value.encode()),
}


@pytest.mark.parametrize("form", UNREADABLE)
def test_what_cannot_be_read_does_not_come_in(form: str, ask: Asking, server: Scripted, planted: Planted) -> None:
    """D2: nobody gets past by writing in another way."""
    got = ask(UNREADABLE[form](planted.pan()))
    assert reason(got) == "response.unreadable", got.text
    assert "accept-encoding" not in server.seen
    if form == "another content type":
        lax = ask(UNREADABLE[form]("nothing"), path="/lax", audience=LAX)
        assert lax.content == b"%PDF nothing", "where the bundle says so, it passes"


# === rows and forms ===


def test_ten_thousand_rows_are_cut_at_the_ceiling(ask: Asking) -> None:
    """C5, D2: in the structured answer and in the text that repeats it."""
    table = rows(10_000)
    got = ask(whole(answer(json.dumps(table), structuredContent=table)), "query")
    result = messages(got)[0]["result"]
    assert result["structuredContent"] == rows(ROWS), ask.running.tail()
    assert json.loads(result["content"][0]["text"]) == rows(ROWS)
    outcome = ask.outcome()
    assert (outcome["treated"], outcome["rows_cut"]) == ("edited", 9_900)


def test_ten_thousand_rows_are_denied_where_the_contract_says_so(ask: Asking) -> None:
    """C5, D2."""
    got = ask(pieces([event(answer("see there", structuredContent=rows(10_000)))]), "query_strictly")
    assert reason(got) == "response.rows", got.text[:600]
    fits = answer("see there", structuredContent=rows(ROWS))
    assert ask(whole(fits), "query_strictly").content == fits


@pytest.mark.parametrize("place", ["beside", "deeper", "in words", "in a string", "in an error"])
def test_a_ceiling_that_denies_is_not_passed_by_a_decoy(place: str, ask: Asking) -> None:
    """C5, D2: nothing where the path leads, and the rows elsewhere."""
    many = rows(ROWS + 1)["rows"]
    written = {
        "beside": lambda: answer("ok", structuredContent={"rows": [], "rows2": many}),
        "deeper": lambda: answer("ok", structuredContent={"rows": [many]}),
        "in words": lambda: answer(f"Result: {json.dumps(many)}"),
        "in a string": lambda: answer(json.dumps(json.dumps({"rows": many}))),
        "in an error": lambda: message(id=1, error={"code": -32000, "message": "no", "data": {"rows": many}}),
    }
    got = ask(whole(written[place]()), "query_strictly")
    assert reason(got) == "response.rows", got.text[:600]


def test_nothing_is_dropped_by_a_form_that_nobody_approved(ask: Asking) -> None:
    """D10: a contract about undeclared members needs an approved schema."""
    got = ask(whole(answer("ok", structuredContent={"password_hash": "x"})), "profile")
    assert reason(got) == "content.no_output_schema", got.text


# === orders ===

@pytest.mark.parametrize("how", ORDERS)
def test_an_answer_that_gives_orders_is_kept_for_a_reviewer_and_the_session_is_hostile(
    how: str, running: Stack, server: Scripted, ask: Asking, planted: Planted, agents: Iterator[str]
) -> None:
    """D4, D8, A18: the next call that changes something needs a person; reading goes on."""
    fine = whole(answer("fine"))
    assert reason(ask(fine, "send")) == "none"
    got = ask(whole(answer(f"{ORDERS[how]} ({planted.pan()})")))
    result = messages(got)[0]["result"]
    text = result["content"][0]["text"]
    assert result["isError"] is True
    [handle] = re.findall(r"\[\[quarantined:([0-9a-f]{32})\]\]", text)
    outcome = ask.outcome()
    assert (outcome["treated"], outcome["treated_reason"]) == ("quarantined", "response.quarantined"), outcome

    def shown() -> str | None:
        done = content.command(running.interdict, "quarantine", "show", handle)
        return done.stdout if done.returncode == 0 else None

    original = Audit.wait_until(shown, f"quarantined text {handle}")
    assert "unny." in original
    assert planted.found_in(original.encode()) == [], "a reviewer of orders needs no card numbers"

    assert reason(ask(fine)) == "none", "reading goes on"
    asked = messages(ask(fine, "send"))[0]
    assert asked["error"]["code"] == -31409, f"{asked}\n{running.tail()}"
    assert ask.decision()["content"]["labels"] == ["hostile"]
    other = Asking(running, server, next(agents))
    assert reason(other(fine, "send")) == "none", "nobody else's session is"

    running.interdict.decide(asked["error"]["data"]["approval_id"], "approve")
    assert reason(ask(fine, "send")) == "none"
    assert messages(ask(fine, "send"))[0]["error"]["code"] == -31409, "the approval was for one call"


def test_a_hostile_answer_of_one_server_holds_for_calls_to_another(ask: Asking) -> None:
    """D4, A18: what one server says is carried out at another, and every server has sessions of its own."""
    ask(whole(answer(ORDERS["a chat template"])), session="here")
    ask.outcome()
    for path, audience, session in (("/mail", MAIL, "there"), ("/mcp", decision_point.RESOURCE, "begun-anew")):
        got = ask(whole(answer("fine")), "send", path=path, audience=audience, session=session)
        assert messages(got)[0].get("error", {}).get("code") == -31409, f"{got.text}\n{ask.running.tail()}"


BENIGN = [
    'The list has 3 items: "a", "b" and <c>.\n\n- ignore case when sorting\n- never mind\n',
    "<html><head><title>Report</title></head><body><!-- navigation --><p>Sales rose by 4.1 %.</p></body></html>",
    "def send(files):\n    # TODO: read the file first\n    password = os.environ['PASSWORD']\n    return None\n",
    "Family: 👨‍👩‍👧‍👦, العربية, עברית, हिन्दी, soft\u00adhyphen",
    "Flag: 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "Order 4111-1111-1111-1112 is no card; 2026-11-21T17:00:00Z; commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "uuid 123e4567-e89b-12d3-a456-426614174000, build 20261121.4, phone-like 555-0100, version 10.4.0.1-rc2",
    "Please call the office if you have questions. The system: heating and cooling. Assistant manager: Ana.",
]


def test_what_is_benign_passes_byte_for_byte(ask: Asking) -> None:
    """D2, D4: also what only looks like something."""
    image = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(bytes(range(256)) * 8).decode()}
    decisions = []
    for at, text in enumerate(BENIGN):
        result = {"content": [{"type": "text", "text": text}, image], "structuredContent": {"n": 0, "t": text}}
        plain = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=at % 2 == 0).encode()
        body = b" " + plain.replace(b'"n": 0', b'"n":1.50E+2') + b"\n"
        assert ask(whole(body)).content == body, text
        decisions.append(ask.decision()["decision_id"])
        stream = b": hello\n\nid: 7\n" + event(said(text.replace("\n", " "))) + event(plain)
        got = ask(pieces([stream[:40], stream[40:-20], stream[-20:]]))
        assert got.content == stream, text
        decisions.append(ask.decision()["decision_id"])
    audit = Audit.of(ask.running.interdict)
    assert {audit.wait_outcome(decision)["treated"] for decision in decisions} == {"untouched"}


# === what is no answer to a call, and what is left ===


def test_the_answer_to_the_end_of_a_session_is_looked_into(
    running: Stack, server: Scripted, planted: Planted, agent: str
) -> None:
    """D2: it is no answer to a call, and somebody reads it all the same."""
    headers = [*mcp.headers(b"", token=running.token(agent))[2:], ("mcp-session-id", "one")]
    for body, status in ((answer(planted.pan()), 200), (f"closed for {planted.pan()}".encode(), 405)):
        server.answers["/mcp"] = whole(body, "application/json" if status == 200 else "text/plain", status)
        got = httpx.delete(running.url, headers=headers, timeout=30, trust_env=False)
        assert (got.status_code, len(MARK.findall(got.text))) == (status, 1), f"{got.text}\n{running.tail()}"
        assert planted.found_in(got.content) == []


def test_no_value_is_in_any_store_log_or_metric(ask: Asking, folder: Path, planted: Planted) -> None:
    """D3: whatever came of the answers before."""
    ask(whole(answer(planted.pan())))
    content.search(ask.running, folder / ask.running.mode, planted)
