"""The Creative Commons licence that a page states."""

from __future__ import annotations

import re

from pipeline.rights.markup import TAG_BYTES, attributes

LICENCE = re.compile(
    rb"creativecommons\.org/(?:licen[sc]es/(?P<terms>[a-z+-]+)|publicdomain/(?P<free>zero|mark))(?:/(?P<version>\d\.\d))?", re.I
)


LICENCE_HOST = b"creativecommons.org/"
REL_LICENCE = re.compile(rb"\blicense\b", re.I)
STATED = re.compile(rb"""["']?licen[sc]e["']?\s*:\s*\[?\s*["'][^"']*$""", re.I)


def licence_of(html: bytes) -> str:
    """The Creative Commons licence a page links to, such as cc-by-sa-4.0, cc0-1.0 or cc-pdm-1.0; empty for none.

    A link with `rel=license` or a stated `license:` (JSON-LD) is the page's own; of plain links the last one counts,
    because footers are at the end and picture credits are not. Time: linear in the page, each tag is read once.
    """
    if LICENCE_HOST not in html:
        return ""
    last, read = "", -1
    for found in LICENCE.finditer(html):
        last = spelled(found)
        opened = html.rfind(b"<", max(0, found.start() - TAG_BYTES), found.start())
        if opened > read:
            read = opened
            if is_own(html, opened, found.end()):
                return last
        if STATED.search(html, max(0, found.start() - 80), found.start()):
            return last
    return last


def is_own(html: bytes, opened: int, end: int) -> bool:
    """Whether the tag that is opened at `opened` and holds a link that ends at `end` says `rel=license`."""
    following = html.find(b"<", end, end + TAG_BYTES)
    tag = html[opened + 1 : following if following >= 0 else end + TAG_BYTES]
    values = {name.lower(): value for name, value in attributes(tag).items()}
    return REL_LICENCE.search(values.get(b"rel", b"")) is not None


def spelled(found: re.Match[bytes]) -> str:
    version = f"-{found['version'].decode()}" if found["version"] else ""
    if found["free"]:
        return {b"zero": "cc0", b"mark": "cc-pdm"}[found["free"].lower()] + version
    return f"cc-{found['terms'].decode().lower().strip('-')}{version}"


def licence_type(licence: str) -> str:
    """Without the version: cc-by-nc of cc-by-nc-4.0."""
    return re.sub(r"-\d\.\d$", "", licence)
