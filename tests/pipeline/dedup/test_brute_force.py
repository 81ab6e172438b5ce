"""The whole stage on real documents against the exact similarities of all their pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.dedup.brute_force import Answer, answer_for, chance_of_a_band, datasketch_candidates

LONG = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module", params=[500, pytest.param(2000, marks=pytest.mark.slow), pytest.param(10_000, marks=LONG)])
def answer(shared: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Answer:
    return answer_for(shared / "data", request.param, tmp_path_factory.mktemp("crawl"))


def test_every_page_that_goes_is_as_similar_to_the_one_that_stays_as_is_said(answer: Answer) -> None:
    assert len(answer.gone) > len(answer.sets) // 10
    for page, row in answer.gone.items():
        true = answer.similarity[min(page, row["to"]), max(page, row["to"])]
        assert row["similarity"] == pytest.approx(true)
        assert true >= 0.8
        assert (row["reason"] == "exact_duplicate") <= (true == 1)
        assert row["to"] not in answer.gone


def test_pairs_are_looked_at_as_often_as_the_formula_says_at_every_similarity(answer: Answer) -> None:
    """1 - (1 - s^8)^14 of the pairs at s, within four standard deviations of as many independent draws."""
    pairs = answer.at_least(0.5)
    how = np.array(list(pairs.values()))
    met = np.array([pair in answer.candidates for pair in pairs])
    for low, high in [(0.5, 1), *((edge / 20, (edge + 1) / 20) for edge in range(10, 20))]:
        level = (how >= low) & (how < high)
        chance = chance_of_a_band(how[level])
        assert level.sum() >= len(answer.sets) / 60
        assert abs(met[level].sum() - chance.sum()) <= 4 * np.sqrt((chance * (1 - chance)).sum()) + 1


def test_pairs_above_the_threshold_lose_a_page_as_often_as_they_are_looked_at(answer: Answer) -> None:
    pairs = answer.at_least(0.8)
    assert len(pairs) > len(answer.sets) / 10
    lost = {pair for pair in pairs if pair[0] in answer.gone or pair[1] in answer.gone}
    assert lost >= pairs.keys() & answer.candidates
    chance = chance_of_a_band(np.array(list(pairs.values())))
    assert abs(len(lost) - chance.sum()) <= 4 * np.sqrt((chance * (1 - chance)).sum()) + 1


@pytest.mark.slow
def test_datasketch_with_the_same_parameters_finds_no_more(answer: Answer) -> None:
    """Within four standard deviations of the difference of two such draws, above the threshold and below."""
    theirs = datasketch_candidates(answer.sets)
    for least in (0.5, 0.8):
        pairs = answer.at_least(least)
        chance = chance_of_a_band(np.array(list(pairs.values())))
        deviation = np.sqrt((chance * (1 - chance)).sum())
        found = len(pairs.keys() & theirs)
        assert abs(found - chance.sum()) <= 4 * deviation + 1
        assert len(pairs.keys() & answer.candidates) >= found - 4 * np.sqrt(2) * deviation
