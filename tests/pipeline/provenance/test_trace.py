from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.store import Artefact, Location
from pipeline.dedup.decisions import SCHEMA as DECISIONS
from pipeline.pages.shard import SCHEMA
from pipeline.provenance.trace import SequencePlace, Training, describe, trace_page
from pipeline.tokens.mixture import MixtureOrder
from pipeline.tokens.order import SequenceOrder

TEXT = "words and more"


@pytest.fixture
def artefacts(tmp_path: Path) -> dict[str, Artefact | None]:
    """A line of artefacts, written by hand: four URLs of which two were fetched, one of them kept in two sequences."""

    def artefact(name: str, tables: dict[str, pa.Table]) -> Artefact:
        for file, table in tables.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, tmp_path / name / file)
        return Artefact(Location.of(tmp_path / name), {"files": [{"path": file} for file in tables]})

    def pages(*rows: dict) -> pa.Table:
        return pa.Table.from_pylist(
            [
                {
                    "warc_file": "w",
                    "warc_offset": 9,
                    "reason": "",
                    "language": "en",
                    "characters": len(row.get("text", "")),
                    **row,
                }
                for row in rows
            ],
            SCHEMA,
        )

    second, dropped = 1 << 32, {"reason": "word_count", "value": 3.0, "threshold": 50.0}
    fetches = {
        "url": ["http://h/a", "http://h/b", "http://h/c", "http://h/d"],
        "reason": ["ok", "ok", "ok", "robots_disallowed"],
        "status": [200, 200, 200, 0],
        "bytes": [10, 11, 12, 0],
    }
    spans = {"shard": ["train-00001"] * 2, "sequence": [4, 5], "start": [7, 0], "end": [16, 3], "doc_id": [second] * 2}
    line: dict[str, Artefact | None] = {
        "crawl": artefact("crawl", {"fetches.parquet": pa.table(fetches)}),
        "pages": artefact(
            "pages",
            {
                "part-000000.parquet": pages(
                    {"doc_id": 0, "url": "http://h/b", "status": "rejected", **dropped},
                    {"doc_id": 1, "url": "http://h/c", "status": "kept", "text": "words and"},
                ),
                "part-000001.parquet": pages(
                    {"doc_id": second, "url": "http://h/a", "status": "kept", "text": "words and more"}
                ),
            },
        ),
        "dedup": artefact(
            "dedup",
            {
                "decisions/part-000000.parquet": pa.table(
                    {
                        "doc_id": [1],
                        "canonical_id": [second],
                        "similarity": pa.array([0.9], pa.float32()),
                        "reason": ["near_duplicate"],
                    }
                ),
                "decisions/part-000001.parquet": DECISIONS.empty_table(),
            },
        ),
        "corpus": artefact("corpus", {"train-000001.parquet": pa.table({"doc_id": [second], "text": [TEXT]})}),
        "tokens": artefact("tokens", {"spans.parquet": pa.table(spans)}),
    }
    Location.of(tmp_path / "tokens/tokens.json").write_json(
        {
            "sequence_length": 16,
            "dtype": "<u2",
            "vocabulary": 300,
            "splits": {
                "train": [
                    {"name": "train-00000", "sequences": 20, "sources": {"books": 8, "web": 12}},
                    {"name": "train-00001", "sequences": 10, "sources": {"books": 3, "web": 7}},
                ],
                "heldout": [],
            },
        }
    )
    return line


def test_a_kept_page_is_followed_to_its_training_steps(artefacts: dict[str, Artefact | None]) -> None:
    trace = trace_page("http://h/a", artefacts, Training(steps=12, global_batch=8, seed=3))
    assert trace.fetch is not None
    assert (trace.fetch.reason, trace.fetch.status) == ("ok", 200)
    (page,) = trace.pages
    assert (page.status, page.split, page.characters) == ("kept", "train", 14)
    order = SequenceOrder(30, 3)
    expected = {row: [step for step in range(12) if 20 + row in order.sequence_ids(step, 8)] for row in (4, 5)}
    assert expected[4]
    assert page.sequences == [
        SequencePlace(shard="train-00001", sequence=4, start=7, end=16, steps=expected[4]),
        SequencePlace(shard="train-00001", sequence=5, start=0, end=3, steps=expected[5]),
    ]
    assert f"train-00001 sequence 4 [7:16]: steps {expected[4][0]}" in describe(trace)


