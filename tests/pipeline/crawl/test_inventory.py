from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.errors import RequestError
from cluster.inputs import expand
from cluster.store import Location
from pipeline.crawl.inventory import inventory, places
from pipeline.crawl.settings import CrawlSettings, Source
from pipeline.crawl.stage import list_files
from pipeline.read import plan_units, read_part


def listed(*paths: Path) -> tuple[dict[str, str], dict[str, str]]:
    """(name -> format, name -> reason) of what the inventory says of files."""
    source = Source(name="input", input=[str(path) for path in paths])
    files, unreadable = inventory([file for path in paths for file in expand(str(path))], [source])
    return {Path(f["uri"]).name: f["format"] for f in files}, {Path(f["uri"]).name: f["reason"] for f in unreadable}


def test_formats_are_known_by_content_and_then_by_name(tmp_path: Path, make_warc: Callable[..., Path]) -> None:
    warc = make_warc(("http://h/", "<p>x</p>"))
    plain = gzip.decompress(warc.read_bytes())
    content = {
        "a.warc": plain,
        "odd-name.bin": warc.read_bytes(),
        "b.wet.gz": warc.read_bytes(),
        "c.warc.zst": pa.compress(plain, "zstd", asbytes=True),
        "d.html": b"\xef\xbb\xbf  <!DOCTYPE html><p>x",
        "e.html.gz": gzip.compress(b"<html></html>"),
        "f.htm": b"no tag at all",
        "g.jsonl.gz": gzip.compress(b'{"text": "x"}\n'),
        "h.ndjson": b'{"html": "<p>x"}\n',
        "j.txt": b"A book that begins with words.",
        "k.txt": b"<|endoftext|>\nno tag",
        "l.txt": b"<!DOCTYPE html><p>a page in spite of its name",
        "m.txt": b"{ braces } in a text",
        "n.py": b"import os\n",
        "o.php": b"<?php echo 1;",
        "p.js": b"{ let x = 1 }",
        "Makefile": b"all:\n\ttrue\n",
        "Posts.xml": b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n  <row Id="1"/></posts>',
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "i.parquet")
    formats, unreadable = listed(*(tmp_path / name for name in content), tmp_path / "i.parquet")
    assert unreadable == {}
    assert formats == {
        **dict.fromkeys(["a.warc", "odd-name.bin", "b.wet.gz", "c.warc.zst"], "warc"),
        **dict.fromkeys(["d.html", "e.html.gz", "f.htm", "l.txt"], "html"),
        **dict.fromkeys(["j.txt", "k.txt", "m.txt"], "text"),
        **dict.fromkeys(["n.py", "o.php", "p.js", "Makefile"], "code"),
        **dict.fromkeys(["Posts.xml"], "stackexchange"),
        **dict.fromkeys(["g.jsonl.gz", "h.ndjson"], "jsonl"),
        "i.parquet": "parquet",
    }


def test_files_that_are_no_pages_are_counted_and_the_rest_goes_on(tmp_path: Path, make_warc: Callable[..., Path]) -> None:
    good = make_warc(("http://h/", "<p>x</p>"))
    for name, data in {
        "empty.warc.gz": b"",
        "picture.html": b"\x89PNG\r\n\x1a\n\0\0\0",
        "noise.warc.gz": b"\x1f\x8b\x08\x00garbage that is no deflate stream",
        "notes.odd": b"some notes",
        "text.txt": b"\0\1\2",
        "posts.7z": b"7z\xbc\xaf\x27\x1c....",
        "liar.warc.gz": gzip.compress(b"this is not an archive"),
    }.items():
        (tmp_path / name).write_bytes(data)
    formats, unreadable = listed(*sorted(tmp_path.iterdir()))
    assert formats == {good.name: "warc"}
    assert sorted(unreadable) == [
        "empty.warc.gz",
        "liar.warc.gz",
        "noise.warc.gz",
        "notes.odd",
        "picture.html",
        "posts.7z",
        "text.txt",
    ]
    assert unreadable["empty.warc.gz"] == "empty file"
    assert unreadable["noise.warc.gz"].startswith("cannot be read")
    assert unreadable["notes.odd"].startswith("neither WARC, WET, HTML, JSONL, Parquet, text, source code nor")
    assert unreadable["posts.7z"] == "a 7z archive, which must be unpacked first"


def context(tmp_path: Path, *inputs: Path) -> Any:
    """What `list_files` needs of a stage's context."""
    told: list[Any] = []
    counts: dict[str, Any] = {}
    said: list[str] = []
    return SimpleNamespace(
        settings=CrawlSettings(input=[str(path) for path in inputs]),
        external=[file for path in inputs for file in expand(str(path))],
        root=Location.of(tmp_path / "root"),
        output=Location.of(tmp_path / "out"),
        track=SimpleNamespace(progress=lambda *_: None, say=said.append),
        said=said,
        count=lambda **values: counts.update(values),
        counts=counts,
        tell=lambda *blocks: told.extend(blocks),
        told=told,
    )


