"""The actor that answers prompts: a vLLM engine that takes new weights between batches.

The engine lives in the actor's own process. An asynchronous engine would put its core and its worker into processes of
their own, each importing everything again (45 s to the first token instead of 14 on two cores); and since an actor does
one thing at a time, no request can be in flight while weights change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.rl.rollouts import Rollouts
from actors.rl.settings import RlhfSettings
from cluster.store import Location, digest_bytes

# vLLM reads these while it is imported.
ENGINE_ENVIRONMENT = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "TORCHDYNAMO_DISABLE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}

WEIGHTS = "model.safetensors"


def weights_at(published: Location, version: int) -> Location:
    """The directory of a published version, with its WEIGHTS in it."""
    return published / f"{version:08d}"


class Rollout:
    """Samples answers. Started again after a death it serves what was last published, without being told.

    model: a Hugging Face directory: architecture, first weights, end tokens. published: where the versions are.
    """

    def __init__(self, model: Location, published: Location, settings: RlhfSettings) -> None:
        os.environ.update(ENGINE_ENVIRONMENT)
        from vllm import LLM

        self.published, self.settings = published, settings
        self.version: int | None = None
        generation = (model / "generation_config.json").read_json()
        ends = generation["eos_token_id"]
        self.stop, self.pad = ends if isinstance(ends, list) else [ends], generation["pad_token_id"]
        with model.as_local() as directory:
            self.engine = LLM(
                model=str(directory),
                skip_tokenizer_init=True,
                dtype="bfloat16" if settings.precision == "bf16" else "float32",
                max_model_len=settings.prompt_tokens + settings.answer_tokens,
                kv_cache_memory_bytes=settings.engine_cache_mb << 20,
                enforce_eager=True,
                logprobs_mode="processed_logprobs",
                seed=settings.seed,
            )

    def load(self, version: int) -> str:
        """Serve a published version. Returns the digest of the file that was read."""
        self.version = None  # an engine that fails half-way serves nothing until it has loaded a version whole
        with weights_at(self.published, version).as_local() as directory:
            self.engine.collective_rpc("reload_weights", kwargs={"weights_path": str(directory)})
            digest = digest_bytes((directory / WEIGHTS).read_bytes())
        self.engine.apply_model(repack_head)
        self.engine.reset_prefix_cache()
        self.version = version
        return digest

    def generate(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], version: int) -> Rollouts:
        """One answer a prompt, each with a seed of its own, by exactly this version of the weights."""
        from vllm import SamplingParams

        if self.version != version:
            self.load(version)
        began = time.time()
        sampling = [
            SamplingParams(
                temperature=self.settings.temperature,
                max_tokens=self.settings.answer_tokens,
                stop_token_ids=self.stop,
                ignore_eos=True,
                seed=seed,
                logprobs=0,
                detokenize=False,
            )
            for seed in seeds
        ]
        outputs = [output.outputs[0] for output in self._complete(prompts, sampling)]
        return Rollouts.pack(
            prompts,
            [output.token_ids for output in outputs],
            [
                [step[token].logprob for step, token in zip(output.logprobs, output.token_ids, strict=True)]
                for output in outputs
            ],
            [output.finish_reason == "stop" for output in outputs],
            version=version,
            seconds=time.time() - began,
            pad=self.pad,
        )

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """What the engine gives each token after the first: float32 [len - 1] a sequence, at temperature 1."""
        from vllm import SamplingParams

        sampling = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
        outputs = self._complete(sequences, [sampling] * len(sequences))
        return [
            np.array([step[token].logprob for step, token in zip(output.prompt_logprobs[1:], ids[1:], strict=True)], np.float32)
            for output, ids in zip(outputs, sequences, strict=True)
        ]

    def _complete(self, prompts: Sequence[Sequence[int]], sampling: Sequence[Any]) -> list[Any]:
        from vllm import TokensPrompt

        return self.engine.generate(
            [TokensPrompt(prompt_token_ids=list(ids)) for ids in prompts], list(sampling), use_tqdm=False
        )


def repack_head(model: Any) -> None:
    """Make the output layer follow the embeddings it is tied to.

    vLLM computes it on CPUs from a packed copy, which reloading renews only for layers whose own weights are in the file.
    """
    model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
