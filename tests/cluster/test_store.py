"""The store keeps artefacts whole, on a local directory and on S3 alike."""

import glob
import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.fs as pafs
import pytest
import xxhash

from cluster.attempts import BEGUN
from cluster.errors import RequestError, WorkError
from cluster.inputs import candidates, expand
from cluster.store import MANIFEST, WORK, Location, Manifest, Store, shard_records, write_shard


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
    assert again.files() == [BEGUN, f"{WORK}/checkpoint", f"{WORK}/shards/000003.json", "part-000003.parquet"]
    assert shard_records(again)[3]["counts"] == {"kept": 7}


def test_committing_drops_the_working_state_and_records_shards_with_the_digest_of_their_bytes(store: Store) -> None:
    place = store.attempt("pages", "k1")
    write_shard(place, 0, "part-000000.parquet", b"rows")
    (place / "other.json").write_bytes(b"{}")
    artefact = store.commit(place, manifest())
    assert place.parent.files() == ["000001/other.json", "000001/part-000000.parquet", MANIFEST]
    digests = {file["path"]: file["digest"] for file in artefact.manifest["files"]}
    assert digests == {name: xxhash.xxh3_128((place / name).read_bytes()).hexdigest() for name in digests}


def test_what_a_killed_writer_left_is_no_part_of_the_artefact_and_goes(store: Store) -> None:
    place = store.attempt("pages", "k1")
    write_shard(place, 0, "part-000000.parquet", b"rows")
    for name in (".part-000000.parquet.0123456789abcdef0123456789abcdef", "model/.weights.0123456789abcdef0123456789abcdef"):
        (place / name).write_bytes(b"half")
    (place / "model" / "weights").write_bytes(b"whole")
    artefact = store.commit(place, manifest())
    assert [file["path"] for file in artefact.manifest["files"]] == ["model/weights", "part-000000.parquet"]
    assert artefact.location.files() == ["model/weights", "part-000000.parquet"]


def test_an_attempt_takes_over_what_an_earlier_holder_finished_and_the_commit_deletes_the_others(store: Store) -> None:
    first = store.attempt("pages", "k1", 3)
    for index in range(2):
        write_shard(first, index, f"part-{index}", b"rows")
    (first / "cut").write_bytes(b"x")
    (first / WORK / "train" / "state").write_bytes(b"step 7")
    (first / "part-1").delete()  # as after a power failure
    second = store.attempt("pages", "k1", 12)
    assert second.name == "000012"
    assert sorted(shard_records(second)) == [0]
    assert (second / WORK / "train" / "state").read_bytes() == b"step 7"
    assert not (second / "cut").exists()
    if not store.root.is_local:
        assert (first / "part-0").exists()  # its holder may be alive
    artefact = store.commit(second, manifest())
    assert artefact.place.directories() == ["000012"]
    assert artefact.location.files() == ["part-0"]


def test_the_newest_attempt_is_taken_over_by_its_number_not_by_its_name(store: Store) -> None:
    for fence in (999_999, 1_000_000):
        (store.attempt("pages", "k1", fence) / WORK / "state").write_json(fence)
    newest = store.attempt("pages", "k1", 1_000_001)
    assert (newest / WORK / "state").read_json() == 1_000_000


def test_a_holder_that_tries_again_goes_on_from_its_own_state(store: Store) -> None:
    for fence in (1, 2):
        (store.attempt("pages", "k1", fence) / WORK / "state").write_json(fence)
    assert (store.attempt("pages", "k1", 2) / WORK / "state").read_json() == 2


def test_a_local_file_is_on_the_disk_with_its_name_when_its_writing_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: settled.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    Location.of(tmp_path / "new" / "file").write_bytes(b"x")
    made, content, name = settled
    assert (made, name) == (str(tmp_path), f"{tmp_path}/new")
    assert content.startswith(f"{tmp_path}/new/.file.")


def test_an_adoption_that_was_cut_short_is_done_again_from_what_it_came_from(store: Store) -> None:
    first = store.attempt("pages", "k1", 1)
    for index in range(2):
        write_shard(first, index, f"part-{index}", b"rows")
    cut = store.place("pages", "k1") / "000002"
    (cut / "part-0").write_bytes(b"rows")  # and no mark that it had begun
    assert sorted(shard_records(store.attempt("pages", "k1", 3))) == [0, 1]


def test_a_late_holder_overwrites_no_commit_and_the_one_that_lost_uses_it(store: Store) -> None:
    early, late = store.attempt("pages", "k1", 1), Location.of(str(store.root)) / "pages" / "k1" / "000002"
    (early / "data").write_bytes(b"early")
    assert store.commit(early, manifest()).location == early
    (late / "data").write_bytes(b"late, and longer")
    used = store.commit(late, manifest())
    assert used.location == early
    assert (used.location / "data").read_bytes() == b"early"
    assert used.place.directories() == ["000001"]