def test_input_without_one_readable_file_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "a.odd").write_text("notes")
    (tmp_path / "b.odd").write_text("more notes")
    with pytest.raises(RequestError, match=r"none of the 2 files can be read \(first: .*a.odd: neither WARC"):
        list_files(context(tmp_path, tmp_path / "a.odd", tmp_path / "b.odd"))


def test_input_is_listed_and_what_cannot_be_read_is_told(tmp_path: Path, make_warc: Callable[..., Path]) -> None:
    good, bad = make_warc(("http://h/", "<p>x</p>")), tmp_path / "a.odd"
    bad.write_text("notes")
    ctx = context(tmp_path, bad, good)
    list_files(ctx)
    written = json.loads((tmp_path / "out" / "inventory.json").read_text())
    assert written["files"] == [{"uri": str(good), "bytes": good.stat().st_size, "format": "warc", "source": "input"}]
    assert written["sources"] == {"input": {"weight": None, "priority": 0, "options": {"max_code_kb": 1000.0}}}
    assert (ctx.counts["files"], ctx.counts["unreadable_files"]) == (1, 1)
    assert [row[0] for row in ctx.told[-1].rows] == [str(bad)]
    [said] = ctx.said
    assert said.startswith(f"1 of 2 files are left out, as they cannot be read (first: {bad}: neither WARC")


@pytest.mark.parametrize(
    ("pattern", "left", "reached"),
    [
        ("", ["a.html", "sub/b.html"], True),
        ("**/*.html", ["a.html", "sub/b.html"], True),
        ("*/*.html", ["sub/b.html"], True),
        ("*.html", ["a.html"], False),
        ("sub", ["sub/b.html"], False),
        ("root/crawl", ["root/crawl/c.html"], False),
        ("root/*/*.html", ["root/crawl/c.html"], False),
    ],
)
def test_what_runs_write_is_no_input_unless_it_is_named_as_such(
    tmp_path: Path, pattern: str, left: list[str], reached: bool
) -> None:
    for name in ("a.html", "sub/b.html", "root/crawl/c.html", "root/d.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("<p>x")
    ctx = context(tmp_path)
    ctx.settings = CrawlSettings(input=[str(tmp_path / pattern)])
    ctx.external = [file for each in ctx.settings.patterns() for file in expand(each, besides=ctx.root)]
    assert [file["uri"] for file in ctx.external] == [str(tmp_path / name) for name in left]
    list_files(ctx)
    assert ctx.said == ([f"files below {tmp_path}/root, where runs write, are no input"] if reached else [])


def test_an_input_of_nothing_but_what_runs_write_names_no_file(tmp_path: Path) -> None:
    (tmp_path / "root" / "crawl").mkdir(parents=True)
    (tmp_path / "root" / "crawl" / "c.html").write_text("<p>x")
    with pytest.raises(RequestError, match="no file there"):
        expand(str(tmp_path), besides=Location.of(tmp_path / "root"))


def recipe(*sources: dict[str, Any], **more: Any) -> CrawlSettings:
    return CrawlSettings(sources=[Source(**each) for each in sources], **more)


def listing(tmp_path: Path, settings: CrawlSettings) -> dict[str, Any]:
    """The `inventory.json` of a crawl stage with these settings."""
    ctx = context(tmp_path)
    ctx.settings, ctx.external = settings, [file for pattern in settings.patterns() for file in expand(pattern)]
    list_files(ctx)
    return json.loads((tmp_path / "out" / "inventory.json").read_text())


def test_input_is_short_for_one_source_of_that_name_in_front_of_the_others() -> None:
    settings = recipe({"name": "books", "input": ["b"]}, input=["a"])
    assert [(each.name, each.input) for each in settings.all_sources()] == [("input", ["a"]), ("books", ["b"])]
    assert settings.patterns() == ["a", "b"]


def test_two_sources_of_one_name_are_a_wrong_recipe() -> None:
    with pytest.raises(ValueError, match="two of them are named input; give each a name of its own"):
        recipe({"name": "input", "input": ["b"]}, input=["a"])


def test_all_sources_have_a_weight_or_none_has() -> None:
    books, web = {"name": "books", "input": ["b"], "weight": 2}, {"name": "web", "input": ["w"]}
    with pytest.raises(ValueError, match="web has no weight, books has one; give all of them one, or none"):
        recipe(books, web)
    with pytest.raises(ValueError, match=r"input has no weight, books has one; .* \(`input` has none: list its files as"):
        recipe(books, input=["a"])
    with pytest.raises(ValueError, match=r"weights: 2, 1\.23457 hold together only over 323,457 sequences .* such as 1 and 2"):
        recipe(books, {**web, "weight": 1.23457})


def test_a_source_without_files_is_a_wrong_request_that_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"gone/\*\.txt: no file there; check the path"):
        listing(tmp_path, recipe({"name": "books", "input": [f"{tmp_path}/gone/*.txt"]}))


