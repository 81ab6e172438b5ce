from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from actors.data.chat import encode_conversation, encode_prompt, stop_tokens
from cluster.errors import RequestError

SINGLE = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ok"}]
TWO_TURNS = [*SINGLE, {"role": "user", "content": "so"}, {"role": "assistant", "content": "no"}]


@pytest.fixture
def tokenizer(tokenizer_directory):
    return AutoTokenizer.from_pretrained(tokenizer_directory)


def test_the_mask_covers_each_answer_and_its_end_token_and_nothing_else(tokenizer):
    ids, said = encode_conversation(tokenizer, TWO_TURNS)
    marked = [(token, mask) for token, mask in zip(tokenizer.convert_ids_to_tokens(ids), said, strict=True)]
    # no merge in the test's tokenizer touches these words: one token a letter
    assert marked == [
        *[("<|user|>", False), ("h", False), ("i", False), ("<|end|>", False)],
        *[("<|assistant|>", False), ("o", True), ("k", True), ("<|end|>", True)],
        *[("<|user|>", False), ("s", False), ("o", False), ("<|end|>", False)],
        *[("<|assistant|>", False), ("n", True), ("o", True), ("<|end|>", True)],
    ]


def test_what_the_template_puts_behind_the_end_token_is_not_learned(tokenizer):
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")
    ids, said = encode_conversation(tokenizer, SINGLE)
    assert tokenizer.convert_ids_to_tokens(ids)[-2:] == ["<|end|>", "Ċ"]
    assert said == [False] * 6 + [True, True, True, False]


def test_a_prompt_is_what_a_conversation_begins_with(tokenizer):
    prompt = encode_prompt(tokenizer, SINGLE[:1])
    assert encode_conversation(tokenizer, SINGLE)[0][: len(prompt)] == prompt
    assert tokenizer.convert_ids_to_tokens(prompt)[-1] == "<|assistant|>"


def test_an_answer_stops_at_the_end_of_text_or_of_the_turn(tokenizer):
    assert tokenizer.convert_ids_to_tokens(stop_tokens(tokenizer)) == ["<|endoftext|>", "<|end|>"]


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer):
    tokenizer.chat_template = "{{ messages | length }}" + tokenizer.chat_template
    with pytest.raises(RequestError, match="only appends"):
        encode_conversation(tokenizer, TWO_TURNS)


def test_a_template_without_an_end_token_is_refused(tokenizer):
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    with pytest.raises(RequestError, match="special token"):
        stop_tokens(tokenizer)
