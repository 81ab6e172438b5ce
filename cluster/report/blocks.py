"""What a stage may show in the report: data, which the renderer draws and the manifest keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator


class Headline(BaseModel):
    """One of the few facts that open the report. A text (an answer) is shown as said."""

    kind: Literal["headline"] = "headline"
    label: str
    value: float | int | str
    note: str = ""


def check_width(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Refuse rows that do not fit under the columns: a stage's mistake, better said there than in the page."""
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{title}: a row of {len(row)} under {len(columns)} columns")


class Table(BaseModel):
    """Rows under column heads; numbers are aligned and formatted by the renderer."""

    kind: Literal["table"] = "table"
    title: str
    columns: list[str]
    rows: list[list[str | float | int | None]]
    note: str = ""

    @model_validator(mode="after")
    def _even(self) -> Self:
        check_width(self.title, self.columns, self.rows)
        return self


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

    @model_validator(mode="after")
    def _even(self) -> Self:
        if len(self.labels) != len(self.values):
            raise ValueError(f"{self.title}: {len(self.values)} values for {len(self.labels)} labels")
        return self


class Samples(BaseModel):
    """Texts side by side: a row a prompt, a column a model."""

    kind: Literal["samples"] = "samples"
    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""

    @model_validator(mode="after")
    def _even(self) -> Self:
        check_width(self.title, self.columns, self.rows)
        return self


Block = Annotated[Headline | Table | Lines | Bars | Samples, Field(discriminator="kind")]
