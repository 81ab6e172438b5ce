"""The recipe's `dedup` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DedupSettings(BaseModel):
    """When two pages are the same page."""

    model_config = ConfigDict(extra="forbid")

    near: bool = Field(True, description="look for near-duplicates too, not only for exact ones")
    ngram: int = Field(5, ge=1, le=20, description="words of a shingle (FineWeb: 5)")
    bands: int = Field(
        14, ge=1, le=256, description="bands of the signature; equal in one of them makes a candidate (FineWeb: 14)"
    )
    rows: int = Field(8, ge=1, le=64, description="hashes of a band (FineWeb: 8)")
    characters: int = Field(500_000, ge=1000, description="how much of a page's beginning is compared")
    jaccard: float = Field(
        0.8, gt=0, le=1, description="least true Jaccard similarity of two pages' shingles; candidates below it are let go"
    )
    seed: int = Field(1, ge=0, description="of the MinHash permutations")
