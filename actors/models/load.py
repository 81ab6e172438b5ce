"""Models and tokenizers from local Hugging Face directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)


def load_model(directory: Path, model_class: type[PreTrainedModel] = LlamaForCausalLM, **options: Any) -> PreTrainedModel:
    """A model from a local Hugging Face directory, in fp32 on the CPU."""
    model = model_class.from_pretrained(directory, dtype=torch.float32, local_files_only=True, **options)
    model.config.architectures = [model_class.__name__]
    return model


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a local Hugging Face directory."""
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)
