"""The terminal that commands print to: results on stdout, failures on stderr in one line.

Whatever is printed here may hold a crawled URL, a page's text or a model's answer. It is shown, never obeyed: no markup, no
emoji codes, and a control character stands as a picture of itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# What moves the cursor, hides text or turns its direction: C0 but for tab and line break, DEL, C1, bidirectional embeddings,
# overrides and isolates (Boucher and Anderson 2021), line separators. A surrogate is a byte of a name that is no UTF-8.
OBEYED = [range(0x80, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A), range(0x2028, 0x202A), range(0xD800, 0xE000)]
PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: "␡"}
PICTURES |= {code: REPLACEMENT for codes in OBEYED for code in codes}
ONE_LINE = PICTURES | {ord("\t"): "␉", ord("\n"): "␊"}


def visible(text: str) -> str:
    """The text as a terminal may have it, as long as before: one sign stands for each that the terminal would obey."""
    return text.translate(PICTURES)


class Screen(Console):
    """A console that shows text as it is. Style comes from `style=` and `Text`, never from signs in the text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text):
            renderable = renderable.copy()
            renderable.plain = visible(renderable.plain)  # as long as before, so every style stays where it was
        return super().render(renderable, options)


out = Screen()
err = Screen(stderr=True)


def tell(error: Exception | str) -> None:
    """Say in one line what failed."""
    words = str(error).encode("utf-8", "backslashreplace").decode()  # a name's bytes that are no UTF-8 can be looked up so
    err.print(f"pageloom: {words.translate(ONE_LINE)}", style="red", soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a result for programs: every sign beyond ASCII is escaped, so a terminal may have it too."""
    print(json.dumps(value, indent=1))
