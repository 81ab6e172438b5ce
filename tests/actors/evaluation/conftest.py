from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(scope="package")
def random_llama() -> Callable:
    """Makes a Llama of two layers with random weights, large enough that it prefers some tokens to others."""

    def make(vocabulary: int, spread: float):
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=1,
            num_key_value_heads=1,
            head_dim=32,
            intermediate_size=64,
            max_position_embeddings=64,
            initializer_range=spread,
        )
        return LlamaForCausalLM(config).eval()

    return make
