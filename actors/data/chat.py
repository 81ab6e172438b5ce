"""Conversations as tokens: what the chat template renders, and which of it the assistant says.

Special tokens come from the template alone: what a message says is text, also where it spells one of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cluster.errors import RequestError

Message = dict[str, str]  # {"role": "user" | "assistant" | "system", "content": text}


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a conversation up to where the assistant begins to answer."""
    return rendered(tokenizer, messages, add_generation_prompt=True)


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
        whole = rendered(tokenizer, messages[: turn + 1])
        if whole[: len(prompt)] != prompt or prompt[: len(ids)] != ids:
            raise RequestError("this tokenizer's chat template rewrites earlier turns; training needs one that only appends")
        end = last_special(tokenizer, whole) + 1
        said += [False] * (len(prompt) - len(ids)) + [True] * (end - len(prompt)) + [False] * (len(whole) - end)
        ids = whole
    return ids, said


MARK = "\ufdd0"  # a noncharacter (Unicode, section 23.7): no text means anything by it
MARKED = re.compile(f"{MARK}([0-9]+){MARK}")


def rendered(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool = False) -> list[int]:
    """Token ids of what the chat template makes of messages.

    While it renders, marks stand for what in a message spells a token of the vocabulary's own; what they stand for is then
    encoded sign by sign, so that it is no more than its text. Messages without any are encoded as one with the template.
    """
    literal = spelling((MARK, *tokenizer.get_added_vocab()))
    found: list[str] = []

    def mark(match: re.Match[str]) -> str:
        found.append(match[0])
        return f"{MARK}{len(found) - 1}{MARK}"

    marked = [{**message, "content": literal.sub(mark, message["content"])} for message in messages]
    if not found:
        return tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=add_generation_prompt, tokenize=True, return_dict=False
        )
    text = tokenizer.apply_chat_template(marked, add_generation_prompt=add_generation_prompt, tokenize=False)
    ids: list[int] = []
    for place, piece in enumerate(MARKED.split(text)):
        for part in list(found[int(piece)]) if place % 2 else [piece]:
            ids += tokenizer(part, add_special_tokens=False)["input_ids"] if part else []
    return ids


@lru_cache
def spelling(tokens: tuple[str, ...]) -> re.Pattern[str]:
    """What finds the longest of the tokens that begins at a place."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))


def stop_tokens(tokenizer: Any) -> list[int]:
    """Ids that end an answer: the end of text, and what the chat template puts behind an answer."""
    stops = {tokenizer.eos_token_id}
    if tokenizer.chat_template:
        ids = rendered(tokenizer, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        stops.add(ids[last_special(tokenizer, ids)])
    return sorted(stops)


def last_special(tokenizer: Any, ids: Sequence[int]) -> int:
    """Position of the last special token in `ids`."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for position in range(len(ids) - 1, -1, -1):
        if ids[position] in special:
            return position
    raise RequestError("this tokenizer's chat template ends an answer without a special token; add one")
