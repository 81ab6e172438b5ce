"""Which artefacts hold forgotten pages: a root with two lines of artefacts, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import pageloom
from cluster.inputs import root_list
from cluster.store import Artefact, Manifest, Store
from pipeline.pages.shard import SCHEMA
from pipeline.provenance.holders import find_holders, newest_line
from pipeline.rights.forget import FORGET, REASON, Forgotten, entry, remember

STAGES = pageloom.line().names
A, B, TWIN, OTHER = "http://a.example/x", "http://b.example/y", "http://twin.example/", "http://other.example/"


def commit(
    store: Store, stage: str, key: str, tables: dict[str, pa.Table], *, external: list | None = None, **parents: str
) -> Artefact:
    place = store.attempt(stage, key)
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        (place / name).write_bytes(sink.getvalue().to_pybytes())
    settings = {"steps": 10, "batch": 4, "seed": 1}
    return store.commit(place, Manifest(stage, key, settings, parents, external or [], "1", "0", 0, 1, 1, 0, "h"))


def page(doc_id: int, url: str, offset: int, **more: str) -> dict:
    host = url.split("/")[2]
    where = {"doc_id": doc_id, "url": url, "host": host, "warc_file": "warc/c.warc.gz", "warc_offset": offset}
    return {**where, "characters": len(more.get("text", "")), **more}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Line 1 holds A (train), B (held out), TWIN (a duplicate of A), OTHER (rejected); line 2 has other pages."""
    store = Store(tmp_path)
    fetches = {"url": [A, B, TWIN, OTHER], "reason": ["ok", "ok", "ok", "http_404"], "status": [200] * 4, "bytes": [9] * 4}
    commit(store, "crawl", "c1", {"fetches.parquet": pa.table(fetches)})
    kept = {"status": "kept", "text": "words", "reason": ""}
    rows = [
        page(0, A, 10, **kept),
        page(1, B, 20, **kept),
        page(2, TWIN, 30, **kept),
        page(3, OTHER, 40, status="rejected", reason="word_count", text="few"),
    ]
    commit(store, "records", "q1", {"part-000000.parquet": pa.Table.from_pylist(rows, SCHEMA)}, crawl="c1")
    commit(store, "classifiers", "f1", {}, records="q1")
    made_of = {"records": "q1", "classifiers": "f1"}
    commit(store, "pages", "p1", {"part-000000.parquet": pa.Table.from_pylist(rows, SCHEMA)}, **made_of)
    decisions = {"doc_id": [2], "canonical_id": [0], "similarity": [0.9], "reason": ["near_duplicate"]}
    commit(store, "dedup", "d1", {"decisions/part-000000.parquet": pa.table(decisions)}, pages="p1")
    train, heldout = pa.table({"doc_id": [0], "text": ["words"]}), pa.table({"doc_id": [1], "text": ["words"]})
    commit(store, "corpus", "k1", {"train-000000.parquet": train, "heldout-000000.parquet": heldout}, pages="p1", dedup="d1")
    commit(store, "tokenizer", "z1", {}, corpus="k1")
    spans = {"doc_id": [0, 0, 1], "shard": ["train-00000", "train-00001", "heldout-00000"]}
    commit(store, "tokens", "t1", {"spans.parquet": pa.table(spans)}, corpus="k1", tokenizer="z1")
    commit(store, "base", "b1", {}, tokenizer="z1", tokens="t1")
    commit(store, "assistant", "s1", {}, base="b1", corpus="k1")
    commit(store, "release", "r1", {}, assistant="s1")
    # Another recipe's line on the same crawl, whose pages keep B alone.
    rows = [page(0, A, 10, status="rejected", reason="language"), page(1, B, 20, **kept)]
    commit(store, "pages", "p2", {"part-000000.parquet": pa.Table.from_pylist(rows, SCHEMA)}, **made_of)
    commit(store, "corpus", "k2", {"train-000000.parquet": pa.table({"doc_id": [1]})}, pages="p2", dedup="d2")
    commit(store, "base", "b2", {}, tokens="t2")
    return store


def held(store: Store, *named: tuple[str, str]) -> dict[str, str]:
    found = find_holders(store, STAGES, Forgotten(entry(kind, value) for kind, value in named))  # type: ignore[arg-type]
    return {each.key: each.holds for each in found.holders}


def test_a_page_is_found_in_every_artefact_that_holds_it_or_came_from_it(store: Store) -> None:
    assert held(store, ("url", A)) == {
        "c1": "1 archived answers",
        "q1": "1 record",
        "p1": "1 page",
        "p2": "1 page",
        "k1": "1 document (1 train)",
        "z1": "made from corpus",
        "t1": "train-00000, train-00001",
        "b1": "made from tokenizer and tokens",
        "s1": "made from base and corpus",
        "r1": "made from assistant",
    }


def test_a_rejected_page_is_in_records_and_pages_alone(store: Store) -> None:
    assert held(store, ("url", OTHER)) == {"q1": "1 record", "p1": "1 page"}


