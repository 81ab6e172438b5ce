"""A sink has a queue and a failure of its own: whatever one does, what is put into it waits for nobody."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from cluster.track import sinks
from cluster.track.sinks import Sink
from tests.cluster.track.conftest import wait_until


def events(count: int) -> list[dict[str, Any]]:
    return [{"stage": "s", "number": number} for number in range(count)]


def test_every_event_is_handed_over_once_and_in_order() -> None:
    taken: list[Any] = []
    sink = Sink("s", taken.extend, print)
    for event in events(5_000):
        sink.put(event)
    sink.close(10)
    assert taken == events(5_000)


def test_a_sink_that_never_answers_holds_up_nothing_and_is_named_at_the_end() -> None:
    hangs, said = threading.Event(), list[str]()
    sink = Sink("W&B", lambda _: hangs.wait(60), said.append, size=100)
    began = time.monotonic()
    for event in events(10_000):
        sink.put(event)
    assert time.monotonic() - began < 1
    assert len(sink.waiting) <= 100
    assert sink.dropped >= 9_800  # the thread may have taken up to a queue's length before it hung
    sink.close(0.2)
    assert time.monotonic() - began < 2
    assert said == ["W&B: no answer within 0.2 s"]
    hangs.set()


def test_a_sink_that_fails_is_named_once_and_tried_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(sinks, "PAUSES", (0.01, 0.02))
    calls, said = [0], list[str]()

    def take(_: Sequence[Any]) -> None:
        calls[0] += 1
        if calls[0] < 5:
            raise OSError(28, "No space left on device")

    sink = Sink("history", take, said.append, meaning="the stage goes on")
    sink.put({"stage": "s"})
    wait_until(lambda: calls[0] >= 5)
    sink.close(5)
    assert said == ["history: [Errno 28] No space left on device; the stage goes on"]
    assert not sink.failing


def test_what_was_dropped_is_said_in_one_line() -> None:
    begun, go, said = threading.Event(), threading.Event(), list[str]()

    def take(taken: Sequence[Any]) -> None:
        if taken:
            begun.set()
            go.wait(30)

    sink = Sink("slow", take, said.append, size=10)
    sink.put({})
    begun.wait(30)
    for event in events(25):
        sink.put(event)
    go.set()
    sink.close(10)
    assert said == ["slow: 15 events were dropped, as it took them more slowly than they came"]


def test_a_sink_is_given_only_what_it_wants() -> None:
    taken: list[Any] = []
    sink = Sink("s", taken.extend, print, wants=("metrics",))
    for event in ({"advance": 1}, {"metrics": {"loss": 1}}, {"worked": (0, 1)}):
        sink.put(event)
    sink.close(5)
    assert taken == [{"metrics": {"loss": 1}}]
