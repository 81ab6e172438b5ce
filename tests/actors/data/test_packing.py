from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from actors.data.packing import IGNORED, pack
from actors.models.families import new_model
from actors.settings import ModelSettings

PAD = 1


def test_packing_a_small_batch_by_hand():
    first = ([10, 11, 12, 13], [False, False, True, True])
    second = ([20, 21, 22], [False, True, True])
    third = ([30, 31], [False, True])
    packed = pack([first, second, third], length=8, padding=PAD)
    assert packed["ids"].tolist() == [[10, 11, 12, 13, 20, 21, 22, PAD], [30, 31, PAD, PAD, PAD, PAD, PAD, PAD]]
    assert packed["positions"].tolist() == [[0, 1, 2, 3, 0, 1, 2, 0], [0, 1, 0, 0, 0, 0, 0, 0]]
    no = IGNORED
    assert packed["labels"].tolist() == [[no, 12, 13, no, 21, 22, no, no], [31, no, no, no, no, no, no, no]]


@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=12), min_size=1, max_size=40))
def test_nothing_is_lost_and_only_what_is_said_is_learned(masks):
    conversations = [(list(range(100 * n + 2, 100 * n + 2 + len(said))), said) for n, said in enumerate(masks)]
    packed = pack(conversations, length=12, padding=PAD)
    ids = packed["ids"][packed["ids"] != PAD]
    assert sorted(ids) == sorted(token for tokens, _ in conversations for token in tokens)
    learned = packed["labels"][packed["labels"] != IGNORED]
    said = [token for tokens, mask in conversations for token, said in list(zip(tokens, mask, strict=True))[1:] if said]
    assert sorted(learned) == sorted(said)


def test_a_packed_conversation_has_the_logits_it_has_alone():
    model = new_model(ModelSettings(layers=2, hidden=64, heads=2, kv_heads=1, intermediate=128, context=32), 64, seed=0)
    generator = np.random.default_rng(0)
    conversations = [(generator.integers(2, 64, size).tolist(), [True] * size) for size in (9, 5, 7)]
    packed = {name: torch.from_numpy(array) for name, array in pack(conversations, length=24, padding=PAD).items()}
    assert len(packed["ids"]) == 1
    with torch.no_grad():
        together = model(input_ids=packed["ids"], position_ids=packed["positions"], use_cache=False).logits[0]
        start = 0
        for ids, _ in conversations:
            alone = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            torch.testing.assert_close(together[start : start + len(ids)], alone, rtol=1e-4, atol=1e-5)
            start += len(ids)
