"""Files that changed after their commit are found, and no stage reads them."""

from pathlib import Path

import pytest

from cluster.errors import WorkError
from cluster.store import Artefact, Manifest, Store
from cluster.verify import faults, refuse_changed, size_faults, strangers


@pytest.fixture(params=["local", "s3"])
def artefact(request: pytest.FixtureRequest, tmp_path: Path) -> Artefact:
    store = Store(tmp_path / "root" if request.param == "local" else request.getfixturevalue("s3_root"))
    place = store.attempt("pages", "k")
    for name in ("a", "deep/b", "c"):
        (place / name).write_bytes(name.encode() * 1000)
    return store.commit(place, Manifest("pages", "k", {}, {}, [], "1", "0", 0.0, 1.0, 0.5, 10, "here"))


def test_an_artefact_as_committed_has_no_faults(artefact: Artefact) -> None:
    assert faults(artefact) == []
    assert strangers(artefact) == {}
    refuse_changed(artefact)


def test_a_missing_a_cut_and_a_changed_file_are_each_named(artefact: Artefact) -> None:
    (artefact.location / "a").delete()
    (artefact.location / "deep/b").write_bytes(b"short")
    (artefact.location / "c").write_bytes(b"C" * 1000)
    assert [(fault.path, fault.what) for fault in faults(artefact)] == [
        ("a", "missing"),
        ("deep/b", "5 bytes instead of 6,000"),
        ("c", "its bytes are not those that were committed"),
    ]
    assert [fault.path for fault in size_faults(artefact)] == ["a", "deep/b"]


def test_a_stage_is_not_given_an_input_whose_files_changed(artefact: Artefact) -> None:
    (artefact.location / "a").delete()
    (artefact.location / "c").write_bytes(b"")
    with pytest.raises(WorkError, match=r"/a: missing \(and 1 more\); `pageloom verify` .* run again with --force pages"):
        refuse_changed(artefact)


def test_a_byte_is_enough_where_all_can_be_read_in_a_moment_and_else_the_size(
    artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    (artefact.location / "c").write_bytes(b"C" + b"c" * 999)
    with pytest.raises(WorkError, match=r"/c: its bytes are not those that were committed; "):
        refuse_changed(artefact)
    monkeypatch.setattr("cluster.verify.SMALL", 1000)
    refuse_changed(artefact)


def test_files_that_no_manifest_names_are_strangers(artefact: Artefact) -> None:
    (artefact.location / "deep" / "other").write_bytes(b"12345")
    assert strangers(artefact) == {"deep/other": 5}
    assert faults(artefact) == []