def test_a_page_is_followed_through_a_training_with_weights(artefacts: dict[str, Artefact | None]) -> None:
    weights = {"books": 3.0, "web": 1.0}
    trace = trace_page("http://h/a", artefacts, Training(steps=60, global_batch=8, seed=3, weights=weights))
    order = MixtureOrder([("books", 8), ("web", 12), ("books", 3), ("web", 7)], weights, 3)
    (page,) = trace.pages
    for place in page.sequences:  # rows 4 and 5 of the second shard are of the web: id 20 + row
        seen = [step for step in range(60) for each in order.sequence_ids(step, 8) if each == 20 + place.sequence]
        assert place.steps == seen
        assert len(seen) in (6, 7)  # a quarter of 480 sequences, among 19 of the web


def test_a_dropped_page_names_its_rule(artefacts: dict[str, Artefact | None]) -> None:
    trace = trace_page("http://h/b", artefacts)
    assert [(page.status, page.reason, page.value, page.threshold) for page in trace.pages] == [
        ("rejected", "word_count", 3, 50)
    ]
    assert "dropped    word_count 3 (limit 50)" in describe(trace)


def test_a_duplicate_names_the_page_that_stands_for_it(artefacts: dict[str, Artefact | None]) -> None:
    trace = trace_page("http://h/c", artefacts)
    (page,) = trace.pages
    assert (page.status, page.reason, page.duplicate_of) == ("rejected", "near_duplicate", "http://h/a")
    assert page.sequences == []
    assert "near_duplicate of http://h/a (similarity 0.90)" in describe(trace)


def test_a_page_that_robots_txt_forbids_has_no_record(artefacts: dict[str, Artefact | None]) -> None:
    trace = trace_page("http://h/d", artefacts)
    assert trace.fetch is not None
    assert (trace.fetch.reason, trace.pages) == ("robots_disallowed", [])


def test_a_url_that_nobody_met_says_so(artefacts: dict[str, Artefact | None]) -> None:
    assert "it was not crawled" in describe(trace_page("http://h/unknown", artefacts))


def test_what_could_not_be_searched_is_not_denied(artefacts: dict[str, Artefact | None]) -> None:
    early = describe(trace_page("http://h/a", {**artefacts, "pages": None}))
    assert "not known: records and pages are not made yet" in early
    assert "no archived record" not in early
    of_files = describe(trace_page("http://h/unknown", {**artefacts, "crawl": None}))
    assert "no archived record of this URL" in of_files
    assert "it was not crawled" not in of_files


def test_another_spelling_of_the_url_finds_the_page(artefacts: dict[str, Artefact | None]) -> None:
    assert trace_page("HTTP://H:80/a#part", artefacts).url == "http://h/a"


@pytest.mark.parametrize(
    ("archived", "host", "asked"),
    [
        ("http://example.org", "example.org", "http://example.org/"),
        ("HTTP://Example.ORG:80/b#part", "example.org", "http://example.org/b"),
        ("http://bücher.example/", "bücher.example", "http://xn--bcher-kva.example"),  # `host` as an older version spelled it
        ("http://bücher.example/", "xn--bcher-kva.example", "http://Bücher.example/#x"),
        ("http://[0::1]/x", "::1", "http://[::1]/x"),
        ("http://[0::1]/x", "[::1]", "http://[::1]/x"),
        ("http://example.org./x", "example.org.", "http://example.org/x"),
        ("http://u[:p@a.org/x", "a.org", "http://u[:p@a.org/x"),
    ],
)
def test_a_page_is_found_however_the_archive_spells_it(tmp_path: Path, archived: str, host: str, asked: str) -> None:
    row = {"doc_id": 0, "warc_file": "w", "warc_offset": 9, "status": "kept", "reason": "", "characters": 1}
    others = [
        {**row, "url": url, "host": host}
        for url in (f"{archived.partition('#')[0]}?y", "http://[::1][@", "http://other.example/")
    ]
    table = pa.Table.from_pylist([*others, {**row, "url": archived, "host": host, "warc_offset": 7}], SCHEMA)
    pq.write_table(table, tmp_path / "part-000000.parquet")
    trace = trace_page(asked, {"pages": Artefact(Location.of(tmp_path), {"files": [{"path": "part-000000.parquet"}]})})
    assert (trace.url, [page.warc_offset for page in trace.pages]) == (archived, [7])


def test_a_line_that_has_only_begun_is_followed_as_far_as_it_goes(artefacts: dict[str, Artefact | None]) -> None:
    early = {**artefacts, "dedup": None, "corpus": None, "tokens": None}
    (page,) = trace_page("http://h/c", early).pages
    assert (page.status, page.split, page.sequences) == ("kept", "", [])
    assert trace_page("http://h/c", {}).pages == []
