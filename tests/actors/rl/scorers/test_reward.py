"""Judge and reference as plain objects, against transformers itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.rl.rollouts import Rollouts
from actors.rl.scorers.reference import Reference
from actors.rl.scorers.reward import Reward
from cluster.store import Location
from tests.actors.rl.line import Tiny, write_tiny_model


@pytest.fixture(scope="module")
def rollouts() -> Rollouts:
    generator = np.random.default_rng(0)
    prompts = [generator.integers(5, 300, size=length).tolist() for length in generator.integers(1, 9, size=20)]
    answers = [generator.integers(5, 300, size=length).tolist() for length in generator.integers(1, 12, size=20)]
    nothing = [[0.0] * len(answer) for answer in answers]
    return Rollouts.pack(prompts, answers, nothing, [True] * 20, version=0, seconds=0.0, pad=1)


def model(directory: Path, tokenizer: Path, architecture: str) -> Location:
    place = Location.of(directory)
    write_tiny_model(Tiny(tokenizer=str(tokenizer)), place, architecture)
    return place


def test_the_judges_score_is_what_it_gives_each_conversation_alone(rollouts, tokenizer_directory, tmp_path):
    from transformers import LlamaForSequenceClassification

    place = model(tmp_path, tokenizer_directory, "LlamaForSequenceClassification")
    alone: Any = LlamaForSequenceClassification.from_pretrained(place.path).eval()
    with torch.no_grad():
        rows = zip(rollouts.ids, rollouts.lengths, strict=True)
        expected = [float(alone(input_ids=torch.tensor(ids[None, :length])).logits) for ids, length in rows]
    np.testing.assert_allclose(Reward(place).score(rollouts), expected, atol=1e-4)


def test_the_reference_says_how_likely_the_answers_tokens_are_and_nothing_of_others(rollouts, tokenizer_directory, tmp_path):
    from transformers import LlamaForCausalLM

    place = model(tmp_path, tokenizer_directory, "LlamaForCausalLM")
    alone: Any = LlamaForCausalLM.from_pretrained(place.path).eval()
    found = Reference(place, temperature=0.5).logprobs(rollouts)
    for row in range(len(rollouts.ids)):
        begin, end = rollouts.prompt_lengths[row], rollouts.lengths[row]
        ids = torch.tensor(rollouts.ids[row, :end])
        with torch.no_grad():
            steps = (alone(input_ids=ids[None]).logits[0] / 0.5).log_softmax(-1)
        expected = steps[torch.arange(begin - 1, end - 1), ids[begin:]]
        np.testing.assert_allclose(found[row, begin:end], expected, atol=1e-4)
        assert not found[row, :begin].any()
        assert not found[row, end:].any()


def test_who_holds_handles_of_the_actors_needs_no_torch():
    modules = "actors.rl.coordinator, actors.rl.engines.rollout, actors.rl.scorers.reward, actors.rl.scorers.reference"
    code = f"import {modules}, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4]).returncode == 0
