"""The whole stage, for real, on tiny models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from actors.data.conversations import CONVERSATIONS
from actors.evaluation.settings import EvaluationSettings
from actors.models.load import load_model, load_tokenizer
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, parquet_bytes
from cluster.track.events import Track
from cluster.track.recorder import Recorder
from tests.actors.rl.line import PROMPTS, Tiny, write_conversations, write_tiny_model

pytestmark = pytest.mark.slow

TRAIN = [f"Function {n} returns the sum of its arguments; see function {n + 1}." for n in range(60)]
HELDOUT = ["Function 99 returns the sum of its arguments.", "Été: ± 3 % naïve."]


@pytest.fixture(scope="module")
def inputs(tokenizer_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    root = Location.of(tmp_path_factory.mktemp("root"))
    architectures = {"base": "LlamaForCausalLM", "assistant": "LlamaForCausalLM", "judge": "LlamaForSequenceClassification"}
    for seed, (name, architecture) in enumerate(architectures.items()):
        write_tiny_model(Tiny(tokenizer=str(tokenizer_directory), seed=seed), root / name, architecture)
    write_tiny_model(Tiny(tokenizer=str(tokenizer_directory), seed=1), root / "aligned", "LlamaForCausalLM")
    write_conversations(root / "assistant" / CONVERSATIONS)
    for split, texts in (("train", TRAIN), ("heldout", HELDOUT)):
        (root / "corpus" / f"{split}-000000.parquet").write_bytes(parquet_bytes(pa.table({"text": texts})))
    return {
        name: Artefact(root / name, {"stage": name, "key": name, "files": [{"path": file} for file in (root / name).files()]})
        for name in ("corpus", *architectures, "aligned")
    }


@pytest.fixture(scope="module")
def evaluated(mailbox: Any, inputs: dict[str, Artefact], tmp_path_factory: pytest.TempPathFactory) -> Context:
    from actors.evaluation.evaluate import evaluate

    output = Location.of(tmp_path_factory.mktemp("evaluation"))
    settings = EvaluationSettings(prompts=6, samples=2, answer_tokens=16, prompt_tokens=64, resamples=1000, shown=3)
    cluster = ClusterSettings(dashboard=False)
    ctx = Context(settings, cluster, inputs, [], output, output / WORK, Track("evaluation", mailbox), output.path, output)
    with Recorder("evaluation", mailbox, output) as recorder:
        evaluate(ctx)
    assert recorder.work_seconds() > 0
    return ctx


@pytest.fixture(scope="module")
def figures(evaluated: Context) -> dict[str, Any]:
    return (evaluated.output / "evaluation.json").read_json()


def test_bits_per_byte_are_those_of_the_models_own_loss(figures: dict[str, Any], inputs: dict[str, Artefact]) -> None:
    size = sum(len(text.encode()) for text in HELDOUT)
    assert figures["heldout"]["bytes"] == size
    for name in ("base", "assistant", "aligned"):
        directory = Path(inputs[name].location.path)
        model: Any = load_model(directory).eval()
        tokenizer: Any = load_tokenizer(directory)
        nats, tokens = 0.0, 0
        for text in HELDOUT:
            ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
            with torch.no_grad():
                nats += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
            tokens += ids.shape[1] - 1
        assert figures["bits_per_byte"][name] == pytest.approx(nats / math.log(2) / size, rel=1e-4)
        assert figures["heldout"]["tokens"] == tokens


def test_baselines_of_the_training_pages_beat_random_weights(figures: dict[str, Any]) -> None:
    found = figures["bits_per_byte"]
    assert found["token bigram"] < found["token unigram"] < found["base"]
    assert found["byte bigram"] < found["byte unigram"] < 8


def test_a_model_that_is_the_assistant_gives_its_answers_and_no_difference_in_reward(
    figures: dict[str, Any], evaluated: Context
) -> None:
    assert figures["reward"]["assistant"] == figures["reward"]["aligned"]
    assert figures["reward"]["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "confidence": 0.95}
    assert (figures["reward"]["prompts"], figures["reward"]["answers_a_prompt"]) == (6, 2)
    assert 0 <= figures["ended"]["assistant"] <= 1
    assert 1 <= figures["answer_tokens"]["assistant"] <= 16
    side_by_side = evaluated.blocks[-1].model_dump()
    assert side_by_side["columns"] == ["prompt", "base", "assistant", "aligned"]
    assert [row[0] for row in side_by_side["rows"]] == PROMPTS[32:35]
    assert all(row[2] == row[3] != row[1] for row in side_by_side["rows"])
