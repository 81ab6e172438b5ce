import io

import pytest
from rich.console import Console

from cluster.track import console
from cluster.track.console import RunConsole


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(console.time, "time", lambda: now[0])
    return now


def line_of(shown: RunConsole) -> str:
    page = Console(file=io.StringIO(), width=120)
    page.print(shown)
    return page.file.getvalue()  # type: ignore[attr-defined]


def begun(clock: list[float]) -> RunConsole:
    shown = RunConsole(Console(file=io.StringIO()))
    shown.begin("pages")
    shown.event({"time": clock[0], "advance": 0, "total": None, "unit": "pages"})
    return shown


def test_where_the_total_is_known_rate_and_time_left_follow_from_it(clock: list[float]) -> None:
    shown = begun(clock)
    clock[0] += 10
    shown.event({"time": clock[0], "advance": 50, "total": 200, "unit": "pages"})
    assert "50/200 pages" in line_of(shown)
    assert "5/s" in line_of(shown)
    assert "30.0 s left" in line_of(shown)


def test_where_it_is_not_known_time_left_follows_from_the_parts_that_are_done(clock: list[float]) -> None:
    shown = begun(clock)
    clock[0] += 10
    shown.event({"time": clock[0], "advance": 50, "total": None, "unit": "pages"})
    assert "left" not in line_of(shown)
    shown.event({"time": clock[0], "parts": 5})
    assert "50 pages" in line_of(shown)
    assert "40.0 s left" in line_of(shown)


def test_the_next_stage_begins_from_nothing(clock: list[float]) -> None:
    shown = begun(clock)
    shown.event({"time": clock[0], "parts": 1})
    shown.begin("dedup")
    assert "left" not in line_of(shown)
    assert "starting" in line_of(shown)
