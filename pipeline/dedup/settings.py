"""The recipe's `dedup` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.fields import How, Private

# What decides which documents share a key: an index made with other values says nothing about these.
SKETCHED_WITH = ("near", "ngram", "han_ngram", "abugida_ngram", "bands", "rows", "characters", "seed", "scope")


class ParagraphSettings(BaseModel):
    """Which lines of pages that stay are taken out of them, never out of source code."""

    model_config = ConfigDict(extra="forbid")

    min_characters: int = Field(60, ge=1, description="shorter lines are left alone: they are phrases, not copies")
    host_pages: int = Field(
        10, ge=2, description="a line on so many pages of one host is its boilerplate and goes from all of them"
    )


class DedupSettings(BaseModel):
    """When two pages are the same page."""

    model_config = ConfigDict(extra="forbid")

    exact: bool = Field(True, description="remove pages whose normalised text is the same")
    near: bool = Field(True, description="look for near-duplicates too, not only for exact ones")
    same_url: bool = Field(False, description="of pages with one canonical URL keep one, however much their texts differ")
    scope: Literal["all", "source"] = Field(
        "all", description="compare every page with every other, or only with pages of its own source (a crawl each)"
    )
    against: Private[list[str]] = Field(
        default_factory=list,
        description="directories of earlier `dedup` artefacts; their kept pages stay, this crawl's copies of them go",
    )
    paragraphs: ParagraphSettings | None = Field(
        None, description="take lines that stand on several pages out of all but the first; null: leave pages whole"
    )
    ngram: int = Field(5, ge=1, le=20, description="words of a shingle (FineWeb: 5)")
    han_ngram: int = Field(
        8, ge=1, le=64, description="characters of a shingle where Chinese or Japanese is written, which has no blanks"
    )
    abugida_ngram: int = Field(
        16, ge=1, le=64, description="characters of a shingle in Thai, Lao, Khmer and Burmese, which have no blanks either"
    )
    bands: int = Field(
        14, ge=1, le=256, description="bands of the signature; equal in one of them makes a candidate (FineWeb: 14)"
    )
    rows: int = Field(8, ge=1, le=64, description="hashes of a band (FineWeb: 8)")
    representatives: int = Field(
        4, ge=1, le=64, description="pages that a shard sends on for one band key; a hot key costs this many rows a shard"
    )
    characters: int = Field(500_000, ge=1000, description="how much of a page's beginning is compared")
    jaccard: float = Field(
        0.8, gt=0, le=1, description="least true Jaccard similarity of two pages' shingles; candidates below it are let go"
    )
    seed: int = Field(1, ge=0, description="of the MinHash permutations")
    memory_mb: How[int] = Field(1024, ge=16, description="what one worker may use for keys, edges or shingles, in 10^6 bytes")
    partitions: How[int | None] = Field(
        None, ge=1, le=100_000, description="ranges of keys; null: as many as `memory_mb` asks for. Never changes a decision"
    )
    union_find_edges: How[int] = Field(
        50_000_000, ge=0, description="up to so many verified pairs one task finds the components, beyond they are shuffled"
    )
    max_rounds: How[int] = Field(
        60, ge=2, description="large-star/small-star rounds before the stage gives up (Kiveris et al. 2014: log^2 at most)"
    )
