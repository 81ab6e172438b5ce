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
from cluster.store import Location, expand
from pipeline.crawl import list_files
from pipeline.crawl_settings import CrawlSettings
from pipeline.inventory import inventory


def listed(*paths: Path) -> tuple[dict[str, str], dict[str, str]]:
    """(name -> format, name -> reason) of what the inventory says of files."""
    files, unreadable = inventory([file for path in paths for file in expand(str(path))])
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
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "i.parquet")
    formats, unreadable = listed(*(tmp_path / name for name in content), tmp_path / "i.parquet")
    assert unreadable == {}
    assert formats == {
        **dict.fromkeys(["a.warc", "odd-name.bin", "b.wet.gz", "c.warc.zst"], "warc"),
        **dict.fromkeys(["d.html", "e.html.gz", "f.htm"], "html"),
        **dict.fromkeys(["g.jsonl.gz", "h.ndjson"], "jsonl"),
        "i.parquet": "parquet",
    }


def test_files_that_are_no_pages_are_counted_and_the_rest_goes_on(tmp_path: Path, make_warc: Callable[..., Path]) -> None:
    good = make_warc(("http://h/", "<p>x</p>"))
    for name, data in {
        "empty.warc.gz": b"",
        "picture.html": b"\x89PNG\r\n\x1a\n\0\0\0",
        "noise.warc.gz": b"\x1f\x8b\x08\x00garbage that is no deflate stream",
        "notes.txt": b"some notes",
        "liar.warc.gz": gzip.compress(b"this is not an archive"),
    }.items():
        (tmp_path / name).write_bytes(data)
    formats, unreadable = listed(*sorted(tmp_path.iterdir()))
    assert formats == {good.name: "warc"}
    assert sorted(unreadable) == ["empty.warc.gz", "liar.warc.gz", "noise.warc.gz", "notes.txt", "picture.html"]
    assert unreadable["empty.warc.gz"] == "empty file"
    assert unreadable["noise.warc.gz"].startswith("cannot be read")
    assert unreadable["notes.txt"] == "neither WARC, WET, HTML, JSONL nor Parquet"


def context(tmp_path: Path, *inputs: Path) -> Any:
    """What `list_files` needs of a stage's context."""
    told: list[Any] = []
    counts: dict[str, Any] = {}
    return SimpleNamespace(
        settings=CrawlSettings(input=[str(path) for path in inputs]),
        external=[file for path in inputs for file in expand(str(path))],
        output=Location.of(tmp_path / "out"),
        track=SimpleNamespace(progress=lambda *_: None),
        count=lambda **values: counts.update(values),
        counts=counts,
        tell=lambda *blocks: told.extend(blocks),
        told=told,
    )


def test_input_without_one_readable_file_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("notes")
    (tmp_path / "b.txt").write_text("more notes")
    with pytest.raises(RequestError, match=r"none of the 2 files can be read \(first: .*a.txt: neither WARC"):
        list_files(context(tmp_path, tmp_path / "a.txt", tmp_path / "b.txt"))


def test_input_is_listed_and_what_cannot_be_read_is_told(tmp_path: Path, make_warc: Callable[..., Path]) -> None:
    good, bad = make_warc(("http://h/", "<p>x</p>")), tmp_path / "a.txt"
    bad.write_text("notes")
    ctx = context(tmp_path, bad, good)
    list_files(ctx)
    written = json.loads((tmp_path / "out" / "inventory.json").read_text())
    assert written["files"] == [{"uri": str(good), "bytes": good.stat().st_size, "format": "warc"}]
    assert (ctx.counts["files"], ctx.counts["unreadable_files"]) == (1, 1)
    assert ctx.told[-1].rows == [[str(bad), "neither WARC, WET, HTML, JSONL nor Parquet"]]
