"""Bits per byte: a likelihood that models with different tokenizers share."""

from __future__ import annotations

import math

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase

from cluster.errors import RequestError


def token_bytes(tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    """UTF-8 bytes that each token id stands for, int64 [vocabulary]; 0 for special tokens.

    Raises RequestError for a tokenizer that is not byte-level: its tokens have no fixed number of bytes.
    """
    alphabet = set(ByteLevel.alphabet())
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    sizes = torch.zeros(len(tokenizer), dtype=torch.int64)
    for token, number in tokenizer.get_vocab().items():
        if number in special:
            continue
        if not alphabet.issuperset(token):
            raise RequestError(f"the tokenizer's token {token!r} is not byte-level; train one with the tokenizer stage")
        sizes[number] = len(token)  # the byte-level alphabet has one character a byte
    return sizes


def bits_per_byte(nats: float, size: float) -> float:
    """nats: summed negative log-likelihood of `size` bytes of text."""
    return nats / math.log(2) / size
