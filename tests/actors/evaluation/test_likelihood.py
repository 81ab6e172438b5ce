from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actors.data.bits import bits_per_byte
from actors.evaluation.likelihood import documents_nats, windows


@given(st.integers(1, 60), st.integers(2, 12))
def test_every_token_but_the_first_is_scored_once_with_half_a_context_before_it(length, context):
    scored = []
    for window, new in windows(range(length), context):
        assert len(window) <= context
        assert window == list(range(window[0], window[0] + len(window)))
        scored += window[len(window) - new :] if new else []
        if window[0] > 0 and new:
            assert len(window) - new >= context - context // 2
    assert scored == list(range(1, length))


@pytest.fixture(scope="module")
def tiny_llama(random_llama):
    return random_llama(vocabulary=50, spread=0.5)


def test_short_documents_cost_what_the_model_itself_says_one_by_one(tiny_llama):
    generator = torch.Generator().manual_seed(1)
    documents = [torch.randint(50, (length,), generator=generator).tolist() for length in (5, 17, 2, 40, 40, 9, 1)]
    expected = 0.0
    with torch.no_grad():
        for ids in documents[:-1]:
            mean = tiny_llama(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss
            expected += float(mean) * (len(ids) - 1)
    assert documents_nats(tiny_llama, documents, context=64) == pytest.approx(expected, rel=1e-5)


def test_a_document_beyond_the_context_is_scored_whole(tiny_llama):
    ids = torch.randint(50, (100,), generator=torch.Generator().manual_seed(2)).tolist()
    expected = 0.0
    with torch.no_grad():
        for at in range(1, 100):
            # 16 tokens of context, then always between 8 and 15: where the window of this token begins.
            start = 0 if at < 16 else (at - 16) // 8 * 8 + 8
            end = min(start + 16, 100)
            start = end - 16 if at >= 16 else 0
            logits = tiny_llama(input_ids=torch.tensor([ids[start:at]])).logits[0, -1]
            expected -= float(logits.log_softmax(-1)[ids[at]])
    assert documents_nats(tiny_llama, [ids], context=16) == pytest.approx(expected, rel=1e-5)


def test_a_model_that_knows_nothing_needs_log2_of_the_vocabulary_bits_a_token(tiny_llama):
    """16 symbols of one byte each, all equally likely: 4 bits a byte."""

    class Uniform(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, input_ids: torch.Tensor, use_cache: bool):
            from types import SimpleNamespace

            return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 16))

    documents = [[0, *b"\x01\x02\x03"], [0, *b"\x04" * 500]]
    nats = documents_nats(Uniform(), documents, context=32)
    assert nats == pytest.approx(503 * math.log(16))
    assert bits_per_byte(nats, 503) == pytest.approx(4.0)
