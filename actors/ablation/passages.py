"""The passages whose copies an ablation counts: read and cut without a model, so that wrong ones are told before any work."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actors.ablation.settings import VerbatimSettings
from cluster.errors import RequestError
from pipeline.read.data_files import field, rows

# A blank or line end behind a word: no token of byte-level BPE reaches across the place before it.
BREAK = re.compile(r"(?<=\S)\s")


@dataclass(frozen=True)
class Passage:
    """A planted text: `prompt` is its beginning, `continuation` what comes next, `rest` all that comes next."""

    copies: int
    kind: str
    prompt: str
    continuation: str
    rest: str


def read_passages(settings: VerbatimSettings) -> list[Passage]:
    """Raises RequestError naming the item that has no text or copies, or is too short."""
    found = []
    for name, item, value in rows([settings.passages]):
        text, copies = str(field(name, item, value, "text")), field(name, item, value, "copies")
        if not isinstance(copies, int) or copies < 0:
            raise RequestError(f"{name}, item {item}: copies is {copies!r}; give how often it was planted, 0 for never")
        found.append(cut(text, copies, str(value.get("kind", "")), settings, f"{name}, item {item}"))
    if not found:
        raise RequestError(f"{settings.passages}: no passage in it; give lines of {{text, copies}}")
    return found


def cut(text: str, copies: int, kind: str, settings: VerbatimSettings, label: str) -> Passage:
    """The prompt ends before the first blank from `prompt_characters` on, so that its tokens are those of the whole text;
    where a script has no blanks, just there."""
    blank = BREAK.search(text, settings.prompt_characters)
    end = blank.start() if blank else settings.prompt_characters
    if end + settings.continuation_characters > len(text):
        end = settings.prompt_characters
    if end + settings.continuation_characters > len(text):
        raise RequestError(
            f"{label}: {len(text)} characters, fewer than prompt_characters and continuation_characters "
            f"({settings.prompt_characters} + {settings.continuation_characters}); lower them or leave it out"
        )
    return Passage(copies, kind, text[:end], text[end : end + settings.continuation_characters], text[end:])
