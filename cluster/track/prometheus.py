"""Metrics to Prometheus, through the exporter of the driver's node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from cluster.track.mailbox import Event
from cluster.track.metrics import BUCKETS, LABEL_VALUES, METRICS, Metric, declared, split_name


class Prometheus:
    """A sink: every declared metric of a step. What the table does not declare is not exported."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.values: dict[str, set[str]] = defaultdict(set)  # of a metric's label

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            for said, value in event.get("metrics", {}).items():
                if metric := declared(said):
                    self.export(metric, split_name(said)[1], float(value), event["stage"])

    def export(self, metric: Metric, label: str, value: float, stage: str) -> None:
        tags = {"stage": stage} | metric.fixed | ({metric.label: self.bounded(metric, label)} if metric.label else {})
        made = self.made.get(metric.exported) or self.make(metric)
        if metric.kind == "gauge":
            made.set(value, tags=tags)
        elif metric.kind == "histogram":
            made.observe(value, tags=tags)
        elif value > 0:
            made.inc(value, tags=tags)

    def make(self, metric: Metric) -> Any:
        from ray.util import metrics

        keys = ("stage", *metric.fixed, *([metric.label] if metric.label else []))
        help = " ".join(each.help for each in METRICS if each.exported == metric.exported)
        if metric.kind == "histogram":
            made: Any = metrics.Histogram(metric.exported, help, boundaries=BUCKETS, tag_keys=keys)
        else:
            made = (metrics.Gauge if metric.kind == "gauge" else metrics.Counter)(metric.exported, help, tag_keys=keys)
        self.made[metric.exported] = made
        return made

    def bounded(self, metric: Metric, label: str) -> str:
        """A label's value, "all" where none was said, "other" once there are too many."""
        known = self.values[metric.name]
        if label not in known and len(known) >= LABEL_VALUES:
            return "other"
        known.add(label)
        return label or "all"
