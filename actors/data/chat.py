"""Conversations as tokens: what the chat template renders, and which of it the assistant says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.errors import RequestError

Message = dict[str, str]  # {"role": "user" | "assistant" | "system", "content": text}


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a conversation up to where the assistant begins to answer."""
    return tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=True, return_dict=False)


def encode_conversation(tokenizer: Any, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """Token ids of a whole conversation, and for each whether the assistant says it.

    An answer reaches from behind the generation prompt to its end token, both for learning what to say
    and when to stop. Raises RequestError where the template renders a turn differently once another follows.
    """
    ids: list[int] = []
    said: list[bool] = []
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = encode_prompt(tokenizer, messages[:turn])
        whole = tokenizer.apply_chat_template(list(messages[: turn + 1]), tokenize=True, return_dict=False)
        if whole[: len(prompt)] != prompt or prompt[: len(ids)] != ids:
            raise RequestError("this tokenizer's chat template rewrites earlier turns; training needs one that only appends")
        end = last_special(tokenizer, whole) + 1
        said += [False] * (len(prompt) - len(ids)) + [True] * (end - len(prompt)) + [False] * (len(whole) - end)
        ids = whole
    return ids, said


def stop_tokens(tokenizer: Any) -> list[int]:
    """Ids that end an answer: the end of text, and what the chat template puts behind an answer."""
    stops = {tokenizer.eos_token_id}
    if tokenizer.chat_template:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], tokenize=True, return_dict=False
        )
        stops.add(ids[last_special(tokenizer, ids)])
    return sorted(stops)


def last_special(tokenizer: Any, ids: Sequence[int]) -> int:
    """Position of the last special token in `ids`."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for position in range(len(ids) - 1, -1, -1):
        if ids[position] in special:
            return position
    raise RequestError("this tokenizer's chat template ends an answer without a special token; add one")
