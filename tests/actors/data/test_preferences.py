from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from actors.data.preferences import (
    Preference,
    divided,
    from_files,
    read_preference,
    read_preferences,
    repeated,
    simulated,
    write_preferences,
)
from actors.data.split import ASSISTANT, held_out
from cluster.errors import RequestError
from cluster.inputs import expand
from cluster.store import Location

PAIRS = [(f"What does tool {n} do?", f"Tool {n} takes one thing and makes it into another, slowly.") for n in range(30)]


def test_every_simulated_preference_is_named_so_and_keeps_the_true_answer_as_the_chosen_one():
    found = simulated(PAIRS, most=100, seed=0)
    assert {each.rater for each in found} == {"simulated"}
    assert dict(PAIRS) == {each.prompt: each.chosen for each in found}


def test_the_three_faults_come_equally_often_and_are_what_they_are_called():
    answers = dict(PAIRS)
    faults: dict[str, list[Preference]] = {}
    for each in simulated(PAIRS, most=100, seed=0):
        faults.setdefault(each.fault, []).append(each)
    assert {fault: len(of) for fault, of in faults.items()} == {"off-topic": 10, "truncated": 10, "repetitive": 10}
    for each in faults["off-topic"]:
        assert each.rejected in answers.values()
        assert each.rejected != answers[each.prompt]
    for each in faults["truncated"]:
        assert answers[each.prompt].startswith(each.rejected)
        assert 2 <= len(each.rejected.split()) <= 8
    for each in faults["repetitive"]:
        assert len(set(each.rejected.split())) <= 6
        assert len(each.rejected.split()) > len(answers[each.prompt].split())


def test_the_seed_decides_and_the_number_is_kept():
    assert simulated(PAIRS, most=7, seed=1) == simulated(PAIRS, most=7, seed=1) != simulated(PAIRS, most=7, seed=2)
    assert len(simulated(PAIRS, most=7, seed=1)) == 7


def test_repeating_a_word_of_one_answer_gives_more_words_than_it_had():
    assert repeated("yes", np.random.default_rng(0)).split() == ["yes"] * 3


def test_an_hh_rlhf_dialogue_is_split_into_its_turns():
    record = {
        "chosen": "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: A joke?\n\nAssistant: Sure: ...",
        "rejected": "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: A joke?\n\nAssistant: No.",
    }
    prompt = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "A joke?"},
    ]
    assert read_preference(record, "hh.jsonl") == Preference(prompt, "Sure: ...", "No.", "hh.jsonl")
    single = {name: text.replace("\n\nHuman: Hi\n\nAssistant: Hello!", "") for name, text in record.items()}
    assert read_preference(single, "hh.jsonl") == Preference("A joke?", "Sure: ...", "No.", "hh.jsonl")


@pytest.mark.parametrize(
    "record",
    [
        {"chosen": "\n\nHuman: Hi\n\nAssistant: a", "rejected": "\n\nHuman: Ho\n\nAssistant: b"},  # other prompts
        {"chosen": "\n\nHuman: Hi\n\nAssistant: a", "rejected": "\n\nHuman: Hi\n\nAssistant: a"},  # no difference
        {"chosen": "\n\nHuman: Hi", "rejected": "\n\nHuman: Hi"},  # no answer
        {"chosen": "just text", "rejected": "other text"},
        {"prompt": "Hi", "chosen": "a"},
        None,
    ],
)
def test_what_holds_no_preference_is_not_one(record):
    assert read_preference(record, "file") is None


def test_files_name_their_rater_and_bad_lines_are_counted(tmp_path: Path):
    good = {"prompt": "Why?", "chosen": "Because.", "rejected": "Dunno."}
    lines = [json.dumps(good), json.dumps(good | {"rater": "anna"}), "{", json.dumps({"prompt": "Why?"})]
    (tmp_path / "rated.jsonl").write_text("\n".join(lines))
    found, unusable = from_files(expand(str(tmp_path / "rated.jsonl")))
    assert [each.rater for each in found] == ["rated.jsonl", "anna"]
    assert unusable == 2


def test_a_file_without_any_preference_is_refused_by_name(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("{}\n")
    with pytest.raises(RequestError, match=r"empty\.jsonl: no preference there"):
        from_files(expand(str(tmp_path / "empty.jsonl")))


def test_preferences_come_back_from_their_file_as_they_were(tmp_path: Path):
    preferences = [*simulated(PAIRS, most=3, seed=0), Preference([{"role": "user", "content": "é"}], "a", "b", "anna")]
    write_preferences(preferences, Location.of(tmp_path / "preferences.jsonl"))
    assert read_preferences(Location.of(tmp_path / "preferences.jsonl")) == preferences
    first = json.loads((tmp_path / "preferences.jsonl").read_text().splitlines()[0])
    assert first["rater"] == "simulated"


def question(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_prompt_has_one_split_whether_it_comes_as_text_or_as_messages() -> None:
    texts = [f"What is {number}?" for number in range(300)]
    as_text, as_messages = (
        [each.split for each in divided([Preference(form(text), "a", "b", "anna") for text in texts], 0.5, set())]
        for form in (str, question)
    )
    assert as_text == as_messages
    assert {"train", "heldout"} == set(as_text)


@pytest.mark.parametrize(("of_assistant", "of_judge"), [(0.05, 0.05), (0.1, 0.1), (0.2, 0.05), (0.05, 0.1)])
def test_the_judge_holds_out_its_share_of_what_the_assistant_has_learned_from(of_assistant: float, of_judge: float) -> None:
    prompts = [f"What is {number}?" for number in range(20_000)]
    learned = [prompt for prompt in prompts if not held_out(prompt, of_assistant, ASSISTANT)]
    splits = Counter(each.split for each in divided([Preference(each, "a", "b", "anna") for each in learned], of_judge, set()))
    assert abs(splits["heldout"] / splits.total() - of_judge) < 0.01


def test_a_prompt_that_models_are_compared_on_never_trains_the_judge_in_whatever_form_it_comes() -> None:
    dialogue = [*question("one"), {"role": "assistant", "content": "so"}, {"role": "user", "content": "and?"}]
    forms = [
        Preference("one", "a", "b", "anna"),
        Preference(question("one"), "a", "b", "anna"),
        Preference(dialogue, "a", "b", "anna"),
    ]
    assert [each.split for each in divided(forms, 1e-9, {"one"})] == ["heldout"] * 3
    assert [each.split for each in divided(forms, 1e-9, {"two"})] == ["train"] * 3
