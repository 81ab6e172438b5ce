"""How much of a text a model says word for word when it is given the beginning (Carlini et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from actors.ablation.passages import Passage
from actors.evaluation.generation import greedy_answers
from cluster.errors import RequestError


@dataclass(frozen=True)
class Continued:
    """What a model said behind a prompt, and how many characters of it, from the first, are the true ones."""

    text: str
    matching: int
    exact: bool


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
