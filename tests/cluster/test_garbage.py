"""What no run and no ref names goes, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from cluster.errors import WorkError
from cluster.garbage import garbage, named_artefacts
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
    (store.root / "runs" / "r1.json").write_json({"stages": {"pages": B}})
    (store.root / "refs" / "stable.json").write_json({"stage": "release", "key": D, "run": "gone"})
    return store


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


def test_a_ref_that_names_nothing_stops_everything(store: Store) -> None:
    (store.root / "refs" / "canary.json").write_json({"run": "r1"})
    with pytest.raises(WorkError, match="canary names no release; correct or delete it, nothing was deleted"):
        named_artefacts(store)


def test_a_record_that_cannot_be_read_stops_everything(store: Store) -> None:
    (store.root / "runs" / "r2.json").write_bytes(b"{half")
    with pytest.raises(WorkError, match=r"r2\.json: cannot be read .*; correct or delete it, nothing was deleted"):
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
    (store.root / "runs" / "r2.json").write_json({"stages": {"corpus": A}})
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
