import io
import json
from typing import Any

import pytest
from rich.console import Console

from cluster.track import console
from cluster.track.console import QUIET, VERBOSE, JsonConsole, RunConsole


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(console.time, "time", lambda: now[0])
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def line_of(shown: RunConsole) -> str:
    page = Console(file=io.StringIO(), width=120)
    page.print(shown)
    return page.file.getvalue()  # type: ignore[attr-defined]


def progress(clock: list[float], **event: Any) -> dict[str, Any]:
    return {"stage": "pages", "time": clock[0], **event}


def begun(clock: list[float], file: io.StringIO | None = None, **options: Any) -> RunConsole:
    shown = RunConsole(Console(file=file or io.StringIO(), width=120), **options)
    shown.begin("pages")
    shown.take([progress(clock, advance=0, total=None, unit="pages")])
    return shown


def test_where_the_total_is_known_rate_and_time_left_follow_from_it(clock: list[float]) -> None:
    shown = begun(clock)
    clock[0] += 10
    shown.take([progress(clock, advance=50, total=200, unit="pages")])
    assert "50/200 pages" in line_of(shown)
    assert "5/s" in line_of(shown)
    assert "30.0 s left" in line_of(shown)


def test_where_it_is_not_known_time_left_follows_from_the_parts_that_are_done(clock: list[float]) -> None:
    shown = begun(clock)
    clock[0] += 10
    shown.take([progress(clock, advance=50, total=None, unit="pages")])
    assert "left" not in line_of(shown)
    shown.take([progress(clock, parts=5)])
    assert "50 pages" in line_of(shown)
    assert "40.0 s left" in line_of(shown)


def test_the_next_stage_begins_from_nothing_and_hears_nothing_of_the_last(clock: list[float]) -> None:
    shown = begun(clock)
    shown.take([progress(clock, parts=1)])
    shown.begin("dedup")
    shown.take([progress(clock, advance=50, total=None, unit="pages")])
    assert "left" not in line_of(shown)
    assert "starting" in line_of(shown)


def test_without_a_terminal_a_line_says_every_thirty_seconds_what_the_bar_would(clock: list[float]) -> None:
    file = io.StringIO()
    shown = begun(clock, file)
    for _ in range(70):
        clock[0] += 1
        shown.take([progress(clock, advance=1, total=140, unit="pages")])
    assert file.getvalue().splitlines() == [
        "    pages         30/140 pages   1/s   1 min 50 s left",
        "    pages         60/140 pages   1/s   1 min 20 s left",
    ]


def told(shown: RunConsole | JsonConsole) -> None:
    """A small run, told."""
    shown.print("pageloom x → root")
    shown.reused("crawl", "k")
    shown.begin("pages")
    shown.detail("pages k → root/pages/k")
    shown.fault("W&B: no key")
    shown.end("pages", 65.4, 0.25, 3 << 30)
    shown.begin("dedup")
    shown.fail("dedup")
    shown.result("report", "report  r.html", place="r.html")


def test_the_quiet_hear_failures_and_what_the_run_ends_with() -> None:
    file = io.StringIO()
    told(RunConsole(Console(file=file, width=120), level=QUIET))
    assert file.getvalue().splitlines() == ["  ! W&B: no key", "  ✗ dedup", "report  r.html"]


def test_who_asks_for_more_hears_where_things_are() -> None:
    file = io.StringIO()
    told(RunConsole(Console(file=file, width=120), level=VERBOSE))
    assert "    pages k → root/pages/k" in file.getvalue().splitlines()
    assert "  ✓ pages         1 min 05 s    25% start-up   3.0 GiB" in file.getvalue().splitlines()


def test_programs_get_an_object_a_line(clock: list[float]) -> None:
    file = io.StringIO()
    shown = JsonConsole(Console(file=file))
    told(shown)
    shown.begin("tokens")
    clock[0] += 31
    shown.take([{"stage": "tokens", "time": clock[0], "done": 3, "total": 4, "unit": "files"}])
    rows = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [row["event"] for row in rows] == [
        *("said", "reused", "begin", "said", "fault", "end", "begin", "fail", "report", "begin", "progress")
    ]
    assert rows[8]["place"] == "r.html"
    assert (rows[-1]["stage"], rows[-1]["done"], rows[-1]["total"]) == ("tokens", 3, 4)


def test_signs_in_what_is_said_are_not_taken_for_style(capsys: pytest.CaptureFixture[str]) -> None:
    shown = RunConsole(Console(width=120))
    shown.print("[bold]root[/b]")
    shown.fault("[x] [/]")
    assert capsys.readouterr().out.splitlines() == ["[bold]root[/b]", "  ! [x] [/]"]
