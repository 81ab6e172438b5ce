"""The recipe's `pages` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LanguageSettings(BaseModel):
    """Which languages to keep."""

    model_config = ConfigDict(extra="forbid")

    keep: list[str] = Field(["en"], description="ISO 639 codes of lid.176 to keep; empty: every language")
    min_score: float = Field(
        0.65, ge=0, le=1, description="least probability of the most probable language (FineWeb, DCLM: 0.65)"
    )
    characters: int = Field(2000, ge=50, description="how much of the beginning the detector sees")


class HeuristicSettings(BaseModel):
    """Limits on the text itself. null switches a rule off. Shares are between 0 and 1.

    Gopher: Rae et al. 2021, tables A1 and A2; C4: Raffel et al. 2020; FineWeb: Penedo et al. 2024.
    """

    model_config = ConfigDict(extra="forbid")

    min_words: int | None = Field(50, ge=0, description="whitespace-separated words (Gopher)")
    max_words: int | None = Field(100_000, ge=1, description="whitespace-separated words (Gopher)")
    min_mean_word: float | None = Field(3, ge=0, description="characters of a word on average (Gopher)")
    max_mean_word: float | None = Field(10, ge=0, description="characters of a word on average (Gopher)")
    max_symbols: float | None = Field(0.1, ge=0, description="'#' and ellipses for each word (Gopher)")
    max_bullet_lines: float | None = Field(0.9, ge=0, le=1, description="share of lines that begin with a bullet (Gopher)")
    max_ellipsis_lines: float | None = Field(0.3, ge=0, le=1, description="share of lines that end with an ellipsis (Gopher)")
    min_alphabetic_words: float | None = Field(0.8, ge=0, le=1, description="share of words with a letter in them (Gopher)")
    min_stop_words: int | None = Field(2, ge=0, description="different ones of the, be, to, of, and, that, have, with (Gopher)")
    max_duplicate_lines: float | None = Field(0.3, ge=0, le=1, description="share of lines that are repetitions (Gopher)")
    max_duplicate_line_characters: float | None = Field(
        0.2, ge=0, le=1, description="share of characters in repeated lines (Gopher)"
    )
    max_top_ngram: list[float] | None = Field(
        [0.20, 0.18, 0.16], description="share of characters in the most frequent 2-, 3-, 4-gram (Gopher)"
    )
    max_duplicate_ngram: list[float] | None = Field(
        [0.15, 0.14, 0.13, 0.12, 0.11, 0.10], description="share of characters in repeated 5- to 10-grams (Gopher)"
    )
    refuse_phrases: list[str] = Field(["lorem ipsum"], description="a page that holds one, in any case, is dropped (C4)")
    refuse_braces: bool = Field(False, description="drop pages with a curly bracket (C4; off because it drops all code)")
    min_punctuated_lines: float | None = Field(0.12, ge=0, le=1, description="share of lines ending in punctuation (FineWeb)")
    max_short_lines: float | None = Field(0.67, ge=0, le=1, description="share of lines of 30 characters or less (FineWeb)")


class PagesSettings(BaseModel):
    """From archived records to pages with text, language and a verdict."""

    model_config = ConfigDict(extra="forbid")

    task_mb: float = Field(
        64,
        gt=0,
        le=4096,
        description="MB of an input file that one task reads and one shard comes from; its memory is about 10 times that",
    )
    max_html_mb: float = Field(5, gt=0, le=256, description="MB of a decoded body; a longer one is `oversize`")
    max_nesting: int = Field(
        1000, ge=64, description="depth of the element tree; parsers slow down quadratically (browsers cut at 512)"
    )
    max_replaced: float = Field(
        0.02, ge=0, le=1, description="share of undecodable characters; above it a page is `undecodable`"
    )
    skip_elements: list[str] = Field(
        default_factory=list, description="CSS selectors of elements that are boilerplate on every page of a site"
    )
    ask_trafilatura_below: float = Field(
        0.5, ge=0, le=1, description="expected word F1 of a page's text; below it trafilatura, which is slow, is asked too"
    )
    extract_seconds: float = Field(20, gt=0, description="seconds for a page's extraction; after that it is `extract_timeout`")
    extract_memory_mb: int = Field(
        2048, ge=512, description="MB of address space of the process that extracts; a page that needs more is `extract_memory`"
    )
    extract_recycle_pages: int = Field(5000, ge=1, description="pages after which that process is replaced by a new one")
    language: LanguageSettings = Field(default_factory=LanguageSettings)
    heuristics: HeuristicSettings = Field(default_factory=HeuristicSettings)
