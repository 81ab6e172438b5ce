"""Models: from settings to random weights, from weights to a directory that transformers and vLLM load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from actors.chat import stop_tokens
from actors.settings import ModelSettings
from cluster import temporary
from cluster.store import Location

# What a tokenizer consists of in a Hugging Face directory; copied byte for byte.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


def new_model(settings: ModelSettings, vocabulary: int, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights: matrices normal(0, initial_std), norms 1. fp32, on the CPU.

    The same seed gives the same weights on every rank. Memory: 4 bytes a parameter.
    """
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=vocabulary,
        num_hidden_layers=settings.layers,
        hidden_size=settings.hidden,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.kv_heads,
        head_dim=settings.hidden // settings.heads,
        intermediate_size=settings.intermediate,
        max_position_embeddings=settings.context,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        tie_word_embeddings=settings.tied,
        initializer_range=settings.initial_std,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def load_model(directory: Path, model_class: type[PreTrainedModel] = LlamaForCausalLM, **options: Any) -> PreTrainedModel:
    """A model from a local Hugging Face directory, in fp32 on the CPU."""
    model = model_class.from_pretrained(directory, dtype=torch.float32, local_files_only=True, **options)
    model.config.architectures = [model_class.__name__]
    return model


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a local Hugging Face directory."""
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


def export_model(
    state_dict: Mapping[str, torch.Tensor], config: PretrainedConfig, tokenizer: Location, destination: Location
) -> None:
    """Write a Hugging Face directory: config, weights (safetensors), generation config, tokenizer.

    state_dict: full tensors by name, as `shard.full_state_dict` gives them.
    config: names its model class in `architectures` (default: LlamaForCausalLM). tokenizer: any directory that holds one.
    """
    model_class = getattr(transformers, (config.architectures or ["LlamaForCausalLM"])[0])
    with tokenizer_files(tokenizer) as source, temporary.directory("model") as name:
        directory = Path(name)
        words = load_tokenizer(source)
        config.bos_token_id, config.eos_token_id, config.pad_token_id = None, words.eos_token_id, words.pad_token_id
        with torch.device("meta"):
            model = model_class(config)
        model.generation_config = GenerationConfig(eos_token_id=stop_tokens(words), pad_token_id=words.pad_token_id)
        model.save_pretrained(directory, state_dict=dict(state_dict))
        for file in source.iterdir():
            (directory / file.name).write_bytes(file.read_bytes())
        destination.upload(directory)


@contextmanager
def tokenizer_files(place: Location) -> Iterator[Path]:
    """A local directory with the tokenizer of `place` and nothing else."""
    with temporary.directory("model") as directory:
        for name in TOKENIZER_FILES:
            if (place / name).exists():
                Path(directory, name).write_bytes((place / name).read_bytes())
        yield Path(directory)
