from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from pipeline.read import Part, Record, plan_units, read_part

LIMIT = 1_000_000
PAGES = [(f"http://h/{number}", f"<p>page {number} {'x' * number * 37}</p>") for number in range(40)]


def read(*parts: Part) -> list[Record]:
    return [record for part in parts for record in read_part(part, LIMIT) if not record.about]


def offsets(path: Path) -> list[int]:
    """Where each response begins, by another library."""
    with path.open("rb") as stream:
        archive = ArchiveIterator(stream)
        return [archive.get_record_offset() for record in archive if record.rec_type == "response"]


def parts_of(path: Path, task_bytes: int, kind: str = "warc") -> list[Part]:
    file = {"uri": str(path), "name": path.name, "format": kind, "bytes": path.stat().st_size}
    return [part for unit in plan_units([file], task_bytes) for part in unit]


def test_records_are_what_another_library_finds(make_warc: Callable[..., Path], whole: Callable[..., Part]) -> None:
    path = make_warc(*PAGES)
    records = read(whole(path, "warc"))
    assert [(each.url, each.body.decode()) for each in records] == PAGES  # type: ignore[union-attr]
    assert [each.offset for each in records] == offsets(path)
    assert {(each.status, each.mime, each.charset, each.time) for each in records} == {
        (200, "text/html", "utf-8", "2026-01-02T03:04:05Z")
    }


@pytest.mark.parametrize("task_bytes", [200, 1000, 3001, 7919, 10**9])
@pytest.mark.parametrize("plain", [False, True])
def test_a_file_in_parts_gives_every_record_once(make_warc: Callable[..., Path], task_bytes: int, plain: bool) -> None:
    path = make_warc(*PAGES)
    if plain:
        path = path.with_suffix("")
        path.write_bytes(gzip.decompress(path.with_suffix(".warc.gz").read_bytes()))
    parts = parts_of(path, task_bytes)
    assert len(parts) > 1 or task_bytes > path.stat().st_size / 2
    assert [each.url for each in read(*parts)] == [url for url, _ in PAGES]


def test_an_archive_in_one_gzip_stream_is_read_whole(make_warc: Callable[..., Path]) -> None:
    path = make_warc(*PAGES)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())))
    parts = parts_of(path, 500)
    assert len(parts) == 1
    assert [each.url for each in read(*parts)] == [url for url, _ in PAGES]


def test_a_zstd_archive_is_read(make_warc: Callable[..., Path]) -> None:
    path = make_warc(*PAGES)
    packed = path.with_suffix(".zst")
    packed.write_bytes(pa.compress(gzip.decompress(path.read_bytes()), "zstd", asbytes=True))
    assert [each.url for each in read(*parts_of(packed, 500))] == [url for url, _ in PAGES]


