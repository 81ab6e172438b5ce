"""The run's report: what each artefact tells of itself, as one self-contained HTML file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Table(BaseModel):
    """Rows under column heads; numbers are aligned and formatted by the renderer."""

    kind: Literal["table"] = "table"
    title: str
    columns: list[str]
    rows: list[list[str | float | int | None]]
    note: str = ""


class Lines(BaseModel):
    """Curves. series: name -> points (x, y)."""

    kind: Literal["lines"] = "lines"
    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    note: str = ""


class Bars(BaseModel):
    """Horizontal bars, in the order given: funnels, histograms, shares."""

    kind: Literal["bars"] = "bars"
    title: str
    labels: list[str]
    values: list[float]
    unit: str = ""
    note: str = ""


class Samples(BaseModel):
    """Texts side by side: a row a prompt, a column a model."""

    kind: Literal["samples"] = "samples"
    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


Block = Annotated[Table | Lines | Bars | Samples, Field(discriminator="kind")]
