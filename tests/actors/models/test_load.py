from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from actors.models.export import export_model
from actors.models.families import new_model
from actors.models.load import load_model
from actors.settings import ModelSettings
from cluster.store import Location

TINY = ModelSettings(layers=2, hidden=64, heads=2, kv_heads=1, intermediate=128, context=64)


def test_a_model_has_the_shape_that_its_settings_say():
    model = new_model(TINY, vocabulary=300, seed=0)
    embeddings, attention = 300 * 64, 64 * 64 + 64 * 32 + 64 * 32 + 64 * 64
    assert model.num_parameters() == embeddings + 2 * (attention + 3 * 64 * 128 + 2 * 64) + 64


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, again, other = (new_model(TINY, 300, seed).lm_head.weight for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)


def test_weights_start_with_the_stated_spread():
    weight = new_model(TINY.model_copy(update={"initial_std": 0.05}), 4096, 0).model.embed_tokens.weight
    assert weight.std().item() == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hidden": 65}, "not divisible by heads"), ({"heads": 4, "kv_heads": 2}, "vLLM"), ({"kv_heads": 3}, "kv_heads")],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        ModelSettings.model_validate(TINY.model_dump() | change)


def test_an_exported_directory_gives_transformers_the_same_logits_and_the_same_tokenizer(tokenizer_directory, tmp_path: Path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    model = new_model(TINY, len(tokenizer), seed=3)
    export_model(model.state_dict(), model.config, Location.of(tokenizer_directory), Location.of(tmp_path))
    ids = torch.randint(0, len(tokenizer), (2, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(AutoModelForCausalLM.from_pretrained(tmp_path)(ids).logits, model(ids).logits)
        assert torch.equal(load_model(tmp_path)(ids).logits, model(ids).logits)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "Return naïve <|user|> lists\n\n  of 数 — twice"
    assert loaded(text).input_ids == tokenizer(text).input_ids
    assert loaded.chat_template == tokenizer.chat_template


def test_an_exported_model_stops_at_the_end_of_text_and_at_the_end_of_a_turn(tokenizer_directory, tmp_path: Path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    model = new_model(TINY, len(tokenizer), seed=0)
    export_model(model.state_dict(), model.config, Location.of(tokenizer_directory), Location.of(tmp_path))
    stops = AutoModelForCausalLM.from_pretrained(tmp_path).generation_config.eos_token_id
    assert tokenizer.convert_ids_to_tokens(stops) == ["<|endoftext|>", "<|end|>"]
