"""What goes to a tool and comes back from it is what its approved schemas say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import market as markets
from support.content import contract, tool
from support.market import Market
from support.planted import Planted


@pytest.fixture(scope="module", params=["call", "split"])
def market(request: pytest.FixtureRequest, folder: Path) -> Iterator[Market]:
    contracts = [contract("account", ["read"], server="careful", output={"undeclared": "drop"})]
    with markets.fair(request.param, folder, contracts=contracts) as fair:
        yield fair.careful


FORM = {
    "type": "object",
    "properties": {
        "card": {"type": "string", "pattern": "^[0-9]{16}$"},
        "note": {"type": "string", "maxLength": 40},
        "amount": {"type": "integer", "minimum": 1},
        "to": {"enum": ["ana", "ben"]},
        "more": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
    },
    "required": ["amount"],
}
FITS: dict[str, Any] = {"amount": 5, "note": "for lunch", "to": "ana", "more": {"a": True}}
UNFIT: dict[str, dict[str, Any]] = {
    "another type": {**FITS, "amount": "5"},
    "too small": {**FITS, "amount": 0},
    "no integer": {**FITS, "amount": 1.5},
    "a word that is not there": {**FITS, "to": "mallory"},
    "too long": {**FITS, "note": "x" * 41},
    "something missing": {"note": "for lunch"},
    "an unknown member": {**FITS, "bcc": "mallory"},
    "an unknown member deep down": {**FITS, "more": {"a": True, "b": 1}},
    "a number as text": {**FITS, "card": 1},
}


@pytest.mark.parametrize("what", UNFIT)
def test_arguments_are_what_the_approved_schema_says(what: str, market: Market) -> None:
    """D6: whatever the server would have made of them."""
    pay = tool("pay", inputSchema=FORM)
    if "pay" not in market.listed():
        market.pin(pay)
    market.server.forget()
    assert market.call("pay", UNFIT[what]) == "tool.schema"
    assert market.server.given() == []
    assert market.call("pay", FITS) == "none"
    assert [given["arguments"] for given in market.server.given()] == [FITS]


def test_what_is_redacted_still_fits_the_schema_or_does_not_go(market: Market, planted: Planted) -> None:
    """A5, D6."""
    if "pay" not in market.listed():
        market.pin(tool("pay", inputSchema=FORM))
    market.server.forget()
    assert market.call("pay", {**FITS, "card": planted.pan()}) == "tool.schema"
    assert market.call("pay", {**FITS, "note": f"on {planted.pan()}"}) == "none"
    [given] = market.server.given()
    assert "[[dlp:pan:" in given["arguments"]["note"]


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}


def test_what_the_approved_schema_does_not_declare_is_dropped(market: Market) -> None:
    """D10: in the structured answer and in the text that repeats it."""
    answer = {"name": "Ana", "age": 30, "password_hash": "$2b$12$abc"}
    market.server.change(
        lambda script: script.answers.update(
            account={"result": {"content": [{"type": "text", "text": json.dumps(answer)}], "structuredContent": answer}}
        )
    )
    market.pin(tool("account", outputSchema=PERSON))
    result = market.result("tools/call", {"name": "account", "arguments": {}})
    assert result["structuredContent"] == {"name": "Ana", "age": 30}
    assert json.loads(result["content"][0]["text"]) == {"name": "Ana", "age": 30}
    assert "password_hash" not in json.dumps(result)


def test_a_structured_answer_is_what_the_approved_schema_says(market: Market) -> None:
    """D10."""

    def said(**members: Any) -> None:
        result = {"content": [{"type": "text", "text": "see there"}], "structuredContent": members}
        market.server.change(lambda script: script.answers.update(person={"result": result}))

    said(name="Ana", age=30)
    market.pin(tool("person", outputSchema=PERSON))
    assert market.call("person") == "none"
    said(name="Ana", age="thirty")
    assert market.call("person") == "response.schema"
    said(age=30)
    assert market.call("person") == "response.schema"
    said(name="Ana", age=30)
    market.server.change(lambda script: script.answers["person"]["result"].update(isError=True))
    assert market.call("person") == "none"
    market.server.change(lambda script: script.answers["person"]["result"]["structuredContent"].update(age="thirty"))
    assert market.call("person") == "response.schema", "that it failed is the server's word"
