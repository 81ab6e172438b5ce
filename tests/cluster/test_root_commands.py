"""`verify` and `gc` as they are called."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pageloom
from cluster.errors import RequestError, WorkError
from cluster.lock import lock_root
from cluster.store import Artefact, Manifest, Store
from tests.cluster.test_garbage import record

KEY, OTHER = "a" * 16, "b" * 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with two artefacts, one of which a run names."""
    store = Store(tmp_path)
    for key in (KEY, OTHER):
        commit(store, key)
    record(store, "r", crawl=KEY)
    return tmp_path


def commit(store: Store, key: str) -> Artefact:
    place = store.attempt("crawl", key)
    (place / "data").write_bytes(b"x" * 1500)
    return store.commit(place, Manifest("crawl", key, {}, {}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here"))


def call(*words: str) -> str:
    """What a command prints on stdout. Raises what it raises."""
    result = CliRunner().invoke(pageloom.app, list(words), obj=pageloom.line(), catch_exceptions=False)
    return result.stdout


def test_verify_says_how_much_is_as_committed(root: Path) -> None:
    assert call("verify", "--root", str(root)) == "2 artefacts, 2 files, 3.0 kB: all as committed\n"


def test_verify_names_each_file_that_changed_and_fails(root: Path) -> None:
    changed = root / "crawl" / KEY / "000001" / "data"
    changed.write_bytes(b"y" * 1500)
    with pytest.raises(
        WorkError, match=r"1 files are not as .* \(2 artefacts, 2 files, 3\.0 kB\); .* `pageloom run quickstart --force crawl`$"
    ):
        call("verify", "--root", str(root))
    result = CliRunner().invoke(pageloom.app, ["verify", "--root", str(root), "--json"], obj=pageloom.line())
    assert isinstance(result.exception, WorkError)
    told = json.loads(result.stdout)
    assert told["faults"] == [
        {"stage": "crawl", "key": KEY, "path": "data", "what": "its bytes are not those that were committed"}
    ]
    assert (told["artefacts"], told["files"], told["bytes"]) == (2, 2, 3000)


def test_verify_misses_what_a_run_made_and_what_others_were_made_from(root: Path) -> None:
    store = Store(root)
    place = store.attempt("pages", KEY)
    store.commit(place, Manifest("pages", KEY, {}, {"crawl": OTHER}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here"))
    record(store, "later", pages=KEY, corpus=KEY)
    (store.place("crawl", OTHER) / "artefact.json").delete()
    result = CliRunner().invoke(pageloom.app, ["verify", "--root", str(root), "--json"], obj=pageloom.line())
    assert isinstance(result.exception, WorkError)
    assert [(each["stage"], each["key"], each["what"]) for each in json.loads(result.stdout)["faults"]] == [
        ("corpus", KEY, "missing, and run later made it"),
        ("crawl", OTHER, f"missing, and pages {KEY} was made from it"),
    ]


def test_verify_names_a_manifest_that_cannot_be_read_beside_everything_else(root: Path) -> None:
    manifest = root / "crawl" / KEY / "artefact.json"
    manifest.write_text('{"a":')
    (root / "crawl" / OTHER / "000001" / "data").unlink()
    result = CliRunner().invoke(pageloom.app, ["verify", "--root", str(root), "--json"], obj=pageloom.line())
    assert [(each["key"], each["path"], each["what"]) for each in json.loads(result.stdout)["faults"]] == [
        (KEY, "artefact.json", "cannot be read"),
        (OTHER, "data", "missing"),
    ]


def test_verify_names_records_and_refs_that_cannot_be_read_beside_everything_else(root: Path) -> None:
    (root / "runs" / "r.json").write_text("{}")
    (root / "refs").mkdir()
    (root / "refs" / "stable.json").write_text("[]")
    (root / "crawl" / OTHER / "000001" / "data").unlink()
    result = CliRunner().invoke(pageloom.app, ["verify", "--root", str(root), "--json"], obj=pageloom.line())
    assert [(each["stage"], each["path"], each["what"]) for each in json.loads(result.stdout)["faults"]] == [
        ("runs", "r.json", "no record of a run"),
        ("refs", "stable.json", "names no release"),
        ("crawl", "data", "missing"),
    ]
    assert str(result.exception).endswith("put back copies of them, or run again what made them, with --force crawl")


def test_verify_of_a_place_where_nothing_was_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nothing was made there; `pageloom run` does, --root names another place"):
        call("verify", "--root", str(tmp_path / "slip"))


def test_gc_says_what_would_go_deletes_it_and_is_done(root: Path) -> None:
    place = f"{root}/crawl/{OTHER}"
    before = call("gc", "--root", str(root), "--dry-run")
    assert f"{place}  (no run names it)" in before
    assert "in 2 files would go; `pageloom gc` deletes it" in before
    assert Path(place).exists()
    told = json.loads(call("gc", "--root", str(root), "--json"))
    assert [(each["place"], each["files"]) for each in told["garbage"]] == [(place, 2)]
    assert told["bytes"] > 1500
    assert not Path(place).exists()
    assert call("gc", "--root", str(root)) == "nothing to delete\n"
    assert call("verify", "--root", str(root)).startswith("1 artefacts")


def test_gc_says_that_a_root_without_records_of_runs_is_kept(root: Path) -> None:
    (root / "runs" / "r.json").unlink()
    said = call("gc", "--root", str(root))
    assert said == f"{root}: no records of runs there, so every artefact stays\nnothing to delete\n"


def test_gc_deletes_nothing_while_a_run_holds_the_root(root: Path) -> None:
    with lock_root(Store(root).root):
        with pytest.raises(RequestError, match="held by another run"):
            call("gc", "--root", str(root))
        assert "would go" in call("gc", "--root", str(root), "--dry-run")
    assert (root / "crawl" / OTHER).exists()
