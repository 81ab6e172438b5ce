"""JSON lines: a page, a text or a thread of a forum each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cluster.errors import first_line
from cluster.store import Location
from pipeline.read.record import Part, Record, oversize, whole_text
from pipeline.read.streams import lines, open_content
from pipeline.read.text import decoded_text

SAID = ("text", "content", "body", "message", "value")  # what forums and chat logs call the words of a post


def read_jsonl(place: Location, part: Part, limit: int) -> Iterator[Record]:
    """A line a record: `text`, `html` or a thread (`messages` or `posts`), and `url` where it is known.

    A line belongs to the part it starts in. Memory: one line, of 2 * limit bytes at most.
    """
    with open_content(place, max(0, part.start - 1)) as stream:
        offset = part.start
        each = lines(stream, 2 * limit)
        if part.start:
            offset += next(each, (b"", 1))[1] - 1  # read from one byte before: this line is the previous part's
        while offset < part.end and (found := next(each, None)):
            line, length = found
            if line.strip():
                yield json_record(line, length, part.name, offset, limit)
            offset += length


def json_record(line: bytes, length: int, file: str, offset: int, limit: int) -> Record:
    if length > 2 * limit:
        return oversize(Record(file, offset), length, limit)
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Record(file, offset, problem="unreadable", note=first_line(error))
    return field_record(fields if isinstance(fields, dict) else {}, file, offset, limit)


def field_record(fields: dict[str, Any], file: str, offset: int, limit: int) -> Record:
    """A record of the fields url and html, text, or messages / posts with title. Bytes have their charset guessed."""
    url = fields.get("url") or f"{file}#{offset}"
    row = Record(file, offset, url=url.decode("utf-8", "replace") if isinstance(url, bytes) else whole_text(str(url)))
    html, text = fields.get("html"), fields.get("text")
    if isinstance(html, bytes):
        row.charset, row.body = None, html
    elif isinstance(html, str):
        row.charset, row.body = "utf-8", whole_text(html).encode()
    elif isinstance(text, bytes):
        row.mime, row.body = "text/plain", decoded_text(text, row)
    elif isinstance(text, str):
        row.mime, row.body = "text/plain", whole_text(text)
    elif thread := thread_text(fields):
        row.mime, row.body = "text/plain", whole_text(thread)
    else:
        row.problem = "no_text_or_html"
    return oversize(row, len(row.body), limit) if len(row.body) > limit else row


def thread_text(fields: dict[str, Any]) -> str:
    """The title and the posts of a thread in their order, a blank line between them; empty where it has none.

    A post is a string, or an object that has its words in one of SAID. Who wrote it does not go into the text.
    """
    posts = fields.get("messages") or fields.get("posts")
    if not isinstance(posts, list):
        return ""
    words = [post_text(post) for post in posts]
    title = fields.get("title")
    told = [title] if isinstance(title, str) and any(words) else []
    return "\n\n".join(each.strip() for each in [*told, *words] if each.strip())


def post_text(post: Any) -> str:
    if isinstance(post, str):
        return post
    if isinstance(post, dict):
        return next((post[name] for name in SAID if isinstance(post.get(name), str)), "")
    return ""
