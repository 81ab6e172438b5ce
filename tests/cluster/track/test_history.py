"""A history is appended in segments, survives what it can, and knows what it lost."""

import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.store import Location
from cluster.track import segments
from cluster.track.history import History, merge_history
from cluster.track.segments import Segments, read_segments


def metrics(number: int, step: int, **values: float) -> dict[str, Any]:
    return {"stage": "s", "time": 1.0, "sender": "a", "number": number, "metrics": values, "step": step}


def files(place: Path) -> dict[str, list[int]]:
    return {each.name: [json.loads(line)["n"] for line in each.read_text().splitlines()] for each in sorted(place.iterdir())}


def test_only_the_newest_segment_is_rewritten_and_a_full_one_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 20)  # a row is 9 bytes
    rows = Segments(Location.of(tmp_path / "h"))
    for n in range(7):
        rows.append({"n": n})
        rows.save()
    assert files(tmp_path / "h") == {"000001.jsonl": [0, 1, 2], "000002.jsonl": [3, 4, 5], "000003.jsonl": [6]}


def test_a_later_process_never_touches_what_an_earlier_one_left(tmp_path: Path) -> None:
    place = Location.of(tmp_path / "h")
    for n in (1, 2):
        rows = Segments(place)
        rows.append({"n": n})
        rows.save()
    assert files(tmp_path / "h") == {"000001.jsonl": [1], "000002.jsonl": [2]}
    assert [row["n"] for row in read_segments(place)] == [1, 2]


def test_of_a_step_said_twice_the_later_values_hold_whichever_attempt_said_them(tmp_path: Path) -> None:
    place, output = Location.of(tmp_path / "work"), Location.of(tmp_path / "out")
    for first, loss in ((0, 1.0), (2, 5.0)):  # the second attempt resumes from step 2
        history = History(place)
        history.take([metrics(step + 1, step, loss=loss + step) for step in range(first, 4)])
        history.save()
    merge_history(place, output)
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(0, 1.0), (1, 2.0), (2, 7.0), (3, 8.0)]


def test_a_checkpoint_s_question_is_answered_only_when_its_metrics_are_in_place(tmp_path: Path) -> None:
    history = History(Location.of(tmp_path / "h"))
    history.take([metrics(1, 0, loss=1.0)])
    assert history.saved == {"a": 1}
    history.take([metrics(2, 1, loss=1.0)])
    assert history.saved == {"a": 1}  # within the second after a saving
    history.take([{"stage": "s", "time": 1.0, "sender": "a", "number": 3, "settle": True}])
    assert history.saved == {"a": 3}
    assert [row["step"] for row in read_segments(Location.of(tmp_path / "h"))] == [0, 1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_no_row_once_there_is_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(1 << 20))
    history = History(Location.of(small_disk / "h"))
    with pytest.raises(OSError, match="No space left") as caught:
        history.take([metrics(step + 1, step, loss=1.0) for step in range(100)])
    assert caught.value.errno == errno.ENOSPC
    assert history.saved == {}
    ballast.unlink()
    history.take([])
    assert history.saved == {"a": 100}
    assert [row["step"] for row in read_segments(Location.of(small_disk / "h"))] == list(range(100))


def test_rows_that_wait_too_long_for_a_place_go_oldest_first_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "UNSAVED", 50)  # five rows of nine bytes
    (tmp_path / "h").write_text("a file where a directory should be")
    rows = Segments(Location.of(tmp_path / "h"))
    for n in range(9):
        rows.append({"n": n})
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        rows.save()
    assert rows.lost == 4
    (tmp_path / "h").unlink()
    rows.save()
    assert files(tmp_path / "h") == {"000001.jsonl": [4, 5, 6, 7, 8]}


def test_a_history_on_an_object_store_is_the_same(s3_root: str) -> None:
    place, output = Location.of(s3_root) / "work", Location.of(s3_root) / "out"
    history = History(place)
    history.take([metrics(step + 1, step, loss=1.0) for step in range(3)])
    history.save()
    merge_history(place, output)
    assert [json.loads(line)["step"] for line in (output / "metrics.jsonl").read_bytes().splitlines()] == [0, 1, 2]


def test_rows_that_never_found_their_place_are_in_the_artefact_all_the_same(tmp_path: Path) -> None:
    place, output = Location.of(tmp_path / "work"), Location.of(tmp_path / "out")
    history = History(place)
    history.take([metrics(1, 0, loss=1.0)])
    history.take([metrics(2, 1, loss=2.0)])  # within the second: not saved yet
    merge_history(place, output, history.segments.waiting())
    assert [json.loads(line)["step"] for line in (output / "metrics.jsonl").read_bytes().splitlines()] == [0, 1]
