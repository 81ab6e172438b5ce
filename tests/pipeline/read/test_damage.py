from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.crawl.archive import WarcFile
from pipeline.read import Record

from .conftest import Archive

ReadFile = Callable[..., list[Record]]


def damaged(data: bytes, chance: random.Random) -> tuple[bytes, int, int]:
    """Bytes flipped, zeroed, taken out, put in, or the end cut off; and the region of `data` that is hit."""
    length, how = chance.choice([1, 1, 1, 4, 32, 200]), chance.choice(["flip", "zero", "take", "put", "cut"])
    at = chance.randrange(len(data) - length)
    changed = bytearray(data)
    if how == "flip":
        changed[at : at + length] = bytes(byte ^ chance.randrange(1, 256) for byte in changed[at : at + length])
    elif how == "zero":
        changed[at : at + length] = bytes(length)
    elif how == "take":
        del changed[at : at + length]
    elif how == "put":
        changed[at:at] = chance.randbytes(length)
    else:
        return data[:at], at, len(data)
    return bytes(changed), at, at + length


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_damage_costs_the_records_it_hits_and_no_other_however_the_file_is_cut(
    archive: Archive, tmp_path: Path, read_file: ReadFile, packing: str
) -> None:
    chance, path, edges = random.Random(packing), tmp_path / "x", archive.edges[packing]
    for _ in range(200):
        data, start, end = damaged(archive.data[packing], chance)
        path.write_bytes(data)
        records = read_file(path)
        read = {record.url: record.body for record in records if not record.problem and not record.about}
        for url, begins, ends in zip(archive.urls, edges, edges[1:], strict=False):
            if url and not (begins < end and ends > start):
                assert read.get(url) == archive.pages[url], (start, end)
        in_parts = read_file(path, task_bytes=chance.randrange(500, 5000))
        assert [(r.url, r.problem, r.body) for r in in_parts] == [(r.url, r.problem, r.body) for r in records], (start, end)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_body_that_damage_changed_is_never_taken_for_the_page(
    archive: Archive, tmp_path: Path, read_file: ReadFile, packing: str
) -> None:
    chance, path, passed = random.Random(5), tmp_path / "x", 0
    for _ in range(100):
        path.write_bytes(damaged(archive.data[packing], chance)[0])
        for record in read_file(path):
            passed += bool(record.body) and not record.problem and record.body != archive.pages.get(record.url)
    # A gzip member ends with a checksum of its content; these zstd frames have none.
    assert passed == 0 if packing == "gzip" else passed < 10


@pytest.mark.parametrize("packing", ["one gzip member", "one zstd frame"])
def test_damage_in_one_stream_never_raises_and_keeps_what_comes_before(
    archive: Archive, tmp_path: Path, read_file: ReadFile, packing: str
) -> None:
    chance, path = random.Random(packing), tmp_path / "x"
    for _ in range(200):
        path.write_bytes(damaged(archive.data[packing], chance)[0])
        read_file(path)
    noise = [(f"http://h/{number}", random.Random(number).randbytes(3000).hex().encode()) for number in range(40)]
    file = WarcFile("x", "t", "t")
    for url, body in noise:
        file.add(url, "2026-01-01T00:00:00Z", ("GET / HTTP/1.1", []), "HTTP/1.1 200 OK", [("Content-Type", "text/html")], body)
    data = gzip.compress(gzip.decompress(file.close()))
    path.write_bytes(data[: len(data) // 2])
    records = [record for record in read_file(path) if not record.about]
    read = [(record.url, record.body) for record in records if not record.problem]
    assert read == noise[: len(read)]
    assert len(read) >= 15  # half of 40, less 16 KiB of content
    assert [record.problem for record in records[len(read) :]] == ["unreadable"] * (len(records) - len(read))
    assert 1 <= len(records) - len(read) <= 2


def exchange(url: str, body: bytes, **headers: str) -> bytes:
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    given = {
        "WARC-Type": "response",
        "WARC-Target-URI": url,
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(http)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}".encode() for name, value in given.items() if value]
    return b"WARC/1.0\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + http + b"\r\n\r\n"


@pytest.mark.parametrize("packing", ["plain", "gzip", "one gzip member"])
@pytest.mark.parametrize("task_bytes", [None, 300])
@pytest.mark.parametrize("lie", ["999999999999", "700", "2", "-5", "many", ""])
def test_a_record_whose_length_lies_is_unreadable_and_swallows_none_of_the_next(
    tmp_path: Path, read_file: ReadFile, packing: str, task_bytes: int | None, lie: str
) -> None:
    pages = [exchange(f"http://h/{number}", b"<p>x" * 40) for number in range(6)]
    pages[2] = exchange("http://h/liar", b"<p>y" * 40, Content_Length=lie)
    packed = b"".join(map(gzip.compress, pages)) if packing == "gzip" else b"".join(pages)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(packed) if packing == "one gzip member" else packed)
    records = read_file(path, task_bytes=task_bytes)
    assert [record.url for record in records if not record.problem] == [f"http://h/{number}" for number in (0, 1, 3, 4, 5)]
    assert [(record.url, record.problem) for record in records if record.problem] == [("http://h/liar", "unreadable")]
    assert all(record.note for record in records if record.problem)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)], ids=["gzip", "zstd"])
