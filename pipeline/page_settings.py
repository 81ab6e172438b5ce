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


class HeuristicSettings(BaseModel):
    """Limits on what pipeline.signals measures. null switches a rule off. Shares are between 0 and 1.

    Gopher: Rae et al. 2021, tables A1 and A2; C4: Raffel et al. 2020; FineWeb: Penedo et al. 2024. The numbers are the
    defaults of datatrove 0.10.1's filters; C4's rule that a line must end in punctuation is left out, as in FineWeb.
    """

    model_config = ConfigDict(extra="forbid")

    min_words: int | None = Field(50, ge=0, description="words, signs not counted (Gopher)")
    max_words: int | None = Field(100_000, ge=1, description="words, signs not counted (Gopher)")
    min_mean_word: float | None = Field(3, ge=0, description="characters of a word on average (Gopher)")
    max_mean_word: float | None = Field(10, ge=0, description="characters of a word on average (Gopher)")
    max_symbols: float | None = Field(0.1, ge=0, description="'#' for each word, and ellipses for each word (Gopher)")
    max_bullet_lines: float | None = Field(0.9, ge=0, le=1, description="share of lines that begin with a bullet (Gopher)")
    max_ellipsis_lines: float | None = Field(0.3, ge=0, le=1, description="share of lines that end with an ellipsis (Gopher)")
    min_alphabetic_words: float | None = Field(
        0.8, ge=0, le=1, description="share of words and signs with a letter in them (Gopher)"
    )
    min_stop_words: int | None = Field(2, ge=0, description="different ones of the, be, to, of, and, that, have, with (Gopher)")
    max_duplicate_paragraphs: float | None = Field(
        0.3, ge=0, le=1, description="share of paragraphs that are repetitions (Gopher)"
    )
    max_duplicate_paragraph_characters: float | None = Field(
        0.2, ge=0, le=1, description="share of characters in repeated paragraphs (Gopher)"
    )
    max_duplicate_lines: float | None = Field(0.3, ge=0, le=1, description="share of lines that are repetitions (Gopher)")
    max_duplicate_line_characters: float | None = Field(
        0.2, ge=0, le=1, description="share of characters in repeated lines (Gopher)"
    )
    max_top_ngram: list[float] | None = Field(
        [0.20, 0.18, 0.16], max_length=3, description="share of characters in the most frequent 2-, 3-, 4-gram (Gopher)"
    )
    max_duplicate_ngram: list[float] | None = Field(
        [0.15, 0.14, 0.13, 0.12, 0.11, 0.10],
        max_length=6,
        description="share of characters in repeated 5- to 10-grams (Gopher)",
    )
    max_lorem_ipsum: int | None = Field(0, ge=0, description="how often 'lorem ipsum' may occur (C4)")
    max_curly_brackets: int | None = Field(0, ge=0, description="how many '{' there may be (C4; null for code)")
    min_sentences: int | None = Field(5, ge=0, description="sentences in lines of three words and more (C4)")
    max_javascript_lines: float | None = Field(
        None, ge=0, le=1, description="share of lines with 'javascript' (off: C4 takes the line out, see `lines`)"
    )
    max_policy_lines: float | None = Field(
        None, ge=0, le=1, description="share of lines on cookies and terms of use (off: C4 takes the line out, see `lines`)"
    )
    min_punctuated_lines: float | None = Field(
        0.12, ge=0, le=1, description="share of lines that end in terminal punctuation (FineWeb)"
    )
    max_short_lines: float | None = Field(0.67, ge=0, le=1, description="share of lines of 30 characters or less (FineWeb)")
    max_repeated_line_characters: float | None = Field(
        0.01, ge=0, le=1, description="share of characters in repeated lines, line breaks not counted (FineWeb)"
    )
    max_newlines_per_word: float | None = Field(0.3, ge=0, description="line breaks for each word (FineWeb)")
    max_top_word: float | None = Field(
        0.25, ge=0, le=1, description="share that one word has of all but short and stop words: stuffed keywords (measured)"
    )
    max_link_density: float | None = Field(
        None, ge=0, le=1, description="share of a page's visible characters in links (off: front pages are links too)"
    )
    max_parked_phrases: int | None = Field(
        0, ge=0, description="phrases of domain sellers and server defaults in a text of less than 2,000 characters (measured)"
    )


class PagesSettings(BaseModel):
    """Which records become pages: thresholds on what `records` measured and `classifiers` scored."""

    model_config = ConfigDict(extra="forbid")

    language: LanguageSettings = Field(default_factory=LanguageSettings)
    heuristics: HeuristicSettings = Field(default_factory=HeuristicSettings)
    max_removed_words: float | None = Field(
        0.05, ge=0, le=1, description="share of a text's words that `records.lines` took out (RefinedWeb: 0.05)"
    )
    keep_quality: float = Field(
        0.5, gt=0, le=1, description="share of the texts that stays, the best by `classifiers.quality` where it has positives"
    )
    max_toxicity: float | None = Field(
        None, ge=0, le=1, description="score of `classifiers.toxicity`; null: it is kept with the page and nobody goes"
    )
