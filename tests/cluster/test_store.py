"""The store keeps artefacts whole, on a local directory and on S3 alike."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import xxhash

from cluster.errors import RequestError
from cluster.store import MANIFEST, WORK, Location, Manifest, Store, expand, shard_records, write_shard


def manifest(stage: str = "pages", key: str = "k1") -> Manifest:
    return Manifest(stage, key, {}, {}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here")


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "root" if request.param == "local" else request.getfixturevalue("s3_root"))


def test_an_attempt_is_invisible_until_it_is_committed(store: Store) -> None:
    place = store.attempt("pages", "k1")
    (place / "part-0.parquet").write_bytes(b"abc")
    assert store.artefact("pages", "k1") is None
    assert store.artefacts("pages") == []
    store.commit(place, manifest())
    found = store.artefact("pages", "k1")
    assert found is not None
    assert found.manifest["files"] == [{"path": "part-0.parquet", "bytes": 3, "digest": xxhash.xxh3_128(b"abc").hexdigest()}]
    assert (found.location / "part-0.parquet").read_bytes() == b"abc"


def test_a_new_attempt_keeps_finished_shards_and_working_state_and_clears_the_rest(store: Store) -> None:
    place = store.attempt("pages", "k1")
    write_shard(place, 3, "part-000003.parquet", b"finished", kept=7)
    (place / "half-written").write_bytes(b"x")
    (place / WORK / "checkpoint").write_bytes(b"state")
    again = store.attempt("pages", "k1")
    assert again.files() == [f"{WORK}/checkpoint", f"{WORK}/shards/000003.json", "part-000003.parquet"]
    assert shard_records(again)[3]["counts"] == {"kept": 7}


def test_committing_drops_the_working_state_and_records_shards_with_the_digest_of_their_bytes(store: Store) -> None:
    place = store.attempt("pages", "k1")
    write_shard(place, 0, "part-000000.parquet", b"rows")
    (place / "other.json").write_bytes(b"{}")
    artefact = store.commit(place, manifest())
    assert place.files() == [MANIFEST, "other.json", "part-000000.parquet"]
    digests = {file["path"]: file["digest"] for file in artefact.manifest["files"]}
    assert digests == {name: xxhash.xxh3_128((place / name).read_bytes()).hexdigest() for name in digests}


def test_the_artefacts_digest_ignores_what_was_measured_and_sees_every_other_byte(tmp_path: Path) -> None:
    def commit(name: str, files: dict[str, bytes]) -> str:
        store = Store(tmp_path / name)
        place = store.attempt("s", "k")
        for path, data in files.items():
            (place / path).write_bytes(data)
        return store.commit(place, manifest("s", "k")).digest

    first = commit("a", {"data": b"1", "metrics.jsonl": b'{"time": 1}'})
    assert commit("b", {"data": b"1", "metrics.jsonl": b'{"time": 2}'}) == first
    assert commit("c", {"data": b"2", "metrics.jsonl": b'{"time": 1}'}) != first


def test_a_location_reaches_the_same_place_after_pickling(store: Store) -> None:
    place = store.root / "x"
    pickle.loads(pickle.dumps(place)).write_bytes(b"from a worker")
    assert place.read_bytes() == b"from a worker"


def test_a_directory_travels_to_the_store_and_back_unchanged(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "nested").mkdir(parents=True)
    (source / "config.json").write_text(json.dumps({"a": 1}))
    (source / "nested" / "weights").write_bytes(bytes(range(256)) * 1000)
    (store.root / "model").upload(source)
    with (store.root / "model").as_local() as copy:
        for name in ("config.json", "nested/weights"):
            expected = hashlib.sha256((source / name).read_bytes()).hexdigest()
            assert hashlib.sha256((copy / name).read_bytes()).hexdigest() == expected


def test_a_failed_write_leaves_no_file_behind(tmp_path: Path) -> None:
    place = Location.of(tmp_path / "file")
    with pytest.raises(TypeError):
        place.write_bytes("not bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_expand_lists_files_directories_and_globs_in_name_order_with_their_sizes(tmp_path: Path) -> None:
    for name, size in (("b.warc", 2), ("a.warc", 1), ("c.txt", 3), (".hidden.warc", 4)):
        (tmp_path / name).write_bytes(b"x" * size)

    def listed(pattern: str) -> list[tuple[str, int]]:
        return [(Path(file["uri"]).name, file["bytes"]) for file in expand(pattern)]

    assert listed(str(tmp_path / "*.warc")) == [("a.warc", 1), ("b.warc", 2)]
    assert listed(str(tmp_path)) == [("a.warc", 1), ("b.warc", 2), ("c.txt", 3)]
    assert listed(str(tmp_path / "c.txt")) == [("c.txt", 3)]


def test_expand_lists_objects_of_a_bucket(s3_root: str) -> None:
    (Location.of(s3_root) / "crawl" / "a.warc.gz").write_bytes(b"12345")
    (Location.of(s3_root) / "crawl" / "b.txt").write_bytes(b"1")
    files = expand(f"{s3_root}/crawl/*.warc.gz")
    assert [(file["uri"], file["bytes"]) for file in files] == [(f"{s3_root}/crawl/a.warc.gz", 5)]
    assert Location.of(files[0]["uri"]).read_bytes() == b"12345"


def test_a_missing_input_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nothing\*\.warc: no file there; check the path"):
        expand(str(tmp_path / "nothing*.warc"))


def test_an_unknown_scheme_is_refused_in_one_line() -> None:
    with pytest.raises(RequestError, match="ftp://host/x: cannot open this location") as caught:
        Location.of("ftp://host/x")
    assert "\n" not in str(caught.value)
