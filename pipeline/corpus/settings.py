"""The recipe's `corpus` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cluster.fields import Files
from pipeline.corpus.national_ids import NATIONAL_IDS

Kind = Literal["email", "phone", "card", "iban", "ip", "national_id"]


class CorpusSettings(BaseModel):
    """Which of the pages that are left become training text, and what is removed from them."""

    model_config = ConfigDict(extra="forbid")

    redact: list[Kind] = Field(
        ["email", "phone", "card", "iban", "ip", "national_id"],
        description="kinds of personal data that are replaced by a placeholder",
    )
    phone_regions: list[str] = Field(
        ["US", "GB"], description="ISO countries whose national number formats count; international ones always do"
    )
    id_regions: list[str] = Field(
        ["US", "GB", "CA", "ES", "IT", "FR", "BE", "CH", "FI", "BR", "MX", "CL"],
        description="ISO countries whose identification numbers count (those known: pipeline/corpus/national_ids.py)",
    )
    benchmarks: Files[list[str]] = Field(
        default_factory=list,
        description="files or URIs of the benchmarks that models are judged by: what is theirs is no training text, nor is a "
        "file of source code with anything of theirs in it",
    )
    benchmark_overlap: float = Field(
        0.5, gt=0, le=1, description="share of a paragraph's 13-grams that are a benchmark's, from which on it goes (marin)"
    )
    heldout_share: float = Field(
        0.03, gt=0, lt=1, description="share of documents, by hash of their content, that no training sees"
    )
    heldout_least: int = Field(4, ge=1, description="documents held out at least, however small the corpus is")

    @field_validator("id_regions")
    @classmethod
    def known_regions(cls, regions: list[str]) -> list[str]:
        if unknown := [region for region in regions if region not in NATIONAL_IDS]:
            raise ValueError(f"no number of {unknown[0]} is known; there are {', '.join(NATIONAL_IDS)}")
        return regions
