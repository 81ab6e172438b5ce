from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import xxhash

from cluster.store import Location, shard_records
from pipeline import ledger
from pipeline.measure.signals import SIGNALS
from pipeline.read import Part
from pipeline.records import worker as record_worker
from pipeline.records.settings import RecordsSettings
from pipeline.records.shard import SCHEMA
from pipeline.records.worker import RecordWorker
from pipeline.rights.verdict import Rights


class Counting:
    def __init__(self) -> None:
        self.pages = 0

    def advance(self, by: float, total: float | None = None, unit: str = "") -> None:
        self.pages += int(by)


def made(directory: Path, track: Any, **settings: Any) -> RecordWorker:
    chosen = RecordsSettings(**settings)
    return RecordWorker(chosen, Rights(chosen.rights), Location.of(directory / "out"), track)


def work(directory: Path, *paths: Path, kind: str = "warc", **settings: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run one unit; returns its rows and its line of the ledger."""
    counting = Counting()
    worker = made(directory, counting, **settings)
    worker({"shard": 5, "parts": [asdict(Part(str(path), path.name, kind)) for path in paths]})
    table = pq.read_table(directory / "out/part-000005.parquet")
    assert table.schema.equals(SCHEMA)
    assert counting.pages == table.num_rows
    line = shard_records(Location.of(directory / "out"))[5]["counts"]
    ledger.balance("records", {5: line})
    return table.to_pylist(), line


def test_a_unit_that_is_set_aside_leaves_a_row_for_each_of_its_parts(tmp_path: Path) -> None:
    worker = made(tmp_path, Counting())
    parts = [
        Part("s3://b/a.warc.gz", "a.warc.gz", "warc", 0, 64, source="web"),
        Part("s3://b/b.warc.gz", "b.warc.gz", "warc", 9),
    ]
    worker.set_aside({"shard": 5, "parts": [asdict(part) for part in parts]}, "its worker died")
    rows = pq.read_table(tmp_path / "out/part-000005.parquet").to_pylist()
    assert [(row["warc_file"], row["warc_offset"], row["reason"], row["note"], row["source"]) for row in rows] == [
        ("a.warc.gz", 0, "set_aside", "its worker died", "web"),
        ("b.warc.gz", 9, "set_aside", "its worker died", "input"),
    ]
    line = shard_records(Location.of(tmp_path / "out"))[5]["counts"]
    assert ledger.balance("records", {5: line})["rejected"] == {"set_aside": 2}
    assert line["set_aside"] == [["a.warc.gz", 0, 64], ["b.warc.gz", 9, None]]


def page(text: str) -> str:
    return f"<html><body><p>{text}</p></body></html>"


def test_every_record_gets_a_row_with_its_reason(make_warc: Callable[..., Path], tmp_path: Path, prose: str) -> None:
    html = "text/html; charset=utf-8"
    latin = page(prose.replace("winter", "Größe")).encode("latin-1")
    path = make_warc(
        ("http://h/robots.txt", "<html>User-agent: *</html>"),
        ("http://h/good", page(prose)),
        ("http://h/gone", page(prose), 404, html),
        ("http://h/picture", b"\x89PNG", 200, "image/png"),
        ("http://h/empty", b"  \n ", 200, html),
        ("http://h/no-text", "<script>1</script>", 200, html),
        ("http://h/german", page("Die Frau ging am Kai entlang zum Haus des Lotsen, und es war sehr kalt. " * 9)),
        ("http://h/stub", page("The boat is here.")),
        ("http://h/deep", "<div>" * 2000 + prose + "</div>" * 2000),
        ("http://h/binary", b"<p>" + bytes(range(128, 256)) * 40, 200, "text/html; charset=utf-8"),
        ("http://h/latin", latin, 200, "text/html; charset=iso-8859-1"),
        ("http://h/nul", page(prose).replace("harbour", "har\0bour"), 200, html),
    )
    rows, line = work(tmp_path, path)
    reasons = {row["url"].rpartition("/")[2]: row["reason"] for row in rows}
    undecodable = reasons.pop("binary")
    assert undecodable in ("undecodable", "")  # the detector may name a charset for it
    assert reasons == {
        "robots.txt": "host_file",
        "good": "",
        "gone": "http_status",
        "picture": "not_html",
        "empty": "empty",
        "no-text": "no_text",
        "german": "",
        "stub": "",
        "deep": "nesting",
        "latin": "",
        "nul": "",
    }
    assert all((row["reason"] == "") == bool(row["text"]) for row in rows)
    assert all((row[name] is None) == (row["reason"] != "") for row in rows for name in SIGNALS)
    assert [row["doc_id"] for row in rows] == [5 << 32 | number for number in range(12)]
    assert (line["records"], line["kept"] - (undecodable == ""), line["about"]) == (12, 5, 13)
    by_url = {row["url"].rpartition("/")[2]: row for row in rows}
    assert (by_url["gone"]["value"], by_url["gone"]["threshold"]) == (404, 200)
    assert (by_url["deep"]["value"], by_url["deep"]["threshold"]) == (2000, 1000)
    assert "Größe" in by_url["latin"]["text"]
    assert by_url["latin"]["charset_source"] == "http"
    good = by_url["good"]
    assert good["text"] == prose.strip()
    assert (good["host"], good["language"], good["warc_file"], good["http_status"]) == ("h", "en", "made.warc.gz", 200)
    assert good["extractor"] in ("resiliparse", "resiliparse+trafilatura")
    assert 0 < good["extraction_score"] <= 1
    assert good["fetch_time"] == "2026-01-02T03:04:05Z"


def test_a_page_that_hangs_the_extractor_costs_only_itself(make_warc: Callable[..., Path], tmp_path: Path, prose: str) -> None:
    path = make_warc(("http://h/1", page(prose)), ("http://h/bomb", "<div>" * 100_000 + prose), ("http://h/2", page(prose)))
    rows, line = work(tmp_path, path, extract_seconds=2, max_nesting=1_000_000)
    assert [row["reason"] for row in rows] == ["", "extract_timeout", ""]
    assert (rows[1]["threshold"], rows[1]["note"], rows[1]["text"]) == (2, "2 s", "")
    assert (line["records"], line["kept"]) == (3, 2)


def test_a_record_that_nobody_foresaw_is_a_row_with_its_error_and_ends_nothing_else(
    make_warc: Callable[..., Path], tmp_path: Path, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repaired(text: str) -> tuple[str, bool]:
        if "lighthouse" in text:
            raise ZeroDivisionError("nobody thought of that")
        return text, False

    monkeypatch.setattr(record_worker, "repaired", repaired)
    path = make_warc(*((f"http://h/{number}", page(text)) for number, text in enumerate([prose, prose + "lighthouse", prose])))
    rows, line = work(tmp_path, path)
    assert [row["reason"] for row in rows] == ["", "failed", ""]
    assert (rows[1]["note"], rows[1]["text"]) == ("ZeroDivisionError: nobody thought of that", "")
    assert (line["records"], line["kept"], line["rejected"]) == (3, 2, {"failed": 1})


def test_the_same_unit_gives_the_same_bytes(make_warc: Callable[..., Path], tmp_path: Path, prose: str) -> None:
    path = make_warc(*[(f"http://h/{number}", page(f"{prose} {number}")) for number in range(5)])
    work(tmp_path / "a", path)
    work(tmp_path / "b", path)
    assert (tmp_path / "a/out/part-000005.parquet").read_bytes() == (tmp_path / "b/out/part-000005.parquet").read_bytes()


def test_an_unreadable_file_amid_good_ones_costs_only_itself(
    make_warc: Callable[..., Path], tmp_path: Path, prose: str
) -> None:
    first = make_warc(("http://h/1", page(prose)), name="a.warc.gz")
    last = make_warc(("http://h/2", page(prose + "It was late.")), name="c.warc.gz")
    bad = tmp_path / "b.warc.gz"
    bad.write_bytes(b"\x1f\x8b\x08\0 this is no archive")
    rows, line = work(tmp_path, first, bad, last)
    assert [row["warc_file"] for row in rows] == ["a.warc.gz", "b.warc.gz", "c.warc.gz"]
    assert [row["reason"] for row in rows] == ["", "unreadable", ""]
    assert line["unreadable"] == {"b.warc.gz": 1}
    assert rows[1]["note"]


def test_given_text_is_taken_as_it_is(tmp_path: Path, prose: str) -> None:
    import json

    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"text": prose + "\u00a0end. ", "url": "http://h/"}))
    rows, _ = work(tmp_path, path, kind="jsonl")
    assert [(row["text"], row["extractor"], row["reason"]) for row in rows] == [(prose + " end.", "given", "")]
    assert rows[0]["spam_link_density"] is None


def test_an_opt_out_keeps_url_hash_and_evidence_but_no_text(make_warc: Callable[..., Path], tmp_path: Path, prose: str) -> None:
    reserved = page(prose).replace("<html>", "<html><head><meta name='robots' content='noai'></head>")
    licensed = page(prose + '<a rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">licence</a>')
    path = make_warc(("http://h/reserved", reserved), ("http://h/licensed", licensed))
    (refused, kept), line = work(tmp_path, path)
    assert (refused["reason"], refused["note"], refused["opt_outs"]) == (
        "rights_meta",
        "meta robots: noai",
        ["meta robots: noai"],
    )
    assert refused["content_hash"] == xxhash.xxh3_128_hexdigest(reserved.encode())
    assert (refused["url"], refused["text"], refused["language"]) == ("http://h/reserved", "", None)
    assert (kept["reason"], kept["licence"], kept["opt_outs"]) == ("", "cc-by-nc-4.0", [])
    assert line["rejected"] == {"rights_meta": 1}


def test_a_policy_without_signals_keeps_what_was_found_as_evidence(
    make_warc: Callable[..., Path], tmp_path: Path, prose: str
) -> None:
    path = make_warc(("http://h/", page(prose).replace("<html>", "<html><head><meta name='robots' content='noai'></head>")))
    [row], _ = work(tmp_path, path, rights={"refuse": []})
    assert (row["reason"], row["opt_outs"]) == ("", ["meta robots: noai"])
    assert row["text"]


def test_lines_that_rules_take_out_are_gone_before_anything_is_measured(tmp_path: Path, prose: str) -> None:
    import json

    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"text": f"3 likes\n{prose}\n1234", "url": "http://h/"}))
    [row], _ = work(tmp_path, path, kind="jsonl", lines={"refinedweb": True})
    assert row["text"] == prose.strip()
    words = len(prose.split())
    assert row["removed_words"] == pytest.approx(3 / (words + 3))


def test_rows_say_their_source_and_whether_mojibake_was_repaired(
    make_warc: Callable[..., Path], tmp_path: Path, prose: str
) -> None:
    broken = (prose + "A café on the quay – “closed”.").encode().decode("cp1252", "ignore")
    path = make_warc(("http://h/whole", page(prose)), ("http://h/broken", page(broken)))
    worker = made(tmp_path, Counting())
    worker({"shard": 0, "parts": [asdict(Part(str(path), path.name, "warc", source="books", priority=4))]})
    rows = pq.read_table(tmp_path / "out/part-000000.parquet").to_pylist()
    assert [(row["source"], row["priority"], row["mojibake"]) for row in rows] == [("books", 4, False), ("books", 4, True)]
    assert "A café on the quay" in rows[1]["text"]
