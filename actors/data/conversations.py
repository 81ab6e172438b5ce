"""Conversations to learn from: read from files, or derived from the corpus and then named synthetic."""

from __future__ import annotations

import gzip
import heapq
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from actors.data.chat import Message
from actors.data.split import ASSISTANT, digest, held_out
from actors.settings import SftSettings
from cluster.errors import RequestError
from cluster.store import Artefact, Location

SYNTHETIC = "synthetic"
CONVERSATIONS = "conversations.parquet"  # of the assistant artefact
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

# `name(arguments) -> type` alone on its line: how documentation heads what it describes.
SIGNATURE = re.compile(
    r"(?:async )?(?:[\w.]+ = )?(?P<name>[\w.]*\w)\((?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\)(?: -> .{1,60}| from [\w.]+)?"
)
OWNER = re.compile(r"(?:class |.* inherited from )(?P<name>[\w.]+)")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])")
ENDS_A_SENTENCE = re.compile(r"[.!?][\"')\]]?$")


@dataclass(frozen=True)
class Conversation:
    """source: the file it is from, or `synthetic`."""

    messages: tuple[Message, ...]
    source: str

    @property
    def prompt(self) -> str:
        """What the user says first."""
        return next(message["content"] for message in self.messages if message["role"] == "user")

    @property
    def response(self) -> str:
        """What the assistant says first."""
        return next(message["content"] for message in self.messages if message["role"] == "assistant")


def pair(prompt: str, response: str, source: str = SYNTHETIC) -> Conversation:
    return Conversation(({"role": "user", "content": prompt}, {"role": "assistant", "content": response}), source)


# Derived from the corpus


def synthetic(corpus: Artefact, settings: SftSettings) -> list[Conversation]:
    """At most `settings.pairs` pairs with different prompts, an even sample over the training pages.

    The pages are read one row group at a time; memory is that and the pairs kept.
    """
    chosen: dict[int, Conversation] = {}
    largest: list[int] = []  # heap of the kept hashes, negated: those with the smallest hashes stay
    for text, url in pages(corpus):
        for found in from_page(text, url, settings):
            number = digest(found.prompt, "sample of the corpus", settings.seed)
            if number in chosen or (len(chosen) == settings.pairs and number > -largest[0]):
                continue
            chosen[number] = found
            heapq.heappush(largest, -number)
            if len(chosen) > settings.pairs:
                del chosen[-heapq.heappop(largest)]
    return [chosen[number] for number in sorted(chosen)]


def pages(corpus: Artefact) -> Iterator[tuple[str, str]]:
    """(text, url) of the training pages: held-out ones stay unseen by every later stage too."""
    for place in corpus.paths(".parquet"):
        if not place.name.startswith("train-"):
            continue
        with place.open() as file:
            for group in pq.ParquetFile(file).iter_batches(columns=["text", "url"]):
                yield from zip(group["text"].to_pylist(), group["url"].to_pylist(), strict=True)


def from_page(text: str, url: str, settings: SftSettings) -> list[Conversation]:
    """The pairs of one page, at most `pairs_per_page`: descriptions first, then its opening, then continuations."""
    limit = settings.answer_characters
    found: dict[str, str] = {}
    for prompt, answer in [*descriptions(text, url), *opening(text, url), *continuations(text)]:
        answer = whole_sentences(answer, limit)
        if answer and len(prompt) <= limit:
            found.setdefault(prompt, answer)
    kept = sorted(found, key=lambda prompt: digest(prompt, "sample of a page", settings.seed))
    return [pair(prompt, found[prompt]) for prompt in kept[: settings.pairs_per_page]]


def descriptions(text: str, url: str) -> Iterator[tuple[str, str]]:
    """What a documentation page says below a signature: `What does shutil.copy do?` and the first paragraph.

    Names that begin with an underscore are left out: they are private, or the same few words on every page.
    """
    owner = slug(url)
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        if match := OWNER.match(line):
            owner = match["name"].rpartition(".")[2]
        elif line == "Functions":
            owner = slug(url)
        elif match := SIGNATURE.fullmatch(line):
            below: list[str] = []
            for following in lines[number + 1 :]:
                if not following or following.endswith(":") or SIGNATURE.fullmatch(following):
                    break
                below.append(following)
            name = match["name"].rpartition(".")[2]
            if not name.startswith("_"):
                yield f"What does {owner}.{name} do?", " ".join(below)


