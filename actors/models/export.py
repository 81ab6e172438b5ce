"""From weights to a directory that transformers and vLLM load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, PretrainedConfig

from actors.data.chat import stop_tokens
from actors.models.load import load_tokenizer
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
