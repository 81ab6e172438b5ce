from __future__ import annotations

import pytest
from pydantic import ValidationError

from actors.pretrain import sources_seen, told_sources
from actors.settings import PretrainSettings
from pipeline.mixture import MixtureOrder
from pipeline.order import SequenceOrder


def test_a_report_says_what_was_trained_on_of_each_source_and_how_often():
    sequences, weights = {"books": 10, "web": 300}, {"books": 1.0, "web": 3.0}
    seen = sources_seen(sequences, MixtureOrder(list(sequences.items()), weights, 0), 200)
    assert [(each.source, each.trained, each.share, each.epochs) for each in seen] == [
        ("books", 50, 0.25, 5.0),
        ("web", 150, 0.75, 0.5),
    ]
    table = told_sources(seen, weights, length=16)
    assert table.rows == [["books", 160, 1.0, 800, 0.25, 5.0], ["web", 4800, 3.0, 2400, 0.75, 0.5]]
    assert table.note.startswith("books: beyond 4 epochs")


def test_without_weights_all_sources_are_seen_equally_often():
    seen = sources_seen({"books": 10, "web": 30}, SequenceOrder(40, 0), 80)
    assert [(each.share, each.epochs) for each in seen] == [(0.25, 2.0), (0.75, 2.0)]
    assert told_sources(seen, None, 16).rows[0][2] is None


def test_weights_of_a_training_are_checked_with_the_recipe():
    assert PretrainSettings(weights={"web": 3, "books": 0}).weights == {"web": 3, "books": 0}
    with pytest.raises(ValidationError, match="none is above 0"):
        PretrainSettings(weights={"web": 0})
    with pytest.raises(ValidationError, match="weights: web has -1; give 0 to 1,000,000"):
        PretrainSettings(weights={"web": -1})
