"""Stack Exchange dumps (Posts.xml): each question with its answers, the best first, as one text."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from resiliparse.extract.html2text import extract_plain_text

from cluster.store import Location
from pipeline.read.record import Part, Record, oversize
from pipeline.read.streams import open_content

QUESTION, ANSWER = "1", "2"  # PostTypeId; the others are tag wikis, nominations and notices of the site
SITE = re.compile(r"(?:^|/)((?:[a-z0-9-]+\.)+(?:com|net|org))(?:-Posts)?(?:\.xml)?(?:\.gz|\.zst)?(?=/|$)", re.IGNORECASE)
SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE post (thread INTEGER, is_answer INTEGER, score INTEGER, id INTEGER, time TEXT, title TEXT, body TEXT);
"""
ORDER = "SELECT * FROM post ORDER BY thread, is_answer, score DESC, id"


def read_stackexchange(place: Location, part: Part, limit: int) -> Iterator[Record]:
    """A record a question; answers behind it by falling score (then by id).

    Answers without their question are `orphan_answer`, other posts `not_a_question`. Where the XML breaks off, what
    came before is joined all the same, and one record is `unreadable`. offset: the post's id.

    The dump has a question's answers anywhere behind it, so the posts lie in SQLite on the local disk until all
    are read: as many bytes of disk as the file has. Memory: one thread, which is `oversize` beyond `limit` bytes.
    """
    failure = ""
    with tempfile.TemporaryDirectory(prefix="pageloom-posts-") as directory:
        spool = sqlite3.connect(Path(directory) / "posts.sqlite")
        try:
            spool.executescript(SCHEMA)
            with open_content(place) as stream:
                try:
                    for post in posts(stream):
                        if post[1] is None:
                            yield Record(part.name, post[3], time=post[4], problem="not_a_question")
                        else:
                            spool.execute("INSERT INTO post VALUES (?, ?, ?, ?, ?, ?, ?)", post)
                except (etree.XMLSyntaxError, OSError) as error:
                    failure = str(error).splitlines()[0][:200]
            spool.execute("CREATE INDEX thread ON post (thread, is_answer, score DESC, id)")
            yield from threads(spool, part, limit)
        finally:
            spool.close()
    if failure:
        yield Record(part.name, 0, problem="unreadable", note=failure)


def posts(stream: Any) -> Iterator[tuple[Any, ...]]:
    """Rows of SCHEMA; is_answer None for what is neither question nor answer.

    No entity is expanded and nothing is fetched: a file with a DTD, which no dump has, is refused before its first post.
    Raises XMLSyntaxError.
    """
    rows = etree.iterparse(
        stream, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    root = None
    for event, element in rows:
        if root is None:
            root = element
            if element.getroottree().docinfo.internalDTD is not None:
                raise OSError("it declares a DTD, which may hold an entity bomb")
        if event == "start" or element.tag != "row":
            continue
        row = element.attrib
        number, kind = whole(row.get("Id")), row.get("PostTypeId")
        thread = whole(row.get("ParentId")) if kind == ANSWER else number
        is_answer = {QUESTION: 0, ANSWER: 1}.get(kind)
        yield (
            thread,
            is_answer,
            whole(row.get("Score")),
            number,
            row.get("CreationDate") or "",
            row.get("Title") or "",
            row.get("Body") or "",
        )
        root.clear()  # else the tree grows with the file


def threads(spool: sqlite3.Connection, part: Part, limit: int) -> Iterator[Record]:
    site = SITE.search(part.uri)
    base = f"https://{site[1].lower()}/questions/" if site else f"{part.name}#"
    held, words = None, ""
    for thread, is_answer, _, number, time, title, body in spool.execute(ORDER):
        if is_answer and (held is None or held.offset != thread):
            yield Record(part.name, number, time=time, problem="orphan_answer")
            continue
        if not is_answer:
            if held is not None:
                yield held
            held, words = Record(part.name, number, url=f"{base}{thread}", time=time, mime="text/plain"), title.strip()
        if held is None or held.problem:
            continue
        words = "\n\n".join(each for each in (words, fragment_text(body)) if each)
        held.body = words
        if len(words) > limit:
            oversize(held, len(words), limit)
    if held is not None:
        yield held


def fragment_text(html: str) -> str:
    """A post's HTML as text; code keeps its lines and its indentation."""
    return extract_plain_text(html, preserve_formatting=True, main_content=False).strip()


def whole(number: str | None) -> int:
    try:
        return max(-(2**62), min(2**62, int(number or 0)))
    except ValueError:
        return 0
