"""The Creative Commons licence that a page states."""

from __future__ import annotations

import re

from pipeline.rights.markup import TAG_BYTES

LICENCE = re.compile(
    rb"creativecommons\.org/(?:licen[sc]es/(?P<terms>[a-z+-]+)|publicdomain/(?P<free>zero|mark))(?:/(?P<version>\d\.\d))?", re.I
)


LICENCE_HOST = b"creativecommons.org/"
REL_LICENCE = re.compile(rb"""\brel\s*=\s*["']?[^"'>]*\blicense\b""", re.I)
STATED = re.compile(rb"""["']?licen[sc]e["']?\s*:\s*\[?\s*["'][^"']*$""", re.I)


def licence_of(html: bytes) -> str:
    """The Creative Commons licence a page links to, such as cc-by-sa-4.0, cc0-1.0 or cc-pdm-1.0; empty for none.

    A link with `rel=license` or a stated `license:` (JSON-LD) is the page's own; of plain links the last one counts,
    because footers are at the end and picture credits are not.
    """
    if LICENCE_HOST not in html:
        return ""
    last = ""
    for found in LICENCE.finditer(html):
        licence = spelled(found)
        opened = max(html.rfind(b"<", max(0, found.start() - TAG_BYTES), found.start()), 0)
        closed = html.find(b">", found.end(), found.end() + TAG_BYTES)
        if REL_LICENCE.search(html, opened, closed) or STATED.search(html, max(0, found.start() - 80), found.start()):
            return licence
        last = licence
    return last


def spelled(found: re.Match[bytes]) -> str:
    version = f"-{found['version'].decode()}" if found["version"] else ""
    if found["free"]:
        return {b"zero": "cc0", b"mark": "cc-pdm"}[found["free"].lower()] + version
    return f"cc-{found['terms'].decode().lower().strip('-')}{version}"


def licence_type(licence: str) -> str:
    """Without the version: cc-by-nc of cc-by-nc-4.0."""
    return re.sub(r"-\d\.\d$", "", licence)
