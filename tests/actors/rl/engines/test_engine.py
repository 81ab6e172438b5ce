"""The real engine in its actor: what it samples, what it says of it, and which weights it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from transformers import LlamaForCausalLM

from actors.models.load import load_model
from actors.rl.engines.rollout import Rollout, weights_at
from actors.rl.engines.sync import verify, write_weights
from actors.rl.logprobs import token_logprobs
from actors.rl.settings import RlhfSettings
from cluster.errors import WorkError
from cluster.store import Location
from tests.actors.rl.line import Tiny, write_tiny_model

pytestmark = pytest.mark.slow

SETTINGS = RlhfSettings(prompt_tokens=32, answer_tokens=24, temperature=0.8, engine_cache_mb=32)
PROMPTS = [[5 + row, 40, 41 + row, 100 - row] for row in range(6)] * 4
SEEDS = list(range(len(PROMPTS)))


@pytest.fixture(scope="module")
def tied(tokenizer_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Location:
    """A model whose output layer is its embeddings, as small models have it."""
    place = Location.of(tmp_path_factory.mktemp("tied"))
    write_tiny_model(Tiny(tokenizer=str(tokenizer_directory)), place, "LlamaForCausalLM")
    return place


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Location:
    return Location.of(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def versions(tied: Location, published: Location) -> dict[int, LlamaForCausalLM]:
    """Weights 0 as they were, weights 1 after a step of learning so large that any missed tensor shows."""
    models: dict[int, Any] = {}
    for version in (0, 1):
        model: Any = load_model(Path(tied.path)).eval()
        generator = torch.Generator().manual_seed(version)
        if version:
            for parameter in model.parameters():
                parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
        weights = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
        write_weights(published, version, weights)
        models[version] = model
    return models


@pytest.fixture(scope="module")
def rollout(mailbox: Any, tied: Location, published: Location) -> Any:
    actor: Any = ray.remote(Rollout).options(num_cpus=1)
    return actor.remote(tied, published, SETTINGS)


@torch.inference_mode()
def trainer_logprobs(model: Any, ids: np.ndarray, temperature: float) -> np.ndarray:
    tensor = torch.tensor(ids)
    return token_logprobs(model(input_ids=tensor).logits, tensor, temperature).numpy()


def test_what_the_engine_says_of_its_samples_is_what_the_model_says(rollout, versions):
    """At the sampling temperature, after every change of weights, without being told to load them."""
    for version in (0, 1, 0):
        found = ray.get(rollout.generate.remote(PROMPTS, SEEDS, version))
        expected = trainer_logprobs(versions[version], found.ids, SETTINGS.temperature)
        np.testing.assert_allclose(found.behaviour, np.where(found.mask, expected, 0), atol=1e-4)
        other = trainer_logprobs(versions[1 - version], found.ids, SETTINGS.temperature)
        assert np.abs(found.behaviour - other)[found.mask].mean() > 0.1


def test_answers_follow_their_seeds_and_end_at_an_end_token_or_at_the_limit(rollout, versions, tied):
    first, again, other = (ray.get(rollout.generate.remote(PROMPTS, seeds, 0)) for seeds in (SEEDS, SEEDS, SEEDS[::-1]))
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.ids.shape != other.ids.shape or (first.ids != other.ids).any()
    stop = (tied / "generation_config.json").read_json()["eos_token_id"]
    assert 0 < first.ended.sum() < len(PROMPTS)
    for row, mask, ended in zip(first.ids, first.mask, first.ended, strict=True):
        answer = row[mask]
        assert ended == (answer[-1] in stop)
        assert ended or len(answer) == SETTINGS.answer_tokens
        assert not set(answer[:-1]) & set(stop)


def test_verification_passes_for_the_weights_that_are_served_and_for_no_others(rollout, versions):
    probes = PROMPTS[:4]
    for version in (1, 0):
        ray.get(rollout.load.remote(version))
        served = ray.get(rollout.logprobs.remote(probes))
        expected = {
            each: [trainer_logprobs(model, np.array([probe]), 1.0)[0, 1:] for probe in probes]
            for each, model in versions.items()
        }
        assert verify(version, expected[version], served, SETTINGS.sync_tolerance) < 1e-5
        with pytest.raises(WorkError, match=f"weights {version}: engine and trainer differ"):
            verify(version, expected[1 - version], served, SETTINGS.sync_tolerance)


def test_weights_that_cannot_be_loaded_stop_the_engine_from_answering_until_others_are(rollout, versions, published):
    broken = weights_at(published, 7)
    (broken / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(ray.exceptions.RayTaskError):
        ray.get(rollout.generate.remote(PROMPTS, SEEDS, 7))
    broken.delete()
    found = ray.get(rollout.generate.remote(PROMPTS, SEEDS, 1))
    expected = trainer_logprobs(versions[1], found.ids, SETTINGS.temperature)
    np.testing.assert_allclose(found.behaviour, np.where(found.mask, expected, 0), atol=1e-4)
