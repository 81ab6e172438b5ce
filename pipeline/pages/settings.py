"""The recipe's `pages` section."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_serializer


class LanguageSettings(BaseModel):
    """Which languages to keep."""

    model_config = ConfigDict(extra="forbid")

    keep: list[str] = Field(["en"], description="ISO 639 codes of lid.176 to keep; empty: every language")
    min_score: float = Field(
        0.65, ge=0, le=1, description="least probability of the most probable language (FineWeb, DCLM: 0.65)"
    )


class HeuristicSettings(BaseModel):
    """Limits on what pipeline.measure.signals measures. null switches a rule off. Shares are between 0 and 1.

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
    max_curly_brackets: int | None = Field(
        0, ge=0, description="how many '{' there may be (C4; null for pages with code in them)"
    )
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


class PageRules(BaseModel):
    """What the texts of a source are held against. Nothing of it holds for source code, which is judged where it is read."""

    model_config = ConfigDict(extra="forbid")

    language: LanguageSettings = Field(default_factory=LanguageSettings)
    heuristics: HeuristicSettings | None = Field(
        default_factory=HeuristicSettings, description="limits on what was measured of a text; null: none of them"
    )
    max_removed_words: float | None = Field(
        0.05, ge=0, le=1, description="share of a text's words that `records.lines` took out (RefinedWeb: 0.05)"
    )
    keep_quality: float = Field(
        0.5, gt=0, le=1, description="share of the texts that stays, the best by `classifiers.quality` where it has positives"
    )
    max_toxicity: float | None = Field(
        None, ge=0, le=1, description="score of `classifiers.toxicity`; null: it is kept with the page and nobody goes"
    )


class PagesSettings(PageRules):
    """Which records become pages: thresholds on what `records` measured and `classifiers` scored.

    Source code stays unless `records` rejected it or somebody asked to forget it: the rules here are for prose.
    """

    sources: dict[str, PageRules] = Field(
        default_factory=dict,
        description="by a source's name, what differs for its texts, as {books: {heuristics: null}}; what is not given there "
        "is as above, single limits too. A source with a `keep_quality` of its own is cut by its own scores",
    )

    @field_serializer("sources")
    def only_what_differs(self, sources: dict[str, PageRules]) -> dict[str, Any]:
        """A value that was not given follows the section, so it is no part of what was asked, nor of a key."""
        return {name: own.model_dump(mode="json", exclude_unset=True) for name, own in sources.items()}

    def rules_of(self, source: str) -> PageRules:
        """What the texts of a source are held against: the section's values and, above them, its own."""
        return merged(self, self.sources[source]) if source in self.sources else self

    def cut_apart(self) -> list[str]:
        """The sources that are cut by their own scores."""
        return [name for name, own in self.sources.items() if "keep_quality" in own.model_fields_set]


Settings = TypeVar("Settings", bound=BaseModel)


def merged(section: Settings, own: BaseModel) -> Settings:
    """The section with the values that `own` was given, at any depth. Above a section of null all else stays off."""
    changes: dict[str, Any] = {}
    for name in own.model_fields_set:
        value = getattr(own, name)
        if isinstance(value, BaseModel):
            value = merged(getattr(section, name) or type(value)(**dict.fromkeys(type(value).model_fields)), value)
        changes[name] = value
    return section.model_copy(update=changes)
