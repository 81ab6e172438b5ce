"""What no run and no ref names goes, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from cluster.errors import WorkError
from cluster.garbage import garbage
from cluster.named import named_artefacts
from cluster.runs import RunRecord
from cluster.shards import WORK, shard_records, write_shard
from cluster.store import Manifest, Store

A, B, C, D, E = (letter * 16 for letter in "abcde")


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """crawl A <- pages B (of a run), crawl C <- release D (of a ref), crawl E of nobody."""
    store = Store(tmp_path / "root" if request.param == "local" else request.getfixturevalue("s3_root"))
    for stage, key, parents in (
        ("crawl", A, {}),
        ("pages", B, {"crawl": A}),
        ("crawl", C, {}),
        ("release", D, {"crawl": C}),
        ("crawl", E, {}),
    ):
        place = store.attempt(stage, key)
        (place / "data").write_bytes(key.encode())
        store.commit(place, Manifest(stage, key, {}, parents, [], "1", "0", 0.0, 1.0, 0.5, 10, "here"))
    record(store, "r1", pages=B)
    (store.root / "refs" / "stable.json").write_json({"stage": "release", "key": D, "run": "gone"})
    return store


def record(store: Store, run: str, **stages: str) -> None:
    told = RunRecord(id=run, name="quickstart", recipe={}, source="quickstart", stages=stages, started=1.0, outcome="done")
    (store.root / "runs" / f"{run}.json").write_json(told.model_dump(mode="json"))


def places(store: Store, log_days: float = 30) -> dict[str, int]:
    found = garbage(store, named_artefacts(store), log_days)
    return {each.place.path.removeprefix(store.root.path + "/"): each.bytes for each in found}


def collect(store: Store) -> None:
    for each in garbage(store, named_artefacts(store), 30):
        each.delete(store)


def test_artefacts_that_no_run_and_no_ref_leads_to_go_whole(store: Store) -> None:
    assert list(places(store)) == [f"crawl/{E}"]
    collect(store)
    kept = {(stage, each.key) for stage in ("crawl", "pages", "release") for each in store.artefacts(stage)}
    assert kept == {("crawl", A), ("pages", B), ("crawl", C), ("release", D)}
    assert not store.place("crawl", E).files()
    assert places(store) == {}


def test_a_root_without_records_of_runs_keeps_every_artefact(store: Store) -> None:
    (store.root / "runs").delete()
    assert named_artefacts(store) is None
    assert places(store) == {}


@pytest.mark.parametrize("content", [b'{"run": "r1"}', b"[]", b"{half", b""])
def test_a_ref_that_names_nothing_stops_everything(store: Store, content: bytes) -> None:
    (store.root / "refs" / "canary.json").write_bytes(content)
    with pytest.raises(WorkError, match=r"canary\.json: names no release; correct it, .*; nothing was deleted"):
        named_artefacts(store)


@pytest.mark.parametrize("content", [b"{half", b"{}", b'{"stages": {}}', b'{"stages": null}', b"[]", b""])
def test_a_record_that_is_none_stops_everything(store: Store, content: bytes) -> None:
    (store.root / "runs" / "r2.json").write_bytes(content)
    with pytest.raises(WorkError, match=r"r2\.json: no record of a run; correct it, .*; nothing was deleted"):
        named_artefacts(store)


def test_a_manifest_that_cannot_be_read_stops_everything_and_is_named(store: Store) -> None:
    (store.place("pages", B) / "artefact.json").write_bytes(b'{"a":')
    with pytest.raises(WorkError, match=rf"pages/{B}/artefact\.json: cannot be read"):
        places(store)


def test_an_artefact_of_no_files_is_whole(store: Store) -> None:
    store.commit(store.attempt("classifiers", B), Manifest("classifiers", B, {}, {}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here"))
    record(store, "r2", classifiers=B)
    assert list(places(store)) == [f"crawl/{E}"]


@pytest.mark.parametrize("half", ["no manifest", "one that names another attempt"])
def test_files_without_the_manifest_that_names_them_stop_everything(store: Store, half: str) -> None:
    """A root that is being copied: its files may come before its manifests, and what they were made from is not known yet."""
    manifest = store.place("pages", B) / "artefact.json"
    told = manifest.read_json()
    if half == "no manifest":
        manifest.delete()
    else:
        manifest.write_json({**told, "attempt": "000002"})
    with pytest.raises(WorkError, match=rf"pages/{B}: files without the manifest that names them, .*; nothing was deleted"):
        named_artefacts(store)


def test_beside_kept_artefacts_go_other_attempts_old_state_and_strangers(store: Store) -> None:
    place = store.place("pages", B)
    (place / "000001" / WORK / "optimiser").write_bytes(b"1234567")
    (place / "000004" / "data").write_bytes(b"123")
    (place / "000001" / "other").write_bytes(b"12")
    assert places(store) == {
        f"crawl/{E}": sum(store.place("crawl", E).sizes().values()),
        f"pages/{B}/000001/_work": 7,
        f"pages/{B}/000004": 3,
        f"pages/{B}/000001/other": 2,
    }
    collect(store)
    assert place.files() == ["000001/data", "artefact.json"]


def test_of_an_unfinished_artefact_that_a_run_names_only_the_attempt_stays_that_can_be_resumed(store: Store) -> None:
    record(store, "r2", corpus=A)
    write_shard(store.attempt("corpus", A, 2), 0, "part-0", b"rows")
    (store.place("corpus", A) / "000001" / "data").write_bytes(b"1")
    assert f"corpus/{A}/000001" in places(store)
    collect(store)
    assert sorted(shard_records(store.attempt("corpus", A, 3))) == [0]


def test_logs_go_when_nothing_was_written_for_the_days_given(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, days in (("old", 31), ("new", 29)):
        file = tmp_path / "logs" / name / "driver.log"
        file.parent.mkdir(parents=True)
        file.write_text("x" * 10)
        for each in (file, file.parent):
            os.utime(each, (time.time() - days * 86400,) * 2)
    assert places(store, 30) == {"logs/old": 10}
    assert places(store, 28) == {"logs/new": 10, "logs/old": 10}


def test_nothing_that_is_no_artefact_is_touched(store: Store) -> None:
    (store.root / "forget" / "abc.json").write_json({})
    (store.root / "notes" / "readme").write_bytes(b"mine")
    (store.root / "crawl" / "my-own" / "file").write_bytes(b"mine")
    assert list(places(store)) == [f"crawl/{E}"]
