"""What differs for a source stands above the section's own values, and nothing else of it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.errors import RequestError
from cluster.fields import key_values
from cluster.plan import make_plan, stage_key
from cluster.recipe import load_recipe, recipe_model
from cluster.store import Store
from pipeline.crawl.settings import CrawlSettings
from pipeline.pages.settings import HeuristicSettings, PagesSettings
from pipeline.stages import STAGES

PAGES = next(stage for stage in STAGES if stage.name == "pages")


def key(**settings: Any) -> str:
    return stage_key(PAGES, key_values(PagesSettings(**settings)), {}, [], [])


def test_values_of_a_source_replace_the_section_s_and_leave_all_others() -> None:
    settings = PagesSettings(
        language={"min_score": 0.3},
        heuristics={"max_words": 900, "min_words": 10},
        max_toxicity=0.9,
        sources={
            "forum": {"heuristics": {"min_words": 20, "max_short_lines": None}, "language": {"keep": ["en", "de"]}},
            "books": {"heuristics": None, "max_toxicity": None},
        },
    )
    forum, books, web = map(settings.rules_of, ("forum", "books", "web"))
    assert forum.heuristics == HeuristicSettings(max_words=900, min_words=20, max_short_lines=None)
    assert (forum.language.keep, forum.language.min_score, forum.max_toxicity) == (["en", "de"], 0.3, 0.9)
    assert (books.heuristics, books.max_toxicity, books.language) == (None, None, settings.language)
    assert (web.heuristics, web.language, web.max_toxicity) == (settings.heuristics, settings.language, 0.9)


def test_where_the_section_has_no_heuristics_a_source_has_only_those_it_names() -> None:
    settings = PagesSettings(heuristics=None, sources={"forum": {"heuristics": {"min_words": 20}}})
    found = settings.rules_of("forum").heuristics
    assert found is not None
    assert {name: value for name, value in found if value is not None} == {"min_words": 20}


def test_a_value_that_is_the_default_counts_as_given_and_survives_being_written_down() -> None:
    settings = PagesSettings(
        heuristics={"min_words": 10},
        keep_quality=0.2,
        sources={"a": {"heuristics": {"min_words": 50}}, "b": {"keep_quality": 0.5}},
    )
    again = PagesSettings(**settings.model_dump(mode="json"))
    for each in (settings, again):
        heuristics = each.rules_of("a").heuristics
        assert heuristics is not None
        assert heuristics.min_words == 50
        assert (each.rules_of("a").keep_quality, each.rules_of("b").keep_quality) == (0.2, 0.5)
        assert each.cut_apart() == ["b"]


def test_the_key_holds_what_was_asked_for_a_source_and_not_what_it_takes_from_the_section() -> None:
    least = key(heuristics={"max_words": 9}, sources={"a": {"heuristics": {"min_words": 5}}})
    assert least == key(heuristics={"max_words": 9}, sources={"a": {"heuristics": {"min_words": 5}}})
    # The same when every default is written out, but another thing: `max_words` is 9 above, 100,000 below.
    assert least != key(heuristics={"max_words": 9}, sources={"a": {"heuristics": HeuristicSettings(min_words=5).model_dump()}})


def test_rules_of_a_source_are_decided_anew_from_the_same_records(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("crawl: {seeds: ['http://h/']}")

    def keys(*overrides: str) -> dict[str, str]:
        recipe = load_recipe(recipe_model(STAGES), str(tmp_path / "r.yaml"), overrides)
        return {step.stage.name: step.key for step in make_plan(recipe, STAGES, Store(tmp_path / "root"))}

    before, after = keys(), keys("pages.sources={crawl: {heuristics: null}}")
    assert [name for name in before if before[name] == after[name]] == ["crawl", "records", "classifiers"]


def refusal(tmp_path: Path, text: str) -> str:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RequestError) as caught:
        load_recipe(recipe_model(STAGES), str(tmp_path / "r.yaml"))
    assert "\n" not in str(caught.value)
    return str(caught.value).partition("r.yaml: ")[2]


BOOKS = "pages.sources.books"
LIMITS = f"{BOOKS}.heuristics"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{heuristics: {min_wordz: 3}}",
            f"{BOOKS}.heuristics.min_wordz: unknown key; did you mean {BOOKS}.heuristics.min_words?",
        ),
        ("{language: {kep: []}}", f"{BOOKS}.language.kep: unknown key; did you mean {BOOKS}.language.keep?"),
        ("{keep_qualty: 1}", f"{BOOKS}.keep_qualty: unknown key; did you mean {BOOKS}.keep_quality?"),
        (
            "{sources: {}}",
            f"{BOOKS}.sources: unknown key; known here: heuristics, keep_quality, language, max_removed_words, max_toxicity",
        ),
        ("{keep_quality: 0}", f"{BOOKS}.keep_quality: input should be greater than 0, not 0"),
        ("{keep_quality: null}", f"{BOOKS}.keep_quality: input should be a valid number, not None"),
        (
            "{heuristics: {min_words: many}}",
            f"{LIMITS}.min_words: input should be a valid integer, unable to parse string as an integer, not 'many'",
        ),
        ("{heuristics: 3}", f"{LIMITS}: input should be a valid dictionary or instance of HeuristicSettings, not 3"),
        ("null", f"{BOOKS}: input should be a valid dictionary or instance of PageRules, not None"),
    ],
)
def test_a_wrong_value_for_a_source_is_named_by_its_whole_path(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, f"pages: {{sources: {{books: {text}}}}}") == message


def test_a_wrong_value_of_the_section_is_no_fault_of_its_sources(tmp_path: Path) -> None:
    found = refusal(tmp_path, "pages: {heuristics: {min_wordz: 3}, sources: {books: {heuristics: null}}}")
    assert found == "pages.heuristics.min_wordz: unknown key; did you mean pages.heuristics.min_words?"
    assert refusal(tmp_path, "pages: {sources: [books]}") == "pages.sources: input should be a valid dictionary, not ['books']"


def test_a_run_has_the_sources_that_it_reads_or_the_crawl_alone() -> None:
    files = [{"name": "web", "input": ["a"]}, {"name": "books", "input": ["b"]}]
    assert CrawlSettings(sources=files).source_names() == ["web", "books"]
    assert CrawlSettings(sources=files, input=["c"]).source_names() == ["input", "web", "books"]
    assert CrawlSettings(seeds=["http://h/"]).source_names() == ["crawl"]
