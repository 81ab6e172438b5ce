"""What every reader takes and gives: a part of a file, and the records in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

END = 1 << 62  # behind the end of any file


@dataclass
class Record:
    """One record of a file. `problem` is the reason why it cannot become a page, else empty.

    body: bytes of an HTML page, or text where the file already holds extracted text. about: not a page but
    a record about one (request, metadata, warcinfo): counted, never a row. offset: bytes (rows in Parquet, ids in
    Stack Exchange's dumps). value, limit: the figure that made it a problem and the one it should have kept to.
    language: of source code, as linguist calls it. headers: of the HTTP response.
    """

    file: str
    offset: int
    url: str = ""
    time: str = ""
    status: int = 200
    mime: str = "text/html"
    charset: str | None = None
    body: bytes | str = b""
    problem: str = ""
    value: float | None = None
    limit: float | None = None
    note: str = ""
    about: bool = False
    source: str = ""
    priority: int = 0
    language: str = ""
    headers: Sequence[tuple[str, str]] = ()


@dataclass
class Part:
    """A file, or the part of one whose records start at or after `start` and before `end` (bytes; rows in Parquet).

    name: what the rows call the file; not its place, which differs between roots that hold the same bytes.
    source, priority: of the recipe's source the file belongs to. options: what its format asks for (`Source`'s
    `separator`, `licences`, `max_code_kb`; `licence`: SPDX id of the tree the file is in).
    """

    uri: str
    name: str
    format: str
    start: int = 0
    end: int = END
    groups: list[int] = field(default_factory=list)
    source: str = "input"
    priority: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


def oversize(record: Record, size: int, limit: int) -> Record:
    """The record without its body, which has `size` bytes or more where `limit` are allowed."""
    record.problem, record.value, record.limit, record.body = "oversize", float(size), float(limit), b""
    return record


def whole_text(text: str) -> str:
    """JSON can spell half a surrogate pair, which no file can hold: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
