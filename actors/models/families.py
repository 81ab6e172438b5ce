"""Models from settings to random weights."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from actors.settings import ModelSettings


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
