"""How the story is told."""

from __future__ import annotations

import os
import sys
import textwrap


class Stage:
    """Prints the story; colours only for a terminal."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def act(self, title: str) -> None:
        print(f"\n{self._paint(title, '1')}")

    def tell(self, text: str) -> None:
        print(textwrap.fill(" ".join(text.split()), 92, initial_indent="  ", subsequent_indent="  "))

    def says(self, who: str, text: str) -> None:
        lines = [part for line in text.strip().splitlines() for part in self._wrapped(line)]
        print(
            "\n".join(
                f"    {self._paint((who if i == 0 else '').rjust(14), '36')}  {line}" for i, line in enumerate(lines)
            )
        )

    @staticmethod
    def _wrapped(line: str) -> list[str]:
        # Ids and paths stay in one piece, so that they can be copied.
        return textwrap.wrap(line, 74, break_long_words=False, break_on_hyphens=False)
