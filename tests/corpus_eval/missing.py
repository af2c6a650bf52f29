"""Stands in for the model clients that the corpora's packages import and that their data does not need.

The packages are installed without their dependencies (gigabytes of model code). A module that is not there becomes one
whose every attribute is an empty class.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

ABSENT = frozenset({
    "openai", "anthropic", "cohere", "google", "vertexai", "langchain", "transformers", "torch", "nltk",
    "litellm", "datasets", "ollama", "replicate", "huggingface_hub", "avidtools", "markdown", "wn",
    "langdetect", "zalgolib", "ecoji", "base2048", "deepl", "boto3", "mistralai", "numpy", "PIL", "accelerate",
    "octoai", "stdlibs", "soundfile", "librosa", "websockets", "jsonpath_ng", "backoff", "rapidfuzz", "click",
    "dotenv",
})  # fmt: skip


class _Anything(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _empty_class(name)

    def __or__(cls, other: Any) -> type:
        return object

    __ror__ = __or__

    def __getitem__(cls, item: Any) -> type:
        return cls


def _empty_class(name: str) -> type:
    def attribute(self: object, wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        return lambda *args, **options: ""

    body = {
        "__init__": lambda self, *args, **options: None,
        "__call__": lambda self, *args, **options: args[0] if args else "",
        "__getattr__": attribute,
    }
    return _Anything(name, (), body)


class _Module(types.ModuleType):
    __version__ = "9.9.9"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _empty_class(name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Module(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def stand_in() -> None:
    """From now on the absent modules can be imported. Comes last, so that what is installed is used."""
    sys.meta_path.append(_Finder())
