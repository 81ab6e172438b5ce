"""Which lines are taken out of texts before they are measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LineSettings(BaseModel):
    """Lines that are taken out of texts before they are measured, never out of source code. Off unless asked for."""

    model_config = ConfigDict(extra="forbid")

    refinedweb: bool = Field(
        False, description="capitals, numbers, counters, single words, page furniture (Penedo et al. 2023)"
    )
    c4: bool = Field(False, description="short lines, lines on javascript, cookies and terms of use (Raffel et al. 2020)")
    citations: bool = Field(False, description="take marks such as [1] and [edit] out of the lines that stay (C4)")
