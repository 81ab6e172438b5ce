"""Bad input through the command line: one clear line that names the thing and the remedy, nothing lost."""

from __future__ import annotations

import io
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cluster.store import Location, Store
from tests.faults.conftest import Line

pytestmark = pytest.mark.slow

SUBJECTS = ("river", "library", "machine", "garden", "letter", "harbour", "winter", "market")


def article(subject: str) -> str:
    """An English page long enough to be kept."""
    sentences = " ".join(
        f"The {subject} was the first thing that people in the town spoke about when the {other} changed, "
        f"and it took them the whole {number} years to agree on what the {subject} meant for the {other}."
        for number, other in enumerate(SUBJECTS)
    )
    return f"<html><head><title>The {subject}</title></head><body><h1>The {subject}</h1><p>{sentences}</p></body></html>"


def write_warc(path: Path, subjects: tuple[str, ...]) -> None:
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    for subject in subjects:
        headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
        body = article(subject).encode()
        writer.write_record(
            writer.create_warc_record(
                f"http://town.example/{subject}", "response", io.BytesIO(body), length=len(body), http_headers=headers
            )
        )
    path.write_bytes(buffer.getvalue())


def outcome(line: Line, root: Path, until: str, **overrides: str) -> tuple[int, str]:
    before = dict(line.settings)
    line.settings |= overrides
    try:
        process = line.start(root, until)
    finally:
        line.settings = before
    text, _ = process.communicate(timeout=200)
    assert "Traceback" not in text
    return process.returncode, text


def kept_urls(part: Location) -> list[str]:
    table = pq.read_table(part.open(), columns=["url", "status"])
    return [row["url"] for row in table.to_pylist() if row["status"] == "kept"]


def test_an_unreadable_archive_amid_good_ones_is_counted_and_the_run_goes_on(line: Line, tmp_path: Path) -> None:
    crawl = tmp_path / "crawl"
    crawl.mkdir()
    write_warc(crawl / "a.warc.gz", SUBJECTS[:4])
    write_warc(crawl / "c.warc.gz", SUBJECTS[4:])
    whole = (crawl / "a.warc.gz").read_bytes()
    (crawl / "b.warc.gz").write_bytes(whole[: len(whole) // 2] + bytes(range(256)) * 8)
    code, text = outcome(line, tmp_path / "root", "corpus", **{"crawl.input": f"['{crawl}/*.warc.gz']"})
    assert code == 0, text
    [pages] = Store(tmp_path / "root").artefacts("pages")
    kept = [url for part in pages.paths(".parquet") for url in kept_urls(part)]
    assert {f"http://town.example/{subject}" for subject in SUBJECTS} == set(kept)
    assert sum(pages.counts["rejected"].values()) == pages.counts["records"] - len(kept)
    assert pages.counts["rejected"]["unreadable"] >= 1
    assert re.search(r"records: \d+ records cannot be read, in 1 files \(most: \S+/b\.warc\.gz\)", text), text


def test_when_no_page_survives_the_reasons_and_the_remedy_are_said(line: Line, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html><body><p>Too short.</p></body></html>")
    code, text = outcome(line, tmp_path / "root", "corpus", **{"crawl.input": f"['{tmp_path}/page.html']"})
    assert code == 1
    assert "no page survived the filters: 1 read" in text
    assert "loosen pages." in text


def test_inputs_that_hold_no_archive_are_refused(line: Line, tmp_path: Path) -> None:
    """An empty file and noise; the reason for each: tests/pipeline/crawl/test_inventory.py."""
    (tmp_path / "empty.warc.gz").write_bytes(b"")
    (tmp_path / "noise.warc.gz").write_bytes(random.Random(1).randbytes(5000))
    code, text = outcome(line, tmp_path / "root", "pages", **{"crawl.input": f"['{tmp_path}/*.warc.gz']"})
    assert code == 2
    assert "none of the 2 files can be read (first: " in text
    assert "empty.warc.gz: empty file" in text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system to fill")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_said_in_one_line_and_finished_stages_stay(line: Line, tmp_path: Path, small_disk: Path) -> None:
    code, text = outcome(line, small_disk / "root", "pages")
    assert code == 1
    assert "no space left on the disk of" in text
    assert "choose another --root" in text
