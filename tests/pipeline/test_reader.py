from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.reader import TokenReader

LENGTH = 8


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A tokens artefact of three shards (one empty), and all its training sequences in order."""
    sequences = np.arange(37 * LENGTH, dtype=np.uint16).reshape(37, LENGTH)
    parts = {"train-00000": sequences[:20], "train-00001": sequences[:0], "train-00002": sequences[20:]}
    for name, part in parts.items():
        (tmp_path / f"{name}.bin").write_bytes(part.tobytes())
    splits = {"train": [{"name": name, "sequences": len(part)} for name, part in parts.items()], "heldout": []}
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


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused(tokens: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="4 sequences cannot be dealt out evenly to 3 ranks"):
        TokenReader(tokens[0], "train", seed=3).batch(0, 4, 0, 3)
