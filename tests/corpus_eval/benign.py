"""Texts that do not attack: every mark on one is a false positive."""

from __future__ import annotations

import csv
import inspect
import io
import json
import pkgutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from corpus_eval import attacks
from corpus_eval.case import Case, folder, named, texts

RESULTS = "tool results"
"""The part whose share of structural false positives has a goal."""


def all_cases(cache: Path) -> Iterator[Case]:
    """Every benign corpus; `cache` is where the tests' packages are."""
    yield from agentdojo_results()
    yield from agentdojo_environments()
    yield from tau2()
    yield from attacks.ipi_coding_agent(benign=True)
    yield from attacks.agent_threat_bench(benign=True)
    yield from tool_definitions()
    yield from issues()
    yield from writing()
    yield from docstrings()
    yield from package_texts(cache)


def agentdojo_results() -> Iterator[Case]:
    """What the tools answer when the user tasks are solved as they should be."""
    from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
    from agentdojo.functions_runtime import FunctionsRuntime

    for suite in attacks._suites().values():
        tools = [tool.name for tool in suite.tools]
        for task in suite.user_tasks.values():
            environment = task.init_environment(suite.load_and_inject_default_environment({}))
            runtime = FunctionsRuntime(suite.tools)
            for call in task.ground_truth(environment):
                result, error = runtime.run_function(environment, call.function, call.args)
                text = error or tool_result_to_str(result)
                yield Case(f"{named('agentdojo')}: user tasks", RESULTS, text=text, tools=tools)


def agentdojo_environments() -> Iterator[Case]:
    """Every mail, file, message, page and review of the environments as they are without an attack."""
    for suite in attacks._suites().values():
        tools = [tool.name for tool in suite.tools]
        environment = suite.load_and_inject_default_environment({}).model_dump(mode="json")
        for document in _records(environment):
            yield Case(f"{named('agentdojo')}: environments", RESULTS, document=document, tools=tools)


def _records(value: Any) -> Iterator[Any]:
    """Elements of lists and members of tables, as a tool would give them out one by one."""
    if isinstance(value, list):
        yield from (element for element in value if element)
    elif isinstance(value, dict):
        for member in value.values():
            if isinstance(member, dict | list):
                yield member
                yield from _records(member)


def tau2() -> Iterator[Case]:
    """Records of the banks and shops of tau2, one by one, and its tasks."""
    domains = folder("inspect_evals") / "tau2/data/domains"
    for path in sorted(domains.rglob("*.json")):
        part = RESULTS if path.name == "db.json" else "tasks"
        for document in _records(json.loads(path.read_text())):
            yield Case(f"{named('inspect_evals')}: tau2", part, document=document)


def tool_definitions() -> Iterator[Case]:
    """Tools as they should be."""
    for suite in attacks._suites().values():
        names = [tool.name for tool in suite.tools]
        for tool in attacks.definitions(suite):
            yield Case(
                f"tool descriptions: {named('agentdojo')}", "definitions", document=tool, definition=True, tools=names
            )
    for path in sorted((folder("inspect_evals") / "b3/data/tool_specs").glob("*.json")):
        document = json.loads(path.read_text())
        yield Case(f"tool descriptions: {named('inspect_evals')} b3", "definitions", document=document, definition=True)


def issues() -> Iterator[Case]:
    """Issues of a real project, with their logs, markup and images."""
    csv.field_size_limit(sys.maxsize)
    path = folder("inspect_evals") / "swe_lancer/data/all_swelancer_tasks.csv"
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield from texts(f"{named('inspect_evals')}: swe_lancer", RESULTS, [row.get("description") or ""])


def writing() -> Iterator[Case]:
    """Long texts in English and Chinese that ask for texts; people's instructions, so no tool results."""
    path = folder("inspect_evals") / "writingbench/benchmark_all.jsonl"
    queries = [json.loads(line)["query"] for line in path.read_text().splitlines()]
    yield from texts(f"{named('inspect_evals')}: writingbench", "prose", queries)


def docstrings() -> Iterator[Case]:
    """What Python's own modules say about themselves."""
    corpus = f"Python {sys.version_info.major}.{sys.version_info.minor} standard library"
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            yield from texts(corpus, "source files", [path.read_text(errors="replace")])
    for module in sorted(info.name for info in pkgutil.iter_modules([str(library)]) if info.name.isalpha()):
        loaded = sys.modules.get(module)
        members = inspect.getmembers(loaded) if loaded else []
        yield from texts(corpus, "docstrings", [inspect.getdoc(member) or "" for _, member in members])


SECURITY = ("garak", "pyrit", "agentdojo", "inspect", "cisco", "presidio", "detect")


def package_texts(cache: Path) -> Iterator[Case]:
    """README files, metadata and schemas of what the tests install: some thousand packages of two languages."""
    for distribution in distributions():
        name = distribution.metadata["Name"] or ""
        if not name.lower().startswith(SECURITY):
            yield from texts("PyPI packages of the tests", "metadata", [distribution.read_text("METADATA") or ""])
    for pattern in (
        "venv/lib/*/site-packages/*.dist-info/METADATA",
        "venv-mcp1/lib/*/site-packages/*.dist-info/METADATA",
    ):
        files = sorted(cache.glob(pattern))
        yield from texts("PyPI packages of the tests", "metadata", [path.read_text(errors="replace") for path in files])
    modules = sorted((cache / "node/node_modules").rglob("*"))
    readmes = [path for path in modules if path.name.lower() in {"readme.md", "changelog.md", "history.md"}]
    yield from texts("npm packages of the tests", "README", [path.read_text(errors="replace") for path in readmes])
    for path in modules:
        if path.name == "package.json":
            try:
                document = json.load(io.StringIO(path.read_text()))
            except (ValueError, OSError):
                continue
            yield Case("npm packages of the tests", "package.json", document=document)
