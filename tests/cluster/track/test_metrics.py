"""The table of metrics: what stages say is declared, and what follows from it keeps the conventions."""

import re
from pathlib import Path
from typing import Any

import pytest

from cluster.track import prometheus
from cluster.track.metrics import LABEL_VALUES, METRICS, declared
from cluster.track.prometheus import Prometheus

CHECKOUT = Path(__file__).parents[3]


def test_names_keep_prometheus_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"pageloom_[a-z][a-z0-9_]*", metric.exported)
        assert not metric.exported.endswith("_total")  # Ray writes it behind a counter's name
        assert metric.help.endswith(".")
        if metric.unit:
            assert metric.exported.endswith(f"_{metric.unit}")
    kinds: dict[str, set[Any]] = {}
    for metric in METRICS:  # one name is one kind with one set of labels
        kinds.setdefault(metric.exported, set()).add((metric.kind, metric.label, tuple(metric.fixed)))
    assert all(len(each) == 1 for each in kinds.values())


@pytest.mark.parametrize("name", ["loss", "held_out_loss", "held_out_loss/my-books.v2", "seconds_generate", "importance"])
def test_what_stages_say_is_declared(name: str) -> None:
    assert declared(name)


@pytest.mark.parametrize("name", ["lossy", "loss/books", ""])
def test_what_no_stage_says_is_not(name: str) -> None:
    assert declared(name) is None


def test_the_policy_says_only_what_is_declared() -> None:
    """The names of PolicyLoss' sums, read from the source: the module itself imports torch."""
    [said] = re.findall(r"^SUMS = \((.*?)\)", (CHECKOUT / "actors/rl/policy.py").read_text(), re.M)
    assert all(declared(name) for name in re.findall(r'"(\w+)"', said))


class Recorded:
    """In place of Ray's metrics: who was told what."""

    def __init__(self, name: str, help: str, tag_keys: tuple[str, ...], boundaries: Any = None) -> None:
        self.name, self.tag_keys, self.heard = name, tag_keys, list[Any]()

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert set(tags) == set(self.tag_keys)
        self.heard.append((value, tags))

    inc = observe = set


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Prometheus:
    from ray.util import metrics

    for kind in ("Gauge", "Counter", "Histogram"):
        monkeypatch.setattr(metrics, kind, Recorded)
    return Prometheus()


def said(**metrics: float) -> dict[str, Any]:
    return {"stage": "base", "metrics": {name.replace("__", "/"): value for name, value in metrics.items()}, "step": 1}


def test_sources_are_values_of_one_label_and_at_most_twenty(sink: Prometheus) -> None:
    sink.take([said(held_out_loss=1.0)] + [said(**{f"held_out_loss__my-books-{n}": float(n)}) for n in range(30)])
    heard = sink.made["pageloom_held_out_loss"].heard
    labels = [tags["source"] for _, tags in heard]
    assert labels[:3] == ["all", "my-books-0", "my-books-1"]
    assert len(set(labels)) == LABEL_VALUES + 1
    assert labels[-1] == "other"


def test_phases_of_a_step_are_one_histogram(sink: Prometheus) -> None:
    sink.take([said(seconds_wait=2.0, seconds_train=3.0)])
    assert sink.made["pageloom_phase_seconds"].heard == [
        (2.0, {"stage": "base", "phase": "wait"}),
        (3.0, {"stage": "base", "phase": "train"}),
    ]


def test_a_counter_is_told_only_what_it_grows_by(sink: Prometheus) -> None:
    sink.take([said(skipped=0.0, tokens=5.0), said(skipped=1.0, tokens=7.0)])
    assert [value for value, _ in sink.made["pageloom_skipped_steps"].heard] == [1.0]
    assert [value for value, _ in sink.made["pageloom_tokens"].heard] == [5.0, 7.0]


def test_what_is_not_declared_is_not_exported(sink: Prometheus) -> None:
    sink.take([said(surprising=1.0)])
    assert sink.made == {}
    assert prometheus.declared("surprising") is None