def test_a_host_and_a_record_are_found_as_well(store: Store) -> None:
    assert held(store, ("host", "example"))["k1"] == "2 documents (1 heldout, 1 train)"
    assert held(store, ("warc_record", "c.warc.gz@20")) == {
        "q1": "1 record",
        "p1": "1 page",
        "p2": "1 page",
        "k1": "1 document (1 heldout)",
        "k2": "1 document (1 train)",
        "z1": "made from corpus",
        "t1": "heldout-00000",
        "b1": "made from tokenizer and tokens",
        "s1": "made from base and corpus",
        "r1": "made from assistant",
    }
    assert held(store, ("host", "nobody.example"), ("warc_record", "c.warc.gz@11")) == {}


@pytest.mark.parametrize(
    ("url", "host", "kind", "value"),
    [
        ("http://example.org./x", "example.org", "host", "example.org"),
        ("http://example.org./x", "example.org.", "host", "example.org"),  # `host` as an older version spelled it
        ("http://example.org/x", "example.org", "host", "Example.ORG."),
        ("http://[::1]/x", "[::1]", "host", "[::1]"),
        ("http://[::1]:81/x", "::1", "host", "[::1]:81"),
        ("http://[::1]/x", "::1", "url", "http://[0::1]/x"),
        ("http://www.bücher.example/", "www.bücher.example", "host", "*.bücher.example"),
        ("http://www.bücher.example/", "www.xn--bcher-kva.example", "host", "bücher.example"),
        ("file:///data/a.html", "", "url", "file:///data/a.html"),
        ("http://u[:p@a.org/x", "", "url", "http://u[:p@a.org/x"),
    ],
)
def test_a_page_is_found_however_its_host_is_spelled(tmp_path: Path, url: str, host: str, kind: str, value: str) -> None:
    store = Store(tmp_path)
    rows = [{**page(0, A, 10), "reason": ""}, {**page(1, A, 20), "url": url, "host": host, "reason": ""}]
    commit(store, "records", "q1", {"part-000000.parquet": pa.Table.from_pylist(rows, SCHEMA)})
    assert held(store, (kind, value)) == {"q1": "1 record"}


def test_other_pages_with_the_same_text_are_named(store: Store) -> None:
    for url, twins in ((A, [TWIN]), (TWIN, [A]), (B, [])):
        assert find_holders(store, STAGES, Forgotten([entry("url", url)])).twins == twins


def test_what_was_made_without_the_page_does_not_hold_it(store: Store) -> None:
    remember(store.root, named := entry("host", "example"))
    rows = [page(0, A, 10, status="rejected", reason=REASON)]
    state = root_list(store.root, FORGET)
    commit(store, "pages", "p3", {"part-000000.parquet": pa.Table.from_pylist(rows, SCHEMA)}, external=[state], records="q1")
    commit(store, "corpus", "k3", {"train-000000.parquet": pa.table({"doc_id": [0]})}, pages="p3")
    keys = {each.key for each in find_holders(store, STAGES, Forgotten([named])).holders}
    assert not {"p3", "k3"} & keys
    assert {"p1", "k1", "p2", "k2"} <= keys


def test_the_newest_line_is_of_artefacts_that_belong_together(store: Store) -> None:
    line = {name: each.key for name, each in newest_line(store, STAGES, "pages").items() if each}
    assert line == {
        "crawl": "c1",
        "records": "q1",
        "classifiers": "f1",
        "pages": "p2",
    }  # k2 needs a dedup that is not there, b2 tokens that are not
    commit(store, "dedup", "d2", {}, pages="p2")
    line = {name: each.key for name, each in newest_line(store, STAGES, "pages").items() if each}
    assert line == {"crawl": "c1", "records": "q1", "classifiers": "f1", "pages": "p2", "dedup": "d2", "corpus": "k2"}
    assert newest_line(Store(store.root.path + "/nothing"), STAGES, "pages") == {}


def test_forget_prints_what_holds_the_page_and_plan_goes_on_saying_it(store: Store) -> None:
    run = CliRunner().invoke
    said = run(pageloom.app, ["forget", "--url", A, "--reason", "asked", "--root", store.root.path]).output
    assert "forgotten from now on  url a.example/x" in said
    assert "made from tokenizer and tokens" in said
    assert f"the same text stands at {TWIN} too" in said
    assert "`pageloom run` makes them anew without" in said
    plan = json.loads(run(pageloom.app, ["plan", "--json", "--root", store.root.path]).output)
    assert [each["key"] for each in plan["forgotten_in"]] == ["c1", "q1", "p1", "p2", "k1", "z1", "t1", "b1", "s1", "r1"]
    assert store.artefact("corpus", "k1") is not None, "forget deletes nothing"


def test_a_forgotten_page_is_traced_in_the_line_that_was_made_before(store: Store) -> None:
    said = CliRunner().invoke(pageloom.app, ["trace", A, "--root", store.root.path]).output
    assert "warc/c.warc.gz at 10: document 0" in said
    assert "dropped    language" in said
