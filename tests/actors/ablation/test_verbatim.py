from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from actors.ablation.measure import Repeated, groups
from actors.ablation.passages import Passage, cut, read_passages
from actors.ablation.settings import VerbatimSettings
from actors.ablation.verbatim import Continued, compared, continue_passages, copies_in
from actors.models.families import new_model
from actors.settings import ModelSettings
from cluster.errors import RequestError
from pipeline.tokens.tokenizer import train, with_chat_template

TEXT = (
    "The tide went out before the boats came home, and nobody on the pier said a word of it. In 1894 the harbour master "
    "wrote down the hour twice: once for the company, once for himself. His own book is lost.\n\n"
    "The company's says that the wind turned north-east at 4.15 in the morning; that seven lights were counted; and that "
    "of the seven one was the moon."
)
CUT = {"prompt_characters": 100, "continuation_characters": 80}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return with_chat_template(train([TEXT] * 3, 400, 2))


def settings(**values: Any) -> VerbatimSettings:
    return VerbatimSettings(passages="passages.jsonl", **values)


def llama(tokenizer: Any) -> Any:
    return new_model(
        ModelSettings(layers=2, hidden=64, heads=2, kv_heads=1, intermediate=128, context=320), len(tokenizer), 0
    ).eval()


@pytest.mark.parametrize("characters", range(1, 200, 7))
def test_a_prompt_has_the_tokens_that_the_whole_text_begins_with(tokenizer: Any, characters: int) -> None:
    passage = cut(TEXT, 1, "", settings(prompt_characters=characters, continuation_characters=50), "")
    whole = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    prompt = tokenizer(passage.prompt, add_special_tokens=False)["input_ids"]
    assert whole[: len(prompt)] == prompt
    assert characters <= len(passage.prompt) < characters + 14  # up to the end of a word
    assert passage.prompt + passage.rest == TEXT
    assert passage.rest.startswith(passage.continuation)
    assert len(passage.continuation) == 50


def test_a_text_without_blanks_is_cut_where_the_prompt_is_long_enough() -> None:
    passage = cut("潮" * 30, 1, "", settings(prompt_characters=10, continuation_characters=20), "")
    assert (len(passage.prompt), len(passage.continuation)) == (10, 20)


def test_a_model_that_learned_one_passage_by_heart_says_it_and_a_fresh_one_does_not(tokenizer: Any) -> None:
    other = TEXT.replace("the", "a").replace("boats", "men")
    passages = [cut(text, 1, "", settings(**CUT), "") for text in (TEXT, other)]
    model = llama(tokenizer)
    assert [each.exact for each in continue_passages(model, tokenizer, passages)] == [False, False]
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(TEXT, add_special_tokens=False)["input_ids"]]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
    learned, unknown = continue_passages(model, tokenizer, passages)
    assert learned == Continued(passages[0].continuation, 80, True)
    assert not unknown.exact
    assert unknown.matching < 80


def test_continuations_are_the_most_probable_token_again_and_again(tokenizer: Any) -> None:
    """Prompts of different lengths, padded and cached together, against the model asked for one token after the other."""
    torch.manual_seed(1)
    model = llama(tokenizer)
    for parameter in model.parameters():
        parameter.data *= 3  # so that it prefers some tokens to others
    passages = [cut(TEXT, 1, "", settings(prompt_characters=n, continuation_characters=20), "") for n in (5, 40, 90)]
    for passage, found in zip(passages, continue_passages(model, tokenizer, passages), strict=True):
        ids = [tokenizer.eos_token_id, *tokenizer(passage.prompt, add_special_tokens=False)["input_ids"]]
        begin = len(ids)
        while len(tokenizer.decode(ids[begin:], skip_special_tokens=True)) < 20 and len(ids) < begin + 20:
            with torch.no_grad():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == tokenizer.eos_token_id:
                break
        said = tokenizer.decode(ids[begin:], skip_special_tokens=True)
        assert said.startswith(found.text) or found.text.startswith(said[:20])


@pytest.mark.parametrize(
    ("said", "matching", "exact"),
    [("the moon", 8, True), ("the moon and more", 8, True), ("the mo", 6, False), ("the noon", 4, False), ("", 0, False)],
)
def test_only_the_whole_continuation_counts_and_the_first_difference_ends_the_match(
    said: str, matching: int, exact: bool
) -> None:
    found = compared(said, "the moon")
    assert (found.matching, found.exact) == (matching, exact)


def test_copies_are_training_texts_that_hold_prompt_and_continuation_word_for_word() -> None:
    passage = cut(TEXT, 9, "", settings(**CUT), "")
    behind = TEXT.replace("one was the moon", "none was the moon")  # a change behind the continuation is none in it
    inside = TEXT.replace("harbour", "harbor")
    assert copies_in([TEXT, "x " + behind, inside, TEXT.lower()], [passage]) == [2]


def test_groups_are_means_over_passages_of_as_many_copies_and_one_kind() -> None:
    passages = [Passage(copies, kind, "", "", "") for copies, kind in ((10, "b"), (1, ""), (10, "a"), (10, "b"))]
    continued = [Continued("", matching, matching == 8) for matching in (8, 2, 4, 1)]
    assert groups(Repeated(passages, continued, [10, 1, 5, 6])) == [
        {"copies": 1, "kind": "", "passages": 1, "trained_on": 1, "verbatim": 0, "matching_characters": 2},
        {"copies": 10, "kind": "a", "passages": 1, "trained_on": 5, "verbatim": 0, "matching_characters": 4},
        {"copies": 10, "kind": "b", "passages": 2, "trained_on": 8, "verbatim": 0.5, "matching_characters": 4.5},
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"text": TEXT}, "passages.jsonl, item 0: no field 'copies' (there: text)"),
        ({"text": TEXT, "copies": -1}, "passages.jsonl, item 0: copies is -1; give how often it was planted, 0 for never"),
        (
            {"text": "short", "copies": 1},
            "passages.jsonl, item 0: 5 characters, fewer than prompt_characters and continuation_",
        ),
    ],
)
def test_a_passage_that_cannot_be_asked_for_is_named(tmp_path: Path, line: dict[str, Any], words: str) -> None:
    file = tmp_path / "passages.jsonl"
    file.write_text(json.dumps(line))
    with pytest.raises(RequestError) as refused:
        read_passages(VerbatimSettings(passages=str(file), **CUT))
    assert words in str(refused.value)


def test_a_passage_beyond_the_models_context_is_refused(tokenizer: Any) -> None:
    with pytest.raises(RequestError, match=r"more than pretrain\.model\.context \(320\); lower verbatim\.prompt_characters"):
        continue_passages(llama(tokenizer), tokenizer, [cut("ab" * 1000, 1, "", settings(prompt_characters=900), "")])