@pytest.mark.parametrize("task_bytes", [None, 300])
@pytest.mark.parametrize("lie", ["", "700", "2"])
def test_the_last_of_several_records_in_a_member_behind_members_of_one_is_read_if_its_length_is_right(
    tmp_path: Path, read_file: ReadFile, pack: Callable[[bytes], bytes], task_bytes: int | None, lie: str
) -> None:
    pages = [exchange(f"http://h/{number}", b"<p>x" * 40) for number in range(9)]
    if lie:
        pages[8] = exchange("http://h/8", b"<p>x" * 40, Content_Length=lie)
    path = tmp_path / "x"
    path.write_bytes(b"".join(map(pack, pages[:5])) + pack(b"".join(pages[5:])))
    read = [(record.url, record.problem) for record in read_file(path, task_bytes=task_bytes)]
    assert read == [(f"http://h/{number}", "unreadable" if lie and number == 8 else "") for number in range(9)]


def test_records_without_headers_are_rows_with_the_reason(tmp_path: Path, read_file: ReadFile) -> None:
    path = tmp_path / "x"
    path.write_bytes(exchange("http://h/1", b"<p>") + b"WARC/1.0\r\n\r\n\r\n\r\n" + exchange("http://h/2", b"<p>"))
    records = read_file(path)
    assert [(record.url, record.problem) for record in records] == [("http://h/1", ""), ("", "unreadable"), ("http://h/2", "")]
    assert records[1].note == "a record without WARC-Type"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip at all"), ("gzip", gzip.compress(b"<p>x")[:-9]), ("br", b"\xff\xff\xff")],
    ids=["no gzip", "cut off", "no brotli"],
)
def test_a_body_that_is_not_in_the_encoding_it_claims_stops_nothing(
    tmp_path: Path, read_file: ReadFile, encoding: str, body: bytes
) -> None:
    file = WarcFile("x", "t", "t")
    for url, sent, headers in (
        ("http://h/1", b"<p>one", []),
        ("http://h/2", body, [("Content-Encoding", encoding)]),
        ("http://h/3", b"<p>three", []),
    ):
        described = [("Content-Type", "text/html"), *headers]
        file.add(url, "2026-01-01T00:00:00Z", ("GET / HTTP/1.1", []), "HTTP/1.1 200 OK", described, sent)
    path = tmp_path / "x.warc.gz"
    path.write_bytes(file.close())
    records = [record for record in read_file(path) if not record.about]
    assert [record.url for record in records] == ["http://h/1", "http://h/2", "http://h/3"]
    assert (records[0].body, records[2].body) == (b"<p>one", b"<p>three")
    # What is no gzip comes as sent, as browsers take it; of a cut one comes what is there.
    assert records[1].problem == "unreadable" or records[1].body in (body, b"<p>x")