def test_every_file_carries_its_source_and_units_its_priority(tmp_path: Path) -> None:
    for name in ("a/1.txt", "a/2.txt", "b/deep/3.txt", "b/4.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("words")
    sources = (
        {"name": "one", "input": [f"{tmp_path}/a/1.*"], "weight": 2, "priority": 3, "separator": "---"},
        {"name": "both", "input": [f"{tmp_path}/a", f"{tmp_path}/b/"], "weight": 0.5},  # 1.txt is the first source's
    )
    written = listing(tmp_path, recipe(*sources))
    assert [(Path(file["uri"]).name, file["source"]) for file in written["files"]] == [
        ("1.txt", "one"),
        ("2.txt", "both"),
        ("4.txt", "both"),
        ("3.txt", "both"),
    ]
    assert written["sources"]["both"]["weight"] == 0.5
    placed = places(written, Location.of(tmp_path / "out"))
    assert [(each["source"], each["priority"]) for each in placed] == [("one", 3), *[("both", 0)] * 3]
    assert placed[0]["options"]["separator"] == "---"
    [unit] = plan_units(placed, 10**6)
    records = [record for part in unit for record in read_part(part, 10**6)]
    assert [(each.source, each.priority) for each in records] == [("one", 3), *[("both", 0)] * 3]


def test_a_glob_takes_no_file_of_another_source_from_the_directories_below(tmp_path: Path) -> None:
    for name in ("x.html", "books/x.html", "books/a[1].html", "books/a1.html", "books/.draft/x.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("<p>words")
    written = listing(
        tmp_path,
        recipe(
            {"name": "web", "input": [f"{tmp_path}/*.html"]},
            {"name": "odd", "input": [f"{tmp_path}/books/a[1].html"]},
            {"name": "books", "input": [f"{tmp_path}/**/*.html"]},
            {"name": "drafts", "input": [f"{tmp_path}/books/.draft"]},
        ),
    )
    assert {file["uri"][len(str(tmp_path)) + 1 :]: file["source"] for file in written["files"]} == {
        "x.html": "web",
        "books/a[1].html": "odd",
        "books/a1.html": "books",
        "books/x.html": "books",
        "books/.draft/x.html": "drafts",
    }


def test_a_source_left_without_a_file_by_those_before_it_is_a_wrong_request_that_names_them(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("words")
    one, two = ({"name": name, "input": [f"{tmp_path}/{name[0]}.txt"]} for name in ("a", "b"))
    with pytest.raises(
        RequestError, match=r"crawl\.sources: again is left without a file, .* a, b named all of its 2; put again"
    ):
        listing(tmp_path, recipe(one, two, {"name": "again", "input": [f"{tmp_path}/*.txt"], "priority": 9}))


def test_a_source_says_the_format_where_content_would_not(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>x")
    (tmp_path / "README").write_text("words")
    written = listing(tmp_path, recipe({"name": "tree", "input": [str(tmp_path)], "format": "code"}))
    assert {Path(file["uri"]).name: file["format"] for file in written["files"]} == {"page.html": "code", "README": "code"}


def test_a_file_stands_under_the_nearest_licence_above_it(tmp_path: Path) -> None:
    mit = (
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software ... "
        "shall be included in all copies or substantial portions of the Software."
    )
    for name, text in {
        "LICENSE": mit,
        "LICENSE-APACHE": "Apache License Version 2.0, January 2004",
        "a.py": "1",
        "deep/down/b.py": "1",
        "gpl/COPYING.txt": "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007",
        "gpl/sub/c.py": "1",
        "own/LICENCE.md": "All rights reserved.",
        "own/d.py": "1",
    }.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    written = listing(tmp_path, recipe({"name": "code", "input": [f"{tmp_path}/tree"], "format": "code"}))
    licences = {file["path"]: file["licence"] for file in written["files"]}
    assert {path: licence for path, licence in licences.items() if path.endswith(".py")} == {
        "a.py": "Apache-2.0 AND MIT",
        "deep/down/b.py": "Apache-2.0 AND MIT",
        "gpl/sub/c.py": "GPL-3.0",
        "own/d.py": "unknown-licence",
    }