def opening(text: str, url: str) -> Iterator[tuple[str, str]]:
    """The page's subject and its first paragraph of prose: `What is bread baking about?`."""
    first = text.strip().partition("\n")[0].strip()
    titled = 3 <= len(first.split()) <= 15 and not ENDS_A_SENTENCE.search(first)
    for paragraph in prose(text):
        yield f"What is {first if titled else slug(url).replace('-', ' ')} about?", paragraph
        return


def continuations(text: str) -> Iterator[tuple[str, str]]:
    """A paragraph's first sentence, and how it goes on."""
    for paragraph in prose(text):
        sentence, *rest = SENTENCE_END.split(paragraph, maxsplit=1)
        if rest and 20 <= len(sentence) <= 200:
            yield f"Continue: {sentence}", rest[0]


def prose(text: str) -> Iterator[str]:
    """Paragraphs that are sentences: eight words and more, begun by a capital, ended by a full stop, no signature inside."""
    for block in re.split(r"\n\s*\n", text):
        if any(SIGNATURE.fullmatch(line.strip()) for line in block.splitlines()):
            continue
        paragraph = " ".join(block.split())
        if len(paragraph.split()) >= 8 and paragraph[0].isupper() and ENDS_A_SENTENCE.search(paragraph):
            yield paragraph


def whole_sentences(text: str, limit: int) -> str:
    """As many whole sentences from the start as `limit` characters hold; empty where not even one is whole."""
    kept = ""
    for sentence in SENTENCE_END.split(" ".join(text.split())):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > limit or not ENDS_A_SENTENCE.search(sentence):
            break
        kept = longer
    return kept if len(kept) >= 12 else ""


def slug(url: str) -> str:
    """The last part of a URL's path without extension; the host where there is no path."""
    parts = urlsplit(url)
    last = unquote(parts.path.rstrip("/").rpartition("/")[2])
    return re.sub(r"\.(html?|php|aspx?)$", "", last) or parts.netloc


# From files


def read_records(files: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int, Any]]:
    """(uri, line number, value) of every line of JSONL files, plain or gzipped; the value is None where it is not JSON."""
    for file in files:
        data = Location.of(file["uri"]).read_bytes()
        if file["uri"].endswith(".gz"):
            data = gzip.decompress(data)
        for number, line in enumerate(data.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                yield file["uri"], number, json.loads(line)
            except json.JSONDecodeError:
                yield file["uri"], number, None


def from_files(files: Sequence[dict[str, Any]]) -> tuple[list[Conversation], int]:
    """Conversations of the files that a recipe names, and how many lines hold none.

    Raises RequestError where no line of a file can be used.
    """
    found: list[Conversation] = []
    unusable = 0
    for uri, _, record in read_records(files):
        name = uri.rpartition("/")[2]
        if conversation := read_conversation(record, name):
            found.append(conversation)
        else:
            unusable += 1
    if not found:
        names = ", ".join(file["uri"] for file in files)
        raise RequestError(f"{names}: no conversation there; lines are JSON with `messages`, or `prompt` and `response`")
    return found, unusable


def read_conversation(record: Any, source: str) -> Conversation | None:
    """One JSONL record as a conversation that has a user and ends with the assistant; None where it is not one."""
    if not isinstance(record, dict):
        return None
    if isinstance(record.get("prompt"), str) and isinstance(record.get("response"), str):
        return pair(record["prompt"], record["response"], source) if record["prompt"] and record["response"] else None
    messages = record.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return None
    turns = tuple({"role": str(each.get("role")), "content": each.get("content")} for each in messages)
    roles = [turn["role"] for turn in turns]
    if not all(isinstance(turn["content"], str) for turn in turns) or set(roles) - {"system", "user", "assistant"}:
        return None
    return Conversation(turns, source) if "user" in roles and roles[-1] == "assistant" else None


# The table that the assistant artefact keeps


def to_table(conversations: Iterable[Conversation], share: float) -> pa.Table:
    """Columns prompt, response (the first of each), split ('train', 'heldout'), source, messages."""
    rows = [
        {
            "prompt": each.prompt,
            "response": each.response,
            "split": "heldout" if held_out(each.prompt, share, ASSISTANT) else "train",
            "source": each.source,
            "messages": list(each.messages),
        }
        for each in conversations
    ]
    columns = [(name, pa.string()) for name in ("prompt", "response", "split", "source")]
    return pa.Table.from_pylist(rows, schema=pa.schema([*columns, ("messages", MESSAGES)]))


def read_table(place: Location) -> list[dict[str, Any]]:
    with place.open() as file:
        return pq.read_table(file).to_pylist()
