from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.read import Record
from pipeline.read.formats import guess_format
from pipeline.read.sniff import sniffed_type


@pytest.mark.parametrize(
    ("declared", "body", "kind"),
    [
        ("text/html", b"<p>x", "text/html"),
        ("text/html", b"%PDF-1.7 ...", "application/pdf"),
        ("text/html", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("text/html", b"no tag", "text/html"),
        ("", b"  <!DOCTYPE HTML><p>x", "text/html"),
        ("", b"\xef\xbb\xbf<!-- a\n comment --> <html lang=en>", "text/html"),
        ("", b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "text/html"),
        ("", b"<!-- " + b"licence " * 1000 + b"-->\n<!----><html>", "text/html"),
        ("", b"<!-- never closed <html>", ""),
        ("", b"<!-- a --> words <html>", ""),
        ("image/jpeg", b"<html><body>404 not found", "text/html"),
        ("text/plain", b"<HTML>\n", "text/html"),
        ("", b"{}", ""),
        ("application/rss+xml", b'<?xml version="1.0"?><rss>', "application/rss+xml"),
        ("text/plain", b"a < b and <i>c", "text/plain"),
        ("", b"<article>", ""),
    ],
)
def test_a_body_is_what_its_first_bytes_show(declared: str, body: bytes, kind: str) -> None:
    assert sniffed_type(declared, body) == kind


@pytest.mark.parametrize(
    ("unit", "end"),
    [
        (b"<!-- x -->\n", b"<main>"),
        (b"<!---->", b"<main>"),
        (b"<!-- x --> ", b""),
        (b"<!--", b""),
        (b"-->", b""),
        (b"\n", b"x"),
        (b"<?xml ", b""),
        (b"<?xml><!-- -->", b""),
        (b"<", b""),
    ],
)
def test_a_megabyte_of_anything_is_told_apart_in_an_instant(unit: bytes, end: bytes) -> None:
    body = unit * (1_000_000 // len(unit)) + end
    began = time.process_time()
    for each in (body, unit * 45 + end):
        sniffed_type("", each)
        for name in ("page.html", "page", "Posts.xml", "words.txt"):
            guess_format(f"/x/{name}", each)
    assert time.process_time() - began < 1


def test_a_lying_content_type_is_noted(make_warc: Callable[..., Path], read_file: Callable[..., list[Record]]) -> None:
    path = make_warc(
        ("http://h/1", b"<!doctype html><p>x", 200, "image/png"),
        ("http://h/2", b"GIF89a...", 200, "text/html"),
        ("http://h/3", b"<html><p>x", 200, ""),
    )
    found = [(record.mime, record.note) for record in read_file(path) if not record.about]
    assert found == [
        ("text/html", "its Content-Type says image/png"),
        ("image/gif", "its Content-Type says text/html"),
        ("text/html", "its Content-Type says nothing"),
    ]
