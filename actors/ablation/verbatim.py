"""How much of a text a model says word for word when it is given the beginning (Carlini et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from actors.ablation.settings import VerbatimSettings
from actors.evaluation.generation import greedy_answers
from cluster.errors import RequestError
from pipeline.rows import field, rows

# A blank or line end behind a word: no token of byte-level BPE reaches across the place before it.
BREAK = re.compile(r"(?<=\S)\s")


@dataclass(frozen=True)
class Passage:
    """A planted text: `prompt` is its beginning, `continuation` what comes next, `rest` all that comes next."""

    copies: int
    kind: str
    prompt: str
    continuation: str
    rest: str


@dataclass(frozen=True)
class Continued:
    """What a model said behind a prompt, and how many characters of it, from the first, are the true ones."""

    text: str
    matching: int
    exact: bool


def read_passages(settings: VerbatimSettings) -> list[Passage]:
    """Raises RequestError naming the item that has no text or copies, or is too short."""
    found = []
    for name, item, value in rows([settings.passages]):
        text, copies = str(field(name, item, value, "text")), field(name, item, value, "copies")
        if not isinstance(copies, int) or copies < 0:
            raise RequestError(f"{name}, item {item}: copies is {copies!r}; give how often it was planted, 0 for never")
        found.append(cut(text, copies, str(value.get("kind", "")), settings, f"{name}, item {item}"))
    if not found:
        raise RequestError(f"{settings.passages}: no passage in it; give lines of {{text, copies}}")
    return found


def cut(text: str, copies: int, kind: str, settings: VerbatimSettings, label: str) -> Passage:
    """The prompt ends before the first blank from `prompt_characters` on, so that its tokens are those of the whole text;
    where a script has no blanks, just there."""
    blank = BREAK.search(text, settings.prompt_characters)
    end = blank.start() if blank else settings.prompt_characters
    if end + settings.continuation_characters > len(text):
        end = settings.prompt_characters
    if end + settings.continuation_characters > len(text):
        raise RequestError(
            f"{label}: {len(text)} characters, fewer than prompt_characters and continuation_characters "
            f"({settings.prompt_characters} + {settings.continuation_characters}); lower them or leave it out"
        )
    return Passage(copies, kind, text[:end], text[end : end + settings.continuation_characters], text[end:])


def continue_passages(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, passages: Sequence[Passage]
) -> list[Continued]:
    """Greedy continuations of the prompts, each behind an end-of-text token, as where a document begins in training.

    Raises RequestError for a passage that does not fit into the model's context.
    """
    prompts = [[tokenizer.eos_token_id, *tokenizer(each.prompt, add_special_tokens=False)["input_ids"]] for each in passages]
    lengths = [tokens_to_say(tokenizer, each) for each in passages]
    context = model.config.max_position_embeddings
    for passage, prompt in zip(passages, prompts, strict=True):
        if len(prompt) + max(lengths) > context:
            raise RequestError(
                f"verbatim: {passage.prompt[:40]!r} and what follows are {len(prompt)} + {max(lengths)} tokens, "
                f"more than pretrain.model.context ({context}); lower verbatim.prompt_characters or continuation_characters"
            )
    said = greedy_answers(model, prompts, max(lengths), [tokenizer.eos_token_id])
    texts = tokenizer.batch_decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [compared(text, passage.continuation) for text, passage in zip(texts, passages, strict=True)]


def tokens_to_say(tokenizer: PreTrainedTokenizerBase, passage: Passage) -> int:
    """How many tokens of the true rest cover the continuation; its end may lie inside a token."""
    spans = tokenizer(passage.rest, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return sum(start < len(passage.continuation) for start, _ in spans)


def compared(said: str, true: str) -> Continued:
    said = said[: len(true)]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(said, true, strict=False))
    return Continued(said, sum(1 for _ in same), said == true)


def copies_in(texts: Iterable[str], passages: Sequence[Passage]) -> list[int]:
    """For each passage, how many texts hold prompt and continuation as they are: what dedup and filters have left.

    Every text is searched for every passage: a gigabyte takes about as many seconds as there are passages.
    """
    whole = [each.prompt + each.continuation for each in passages]
    found = [0] * len(whole)
    for text in texts:
        for number, passage in enumerate(whole):
            found[number] += passage in text
    return found
