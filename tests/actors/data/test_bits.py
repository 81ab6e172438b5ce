from __future__ import annotations

import math

import pytest
from transformers import AutoTokenizer

from actors.data.bits import bits_per_byte, token_bytes


@pytest.mark.parametrize("text", ["Return the list.", "naïve — 数を返す 🎉", "\n\n  tab\tand\x00zero"])
def test_the_bytes_of_a_texts_tokens_add_up_to_its_utf8_length(tokenizer_directory, text):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    assert int(token_bytes(tokenizer)[tokenizer(text).input_ids].sum()) == len(text.encode())


def test_special_tokens_stand_for_no_bytes(tokenizer_directory):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    assert token_bytes(tokenizer)[tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|end|>"])].tolist() == [0, 0]


def test_a_uniform_guess_over_all_byte_values_costs_eight_bits():
    assert bits_per_byte(10 * math.log(256), 10) == pytest.approx(8.0)