def test_a_holder_that_loses_the_root_just_before_its_manifest_leaves_its_successor_s_files_alone(store: Store) -> None:
    early, late = store.attempt("pages", "k1", 1), store.place("pages", "k1") / "000002"
    (early / "data").write_bytes(b"early")

    def paused_behind_it() -> None:
        (late / "data").write_bytes(b"half of the successor's")

    assert store.commit(early, manifest(), paused_behind_it).location == early
    assert (late / "data").read_bytes() == b"half of the successor's"
    assert store.commit(late, manifest()).location == early  # which the successor then uses


def test_a_holder_that_lost_the_root_commits_nothing(store: Store) -> None:
    def check() -> None:
        raise WorkError("lost")

    place = store.attempt("pages", "k1")
    with pytest.raises(WorkError, match="lost"):
        store.commit(place, manifest(), check)
    assert store.artefact("pages", "k1") is None


def test_a_shard_that_is_not_as_it_was_recorded_stops_the_commit(store: Store) -> None:
    place = store.attempt("pages", "k1")
    write_shard(place, 0, "part-0", b"rows")
    (place / "part-0").write_bytes(b"ro")
    with pytest.raises(WorkError, match=r"part-0: 2 bytes where 4 were written; .*run again"):
        store.commit(place, manifest())


def test_what_a_kill_behind_the_manifest_left_goes_with_the_next_look(store: Store) -> None:
    place = store.attempt("pages", "k1")
    artefact = store.commit(place, manifest())
    (place / WORK / "optimiser").write_bytes(b"large")
    (artefact.place / "000009" / "data").write_bytes(b"of a holder that lost the root")
    assert store.tidy(artefact, 9) == 2
    assert artefact.place.files() == [MANIFEST]
    assert store.tidy(artefact, 9) == 0


def test_shards_beyond_a_million_keep_their_own_records(tmp_path: Path) -> None:
    place = Location.of(tmp_path)
    for index in (123456, 1234560, 1234567):
        write_shard(place, index, f"part-{index}", b"x", number=index)
    assert {index: record["counts"]["number"] for index, record in shard_records(place).items()} == {
        123456: 123456,
        1234560: 1234560,
        1234567: 1234567,
    }


def test_everything_is_on_the_disk_before_the_manifest_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, source = Store(tmp_path / "root"), tmp_path / "model"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "weights").write_bytes(b"weights")
    settled: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        settled.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    place = store.attempt("pages", "k1")
    place.upload(source)
    Path(place.path, "beside").mkdir()
    Path(place.path, "beside", "plain").write_bytes(b"by a library")  # which does not care
    store.commit(place, manifest())
    named = next(number for number, path in enumerate(settled) if f"/.{MANIFEST}." in path)
    before = set(settled[:named])
    top = place.path
    assert {
        f"{top}/deep",
        f"{top}/beside",
        f"{top}/beside/plain",
        top,
        f"{tmp_path}/root/pages/k1",
        f"{tmp_path}/root",
    } <= before
    assert any(path.startswith(f"{top}/deep/.weights.") for path in before)
    assert f"{tmp_path}/root/pages/k1" in settled[named:]


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


def test_processes_of_a_machine_read_one_copy_and_what_has_changed_is_another_one(s3_root: str, tmp_path: Path) -> None:
    place = Location.of(s3_root) / "model"
    (place / "weights").write_bytes(b"first")
    again = pickle.loads(pickle.dumps(place))  # as another rank has it
    with place.as_local() as one, again.as_local() as two:
        assert one == two
        (place / "weights").write_bytes(b"second")
        with place.as_local() as three:
            assert [(copy / "weights").read_bytes() for copy in (one, three)] == [b"first", b"second"]
    assert not one.exists()


def test_a_root_in_a_bucket_that_does_not_exist_is_refused_for_writing(s3_root: str) -> None:
    Store(s3_root).check(writing=True)
    assert Location.of(s3_root).files() == []
    with pytest.raises(RequestError, match="s3://no-such-bucket/x: there is no bucket no-such-bucket; create it, or choose"):
        Store("s3://no-such-bucket/x").check(writing=True)


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


TREE = (
    *("x.html", "y.htm", "a1.html", "b/x.html", "b/c/x.html", "b/c/d/y.html", "e[1]/x.html", "star*.txt"),
    *(".dot.html", ".git/x.html", "b/.cache/x.html", "b/.cache/.deep/x.html"),
)


def tree(top: Path) -> Path:
    for name in TREE:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


