"""Only one of several writers writes first, and it knows."""

import errno
import os
import threading
from pathlib import Path

import pytest

from cluster.conditional import Cell, Taken, create, move, s3_profile
from cluster.errors import RequestError
from cluster.location import Location


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return Location.of(tmp_path if request.param == "local" else request.getfixturevalue("s3_root")) / "deep" / "file"


def test_of_writers_at_once_one_creates_the_file_and_it_holds_what_that_one_wrote(place: Location) -> None:
    barrier, won = threading.Barrier(8), list[bytes]()

    def write(data: bytes) -> None:
        barrier.wait()
        if create(place, data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(f"writer {number}".encode() * 100,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [place.read_bytes()]
    assert place.parent.files() == ["file"]


def test_a_file_that_holds_the_same_bytes_was_written_by_an_earlier_try_of_the_same_call(place: Location) -> None:
    assert create(place, b"mine")
    assert create(place, b"mine")
    assert not create(place, b"another's")
    assert place.read_bytes() == b"mine"


def test_a_filesystem_without_hard_links_keeps_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    place = Location.of(tmp_path) / "file"
    assert create(place, b"mine")
    assert not create(place, b"another's")
    assert place.read_bytes() == b"mine"
    assert place.parent.files() == ["file"]


def test_an_object_is_replaced_only_as_the_version_that_was_seen(s3_root: str) -> None:
    cell = Cell(Location.of(s3_root) / "cell")
    assert cell.read() is None
    first = cell.create(b"1")
    second = cell.replace(b"2", first)
    with pytest.raises(Taken):
        cell.replace(b"3", first)
    with pytest.raises(Taken):
        cell.create(b"4")
    assert cell.read() == (b"2", second)
    assert cell.replace(b"2", first) == second  # an answer got lost: what is there is what was to be written


def test_a_holder_that_is_paused_before_it_writes_moves_nothing_that_its_successor_moved(s3_root: str) -> None:
    ref = Location.of(s3_root) / "refs" / "latest.json"
    move(ref, b"first", lambda: None)
    with pytest.raises(Taken):
        move(ref, b"of the one that was paused", lambda: move(ref, b"of its successor", lambda: None))
    assert ref.read_bytes() == b"of its successor"


def test_a_bucket_that_does_not_exist_is_no_free_root(s3_root: str) -> None:
    with pytest.raises(OSError, match="there is no such bucket"):
        Cell(Location.of("s3://no-such-bucket-here") / "cell").read()


def test_keys_in_a_file_are_found_where_no_variable_holds_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B%c\n[work]\naws_access_key_id = W\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert s3_profile() == {"access_key_id": "A", "secret_access_key": "B%c"}
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert s3_profile() == {"access_key_id": "W"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "V")
    assert s3_profile() == {}


def test_a_store_without_conditional_writes_is_refused_in_one_line(place: Location) -> None:
    if place.is_local:
        with pytest.raises(
            RequestError, match=r"two runs could destroy each other's work in a store of this kind; use a local"
        ):
            Cell(place)