def test_null_bytes_and_invalid_utf_8_come_through_as_they_are(make_warc: Callable[..., Path], read_file: ReadFile) -> None:
    bodies = [b"<p>\0\0nul\0", b"<p>\xff\xfe\xc3( invalid", b"\0" * 1000]
    path = make_warc(*[(f"http://h/{number}", body) for number, body in enumerate(bodies)])
    assert [record.body for record in read_file(path) if not record.about] == bodies


@pytest.fixture(scope="session")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 GiB of zeros in 1 MB of gzip."""
    packer, block = zlib.compressobj(6, wbits=31), bytes(1 << 24)
    path = tmp_path_factory.mktemp("bomb") / "zeros.gz"
    path.write_bytes(b"".join(packer.compress(block) for _ in range(64)) + packer.flush())
    assert path.stat().st_size < 1_100_000
    return path


MEASURE = """
import sys
from pipeline.read import Part, read_part
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1000
path, kind, separator = sys.argv[1:4]
before = peak()
records = [r for r in read_part(Part(path, "x", kind, options={"separator": separator}), 5_000_000) if not r.about]
print(*[f"{r.problem or 'read'}:{len(r.body)}" for r in records], peak() - before)
"""


def memory(path: Path, kind: str, separator: str = "") -> tuple[list[str], float]:
    """What a process of its own reads, and by how many MB its peak memory grows over that."""
    if sys.platform != "linux":
        pytest.skip("peak memory is read from /proc, which this system has not")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), kind, separator], capture_output=True, text=True, check=True, env=environment
    )
    *records, grown = told.stdout.split()
    return records, float(grown)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "separator", "reason"),
    [
        ("warc", "", "unreadable:0"),
        ("html", "", "oversize:0"),
        ("jsonl", "", "oversize:0"),
        ("text", "", "oversize:0"),
        ("text", "<|endoftext|>", "oversize:0"),
        ("code", "", "oversize:0"),
        ("stackexchange", "", "unreadable:0"),
    ],
)
def test_a_gigabyte_of_zeros_in_a_megabyte_takes_little_memory(bomb: Path, kind: str, separator: str, reason: str) -> None:
    records, grown = memory(bomb, kind, separator)
    assert records == [reason]
    assert grown < 60


@pytest.mark.slow
def test_a_page_of_50_mb_is_oversize_and_takes_little_memory(make_warc: Callable[..., Path], tmp_path: Path) -> None:
    page = b"<p>" + random.Random(1).randbytes(25_000_000).hex().encode()
    path = make_warc(("http://h/", page), ("http://h/2", b"<p>behind it"))
    records, grown = memory(path, "warc")
    assert records == ["oversize:0", "read:12"]
    assert grown < 60
    (tmp_path / "page.html").write_bytes(page)
    records, grown = memory(tmp_path / "page.html", "html")
    assert records == ["oversize:0"]
    assert grown < 60


def test_a_truncated_file_of_any_format_never_raises(tmp_path: Path, read_file: ReadFile) -> None:
    line: Any = b'{"text": "words words words", "url": "http://h/"}\n'
    whole = {
        "html": b"<p>" + b"words " * 500,
        "jsonl": line * 100,
        "text": b"words\n--\n" * 300,
        "code": b"x = 1\n" * 300,
        "stackexchange": b"<?xml version='1.0'?><posts>" + b"<row Id='1' PostTypeId='1' Body='x'/>" * 100 + b"</posts>",
        "parquet": b"PAR1" + b"x" * 500,
    }
    for kind, data in whole.items():
        packed = gzip.compress(data)
        for content in (
            data[: len(data) // 2],
            packed[: len(packed) // 2],
            packed[:12],
            packed[:3],
            b"\x28\xb5\x2f\xfd",
            b"\0",
        ):
            path = tmp_path / "x"
            path.write_bytes(content)
            for record in read_file(path, kind, separator="--"):
                assert record.problem or record.body is not None