def named_in(top: Path | str, pattern: str) -> list[str]:
    return [file["uri"][len(str(top)) + 1 :] for file in expand(f"{top}/{pattern}")]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.html", "?.htm*", "[a-x]*.html", "[!x]*.html", "*", "*/*.html", "*/*/*.html", "b/*/x.html", "*/c/*.html"),
        *("**/*.html", "**/x.html", "b/**/x.html", "**", "b/**", "**/c/**/*.html", "*/**/x.html", "**/[c-d]/*"),
        *(".*", ".git/*", "**/.cache/*", "*/.cache/x.html", "*/.cache/.*/*", "e[[]1]/*", "[e]*/x.html", "b/../*.html"),
    ],
)
def test_a_glob_names_the_files_that_pythons_glob_names(tmp_path: Path, pattern: str) -> None:
    top = tree(tmp_path)
    found = glob.glob(f"{glob.escape(str(top))}/{pattern}", recursive=True)
    judged = sorted({os.path.relpath(path, top) for path in found if os.path.isfile(path)})
    assert judged
    assert named_in(top, pattern) == judged


def test_a_glob_names_the_same_objects_of_a_bucket_as_files_of_a_directory(s3_root: str, tmp_path: Path) -> None:
    tree(tmp_path)
    for name in TREE:
        (Location.of(s3_root) / name).write_bytes(name.encode())
    for pattern in (
        "*.html",
        "*/*.html",
        "**/*.html",
        "b/**",
        "*/c/*.html",
        ".git/*",
        "**/.cache/*",
        "",
        "b",
        "e[1]",
        "star*.txt",
    ):
        assert named_in(s3_root, pattern) == named_in(tmp_path, pattern) != []


def test_a_path_that_exists_is_meant_literally_whatever_signs_are_in_it(tmp_path: Path) -> None:
    for name in ("a[1].html", "a1.html", "br[1]/in.html", "br1/in.html", "what?.html", "whats.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert named_in(tmp_path, "a[1].html") == ["a[1].html"]
    assert named_in(tmp_path, "br[1]") == ["br[1]/in.html"]
    assert named_in(tmp_path, "what?.html") == ["what?.html"]
    assert named_in(tmp_path, "br[1]/*.html") == ["br1/in.html"]


def test_a_glob_with_two_stars_inside_a_name_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_text("x")
    with pytest.raises(RequestError, match=r"\*\*\.gz: `\*\*` stands for directories and must be a whole part of the path, as"):
        expand(f"{tmp_path}/**.gz")


def test_listing_goes_no_deeper_than_the_pattern(tmp_path: Path) -> None:
    listed: list[tuple[str, bool]] = []

    class Recording(pafs.FSSpecHandler):
        def get_file_info_selector(self, selector: Any) -> Any:
            listed.append((selector.base_dir[len(str(tmp_path)) :], selector.recursive))
            return super().get_file_info_selector(selector)

    def reached(pattern: str) -> list[tuple[str, bool]]:
        listed.clear()
        list(candidates(Location(pafs.PyFileSystem(Recording(fsspec.filesystem("file"))), f"{tree(tmp_path)}/{pattern}")))
        return sorted(listed)

    assert reached("*.html") == [("", False)]
    assert reached("b/*/*.html") == [("/b", False), ("/b/c", False)]
    assert reached("[be]*/c/*.html") == [("", False), ("/b/c", False), ("/e[1]/c", False)]
    assert reached("b/**/x.html") == [("/b", True)]
    assert reached("x.html") == []


def test_a_directory_gives_each_file_once_in_spite_of_links_and_nothing_that_is_hidden(tmp_path: Path) -> None:
    top, beside = tree(tmp_path / "top"), tmp_path / "beside"
    (beside / "deep").mkdir(parents=True)
    (beside / "deep" / "z.html").write_text("z")
    (beside / "back").symlink_to(top)
    for name, target in {
        "loop": ".",
        "b/up": "..",
        "a-link": "b",
        "out": "../beside",
        "link.html": "x.html",
        "broken.html": "nowhere",
        "self": "self",
    }.items():
        (top / name).symlink_to(target)
    visible = sorted(name for name in TREE if "/." not in f"/{name}")
    assert named_in(top, "") == sorted([*visible, "link.html", "out/deep/z.html"])
    assert named_in(top, "**/x.html") == sorted(name for name in visible if f"/{name}".endswith("/x.html"))
    assert named_in(top, ".git") == [".git/x.html"]
    assert named_in(top, "b/.cache") == ["b/.cache/x.html"]


def test_a_name_that_is_not_utf8_is_told_with_the_remedy_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("x")
    (tmp_path / os.fsdecode(b"lat\xe9.html")).write_text("x")
    assert named_in(tmp_path, "*.txt") == ["good.txt"]
    for pattern in ("", "*.html", os.fsdecode(b"lat\xe9.html")):
        with pytest.raises(RequestError, match=r"/lat\\xe9\.html: the name of this file is not UTF-8; rename it"):
            expand(f"{tmp_path}/{pattern}")
    with pytest.raises(RequestError, match=r"/gone\\xe9\.html: no file there; check the path"):
        expand(os.fsdecode(b"/gone\xe9.html"))


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
