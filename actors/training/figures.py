"""A training's part of the report."""

from __future__ import annotations

from actors.training.loop import Outcome
from cluster.report.blocks import Lines, Table


def loss_curve(title: str, unit: str, outcome: Outcome) -> Lines:
    series = {name: [(float(step), loss) for step, loss in points] for name, points in outcome.progress.curves.items()}
    return Lines(title=title, x_label="step", y_label=unit, series=series)


def figures(outcome: Outcome) -> Table:
    rows: list[list[str | float | int | None]] = [
        ["parameters", outcome.parameters],
        ["tokens seen", int(outcome.progress.tokens)],
        ["steps skipped (gradient not finite)", outcome.progress.skipped],
    ]
    rows += [[f"held-out {name.replace('_', ' ')}", value] for name, value in outcome.held_out.items()]
    return Table(title="Training", columns=["", "value"], rows=rows)
