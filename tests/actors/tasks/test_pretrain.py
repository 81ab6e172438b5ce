from __future__ import annotations

import json
from contextlib import ExitStack

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import ValidationError

from actors.settings import ModelSettings, PretrainSettings
from actors.tasks.pretrain import Pretraining, sources_seen, told_sources
from cluster.store import Location
from pipeline.tokens.mixture import MixtureOrder
from pipeline.tokens.order import SequenceOrder


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


@pytest.fixture
def one_rank():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_held_out_loss_is_told_for_all_and_for_each_source(tokenizer_directory, tmp_path, one_rank):
    ids = np.random.default_rng(0).integers(5, 260, (9, 16)).astype("<u2")
    for split in ("train", "heldout"):
        (tmp_path / f"{split}-00000.bin").write_bytes(ids.tobytes())
    splits = {
        split: [{"name": f"{split}-00000", "sequences": 9, "sources": {"books": 4, "web": 5}}] for split in ("train", "heldout")
    }
    index = {"sequence_length": 16, "dtype": "<u2", "vocabulary": 320, "splits": splits}
    (tmp_path / "tokens.json").write_text(json.dumps(index))
    shape = ModelSettings(layers=1, hidden=32, heads=1, kv_heads=1, intermediate=32, context=16)
    settings = PretrainSettings(model=shape, micro_batch=2, heldout=9)
    with ExitStack() as files, torch.no_grad():
        task = Pretraining(settings, Location.of(tmp_path), Location.of(tokenizer_directory), files)
        model = task.model()
        found = task.evaluate(model, 0, 1)

        def mean(part):
            tokens = torch.from_numpy(part.astype(np.int64))
            return float(F.cross_entropy(model(tokens).logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()))

        assert found["loss"] == pytest.approx(mean(ids), rel=1e-5)
        assert found["loss/books"] == pytest.approx(mean(ids[:4]), rel=1e-5)
        assert found["loss/web"] == pytest.approx(mean(ids[4:]), rel=1e-5)
        assert abs(found["loss/books"] - found["loss/web"]) > 1e-3