@pytest.mark.parametrize("plain", [False, True])
def test_a_file_that_ends_inside_a_record_loses_only_that_record(make_warc: Callable[..., Path], plain: bool) -> None:
    path = make_warc(*PAGES)
    if plain:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    start = offsets(path)[20]
    path.write_bytes(path.read_bytes()[: start + (offsets(path)[21] - start) // 3])
    records = read(*parts_of(path, 10**9))
    assert [each.url for each in records[:20]] == [url for url, _ in PAGES[:20]]
    assert [(each.problem, each.offset) for each in records[20:]] == [("unreadable", start)]


def test_damage_in_the_middle_is_counted_and_reading_goes_on_behind_it(make_warc: Callable[..., Path]) -> None:
    path = make_warc(*PAGES)
    places = offsets(path)
    data = bytearray(path.read_bytes())
    for place in (places[10], places[30]):
        for at in range(place + 60, place + 160):
            data[at] ^= 0x5A
    path.write_bytes(bytes(data))
    for task_bytes in (1500, 10**9):
        records = read(*parts_of(path, task_bytes))
        assert [each.url for each in records if not each.problem] == [
            url for number, (url, _) in enumerate(PAGES) if number not in (10, 30)
        ]
        assert [each.offset for each in records if each.problem] == [places[10], places[30]]
        assert {each.problem for each in records if each.problem} == {"unreadable"}


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", b"\0" * 5000, gzip.compress(b"not an archive either"), b"\x1f\x8b\x08", b"WARC/1.0\r\nContent-Le"],
    ids=["empty", "words", "zeros", "gzip", "magic", "header"],
)
def test_what_is_no_archive_is_one_unreadable_record_at_most(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(content)
    assert [each.problem for each in read(Part(str(path), "x", "warc"))] in ([], ["unreadable"])


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    for kind in ("warc", "html", "jsonl", "parquet"):
        records = read(Part(str(tmp_path / "gone"), "gone", kind))
        assert [(each.problem, each.file) for each in records] == [("unreadable", "gone")]


def test_bodies_beyond_the_limit_come_without_their_bytes(make_warc: Callable[..., Path], whole: Callable[..., Part]) -> None:
    path = make_warc(("http://h/", "x" * 500), ("http://h/2", "y" * 5000))
    small, large = read_part(whole(path, "warc"), 1000), read_part(whole(path, "warc"), 400)
    assert [(r.problem, r.limit) for r in small if not r.about] == [("", None), ("oversize", 1000.0)]
    assert [(r.problem, len(r.body)) for r in large if not r.about] == [("oversize", 0), ("oversize", 0)]


def test_a_gzip_bomb_is_oversize(make_warc: Callable[..., Path], tmp_path: Path) -> None:
    from pipeline.crawl.archive import WarcFile

    file, bomb = WarcFile("x", "t", "t"), gzip.compress(b"<p>" + b"a" * 50_000_000)
    headers = [("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb)))]
    file.add("http://h/", "2026-01-01T00:00:00Z", ("GET / HTTP/1.1", []), "HTTP/1.1 200 OK", headers, bomb)
    path = tmp_path / "bomb.warc.gz"
    path.write_bytes(file.close())
    assert [(each.problem, each.value) for each in read(Part(str(path), "b", "warc"))] == [("oversize", LIMIT + 1)]


def test_requests_and_warcinfo_are_about_pages_but_no_pages(make_warc: Callable[..., Path], whole: Callable[..., Part]) -> None:
    records = list(read_part(whole(make_warc(*PAGES[:3]), "warc"), LIMIT))
    assert [each.about for each in records] == [True, *[False, True] * 3]


def test_a_wet_record_comes_as_text(tmp_path: Path) -> None:
    import io

    from warcio.warcwriter import WARCWriter

    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    text = "Grüße aus dem Netz".encode()
    writer.write_record(
        writer.create_warc_record("http://h/", "conversion", payload=io.BytesIO(text), warc_content_type="text/plain")
    )
    path = tmp_path / "x.wet.gz"
    path.write_bytes(buffer.getvalue())
    assert [(each.url, each.body) for each in read(Part(str(path), "x", "warc"))] == [("http://h/", "Grüße aus dem Netz")]


@pytest.mark.parametrize("task_bytes", [60, 100, 333, 10**6])
def test_jsonl_in_parts_gives_every_line_once(tmp_path: Path, task_bytes: int) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"url": f"http://h/{number}", "text": "é" * (number % 23)} for number in range(50)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" * (1 + number % 3) for number, row in enumerate(rows)))
    records = read(*parts_of(path, task_bytes, "jsonl"))
    assert [(each.url, each.body) for each in records] == [(row["url"], row["text"]) for row in rows]


def test_a_bad_line_is_counted_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    lines = ['{"text": "one"}', "{broken", '{"html": "<p>two", "url": "http://h/"}', '{"title": "no text"}', "[1]"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    records = read(Part(str(path), "x", "jsonl"))
    assert [each.problem for each in records] == ["", "unreadable", "", "no_text_or_html", "no_text_or_html"]
    assert [records[0].body, records[2].body] == ["one", b"<p>two"]


def test_half_a_surrogate_pair_does_not_stop_a_shard(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a\\ud800b", "url": "u\\udfff"}\n{"html": "<p>\\ud800"}\n')
    first, second = read(Part(str(path), "x", "jsonl"))
    assert (first.body, first.url, second.body) == ("a?b", "u?", b"<p>?")


def test_header_bytes_that_are_no_utf_8_do_not_stop_a_shard(make_warc: Callable[..., Path]) -> None:
    path = make_warc(*PAGES[:2])
    path.write_bytes(gzip.decompress(path.read_bytes()).replace(b"http://h/0", b"http://h/\xff"))
    records = read(Part(str(path), "x", "warc"))
    assert len(records) == 2
    assert all(each.url.encode("utf-8") for each in records)


def test_a_truncated_jsonl_gz_keeps_the_lines_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    data = gzip.compress(b"".join(b'{"text": "%d %s"}\n' % (n, str(n**97).encode()) for n in range(5000)))
    path.write_bytes(data[: len(data) // 2])
    records = read(Part(str(path), "x", "jsonl"))
    assert len(records) > 1000
    assert [each.problem for each in records[-1:]] == ["unreadable"]
    assert all(not each.problem for each in records[:-2])


def test_parquet_in_parts_gives_every_row_once(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"url": [f"u{n}" for n in range(100)], "text": [str(n) * n for n in range(100)]}), path, row_group_size=9
    )
    parts = parts_of(path, 2000, "parquet")
    assert len(parts) > 2
    records = read(*parts)
    assert [(each.url, each.offset) for each in records] == [(f"u{n}", n) for n in range(100)]
    assert [each.body for each in records] == [str(n) * n for n in range(100)]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_a_parquet_column_of_bytes_is_html_or_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    page, words = "<meta charset=windows-1252><p>Größe".encode("cp1252"), "Größe".encode()
    pq.write_table(pa.table({"html": pa.array([page, None], kind), "text": pa.array([None, words], kind)}), path)
    records = read(Part(str(path), "x", "parquet", groups=[0]))
    assert [(each.body, each.mime, each.charset, each.problem) for each in records] == [
        (page, "text/html", None, ""),
        ("Größe", "text/plain", "utf-8", ""),
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_a_parquet_string_that_is_no_utf_8_costs_no_other_row(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    accents = "un café près de la gare, où l'été est très agréable".encode("latin-1")
    columns = {
        "url": [b"http://h/0", b"http://h/\xff", None, b"http://h/3"],
        "html": [b"<p>zero", None, b"<p>caf\xe9", None],
        "text": [None, accents, None, "größer".encode()],
    }
    layout = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}[kind]
    table = {name: pa.array(values, layout).view(kind) for name, values in columns.items()}
    pq.write_table(pa.table(table), path)
    assert [(each.url, each.body, each.problem) for each in read(Part(str(path), "x", "parquet", groups=[0]))] == [
        ("http://h/0", b"<p>zero", ""),
        ("http://h/\ufffd", accents.decode("latin-1"), ""),
        ("x#2", b"<p>caf\xe9", ""),
        ("http://h/3", "größer", ""),
    ]


def test_parquet_strings_that_are_no_utf_8_in_a_list_or_a_dictionary_stop_no_run(tmp_path: Path) -> None:
    path, bad = tmp_path / "x.parquet", pa.array([b"one", b"caf\xe9", b"one"], pa.binary()).view(pa.string())
    lists = pa.ListArray.from_arrays([0, 1, 2, 3], bad)
    pq.write_table(pa.table({"html": lists, "text": ["a", "b", "c"]}), path)
    assert [each.body for each in read(Part(str(path), "x", "parquet", groups=[0]))] == ["a", "b", "c"]
    pq.write_table(pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), bad)}), path)  # Arrow reads none of it
    assert [each.problem for each in read(Part(str(path), "x", "parquet", groups=[0]))] == ["unreadable"]


def test_small_files_share_a_unit_and_large_ones_are_cut(tmp_path: Path) -> None:
    files = []
    for number in range(7):
        path = tmp_path / f"{number}.html"
        path.write_text("<p>" + "x" * 297)
        files.append({"uri": str(path), "name": path.name, "format": "html", "bytes": 300})
    units = plan_units(files, 1000)
    assert [[part.name for part in unit] for unit in units] == [
        ["0.html", "1.html", "2.html"],
        ["3.html", "4.html", "5.html"],
        ["6.html"],
    ]


def test_real_crawl_archive_is_read_as_another_library_reads_it(shared: Path) -> None:
    path = shared / "data/warc/dolma-sample-0000.warc.gz"
    with path.open("rb") as stream:
        expected = [
            (record.rec_headers["WARC-Target-URI"], record.content_stream().read())
            for record in ArchiveIterator(stream)
            if record.rec_type == "response"
        ]
    records = [each for each in read(*parts_of(path, 30_000)) if each.mime == "text/html" or each.status != 200]
    found = {each.url: each.body for each in records}
    assert len(expected) > 10
    for url, body in expected:
        if url.strip("<>") in found:
            assert found[url.strip("<>")] == body
