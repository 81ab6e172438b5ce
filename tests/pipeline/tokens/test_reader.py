from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.tokens.reader import TokenReader

LENGTH = 8


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A tokens artefact of three shards (one empty), and all its training sequences in order."""
    sequences = np.arange(37 * LENGTH, dtype=np.uint16).reshape(37, LENGTH)
    parts = {"train-00000": sequences[:20], "train-00001": sequences[:0], "train-00002": sequences[20:]}
    for name, part in parts.items():
        (tmp_path / f"{name}.bin").write_bytes(part.tobytes())
    shards = [
        {"name": name, "sequences": len(part), "sources": {"web": len(part)} if len(part) else {}}
        for name, part in parts.items()
    ]
    splits = {"train": shards, "heldout": []}
    index = {"sequence_length": LENGTH, "dtype": "<u2", "vocabulary": 300, "splits": splits}
    (tmp_path / "tokens.json").write_text(json.dumps(index))
    return tmp_path, sequences


def test_a_batch_holds_the_sequences_that_its_step_names(tokens: tuple[Path, np.ndarray]) -> None:
    directory, sequences = tokens
    reader = TokenReader(directory, "train", seed=3)
    assert (reader.count, reader.sequence_length) == (37, LENGTH)
    for step in range(20):
        batch = reader.batch(step, 6, rank=0, world=1)
        assert batch.dtype == np.int64
        assert (batch == sequences[reader.sequence_ids(step, 6)]).all()


@pytest.mark.parametrize("world", [1, 2, 3, 4, 6, 12])
def test_the_same_sequences_are_read_at_any_world_size(tokens: tuple[Path, np.ndarray], world: int) -> None:
    reader = TokenReader(tokens[0], "train", seed=3)
    parts = [reader.batch(7, 12, rank, world) for rank in range(world)]
    assert (np.concatenate(parts) == reader.batch(7, 12, 0, 1)).all()


def test_a_new_reader_goes_on_where_another_stopped(tokens: tuple[Path, np.ndarray]) -> None:
    first, second = TokenReader(tokens[0], "train", seed=3), TokenReader(tokens[0], "train", seed=3)
    for step in range(5):
        first.batch(step, 4, 0, 1)
    assert (first.batch(5, 4, 0, 1) == second.batch(5, 4, 0, 1)).all()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two shards of 12 web and 8 books, 3 books and 7 web, the tokens of a sequence all its own id; weights 1 and 3."""
    sequences = np.repeat(np.arange(30, dtype=np.uint16), LENGTH).reshape(30, LENGTH)
    shards = [
        {"name": "train-00000", "sequences": 20, "sources": {"books": 8, "web": 12}},
        {"name": "train-00001", "sequences": 10, "sources": {"books": 3, "web": 7}},
    ]
    for shard, part in zip(shards, (sequences[:20], sequences[20:]), strict=True):
        (tmp_path / f"{shard['name']}.bin").write_bytes(part.tobytes())
    (tmp_path / "heldout-00000.bin").write_bytes(sequences[:9].tobytes())
    splits = {"train": shards, "heldout": [{"name": "heldout-00000", "sequences": 9, "sources": {"web": 9}}]}
    index = {"sequence_length": LENGTH, "dtype": "<u2", "vocabulary": 300, "splits": splits, "weights": {"web": 1, "books": 3}}
    (tmp_path / "tokens.json").write_text(json.dumps(index))
    return tmp_path


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_every_batch_holds_the_weights_at_any_world_size(mixed: Path, world: int) -> None:
    reader = TokenReader(mixed, "train", seed=3)
    books = {*range(8), *range(20, 23)}
    for step in range(25):
        batch = np.concatenate([reader.batch(step, 8, rank, world) for rank in range(world)])
        assert (batch == batch[:, :1]).all()
        assert sum(each in books for each in batch[:, 0].tolist()) == 6
        assert batch[:, 0].tolist() == reader.sequence_ids(step, 8).tolist()


def test_a_training_s_own_weights_replace_those_of_the_recipe_s_sources(mixed: Path) -> None:
    alone = TokenReader(mixed, "train", seed=3, weights={"web": 2, "books": 0})
    seen = {int(each) for step in range(10) for each in alone.batch(step, 8, 0, 1)[:, 0]}
    assert seen == {*range(8, 20), *range(23, 30)}


def test_held_out_sequences_are_never_weighted(mixed: Path) -> None:
    assert sorted(TokenReader(mixed, "heldout", seed=3).batch(0, 9, 0, 1)[:, 0].tolist()) == list(range(9))


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused(tokens: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="4 sequences cannot be dealt out evenly to 3 ranks"):
        TokenReader(tokens[0], "train", seed=3).batch(0, 4, 0, 3)
