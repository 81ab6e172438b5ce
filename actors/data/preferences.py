"""Preference pairs: which of two answers to a prompt is better, said by people's files or by a simulated rater."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from actors.data.chat import Message
from actors.data.conversations import read_records
from actors.data.split import JUDGE, held_out, identity
from cluster.errors import RequestError
from cluster.store import Location

SIMULATED = "simulated"
FILE = "preferences.jsonl"
TURN = re.compile(r"\n\n(Human|Assistant): ?")  # the dialogues of HH-RLHF (Bai et al. 2022)
ROLES = {"Human": "user", "Assistant": "assistant"}


@dataclass(frozen=True)
class Preference:
    """`chosen` is better than `rejected` as the next answer to `prompt`.

    prompt: what the user says; of longer dialogues, all messages so far.
    rater: who says so: `simulated`, or the name of a file or of a rater in it.
    fault: what a simulated rater finds wrong with the rejected answer; a `truncated` one has no end token.
    split: 'train' or 'heldout', once that is decided.
    """

    prompt: str | list[Message]
    chosen: str
    rejected: str
    rater: str
    fault: str = ""
    split: str = ""

    @property
    def messages(self) -> list[Message]:
        return [{"role": "user", "content": self.prompt}] if isinstance(self.prompt, str) else self.prompt


def divided(preferences: Iterable[Preference], share: float, never: Container[str]) -> list[Preference]:
    """Each with its split: `share` of the prompts are held out, and with them those in `never`, which no training may see.

    never: prompts that models are compared on; a dialogue counts by what the user says first.
    """

    def is_held(each: Preference) -> bool:
        first = next((message["content"] for message in each.messages if message["role"] == "user"), "")
        return first in never or held_out(identity(each.messages), share, JUDGE)

    return [replace(each, split="heldout" if is_held(each) else "train") for each in preferences]


# The simulated rater


def simulated(pairs: Sequence[tuple[str, str]], most: int, seed: int) -> list[Preference]:
    """What a simulated rater prefers: the answer that is on the topic, complete and said once.

    pairs: (prompt, answer). Against each answer stands one with a fault, by turns: the answer to another
    prompt (off-topic), the answer cut in its middle (truncated), its first words over and over (repetitive).
    A stated rule instead of a person, and named so wherever it appears.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(pairs))[:most]
    found = []
    for turn, number in enumerate(order):
        prompt, answer = pairs[number]
        other = pairs[order[turn - 1]][1]
        fault = ("off-topic", "truncated", "repetitive")[turn % 3]
        rejected = {"off-topic": other, "truncated": cut(answer, random), "repetitive": repeated(answer, random)}[fault]
        if rejected and rejected != answer:
            found.append(Preference(prompt, answer, rejected, SIMULATED, fault))
    return found


def cut(answer: str, random: np.random.Generator) -> str:
    """The first 20 to 80 percent of an answer's words; empty for a single word."""
    words = answer.split()
    return " ".join(words[: int(len(words) * random.uniform(0.2, 0.8))])


def repeated(answer: str, random: np.random.Generator) -> str:
    """The first two to six words, until the answer is longer than the whole one was."""
    words = answer.split()[: int(random.integers(2, 7))]
    return " ".join(words * (len(answer.split()) // len(words) + 2))


# From files


def from_files(files: Sequence[dict[str, Any]]) -> tuple[list[Preference], int]:
    """Preferences of the files that a recipe names, and how many lines hold none.

    Raises RequestError where no line can be used.
    """
    found: list[Preference] = []
    unusable = 0
    for uri, _, record in read_records(files):
        if preference := read_preference(record, uri.rpartition("/")[2]):
            found.append(preference)
        else:
            unusable += 1
    if not found:
        names = ", ".join(file["uri"] for file in files)
        raise RequestError(
            f"{names}: no preference there; lines are JSON with `prompt`, `chosen` and `rejected`, or HH-RLHF dialogues"
        )
    return found, unusable


def read_preference(record: Any, source: str) -> Preference | None:
    """One JSONL record; None where it holds no preference (not that form, or both answers are the same)."""
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in ("chosen", "rejected")):
        return None
    rater = record.get("rater") or source
    if prompt := record.get("prompt"):
        chosen, rejected = record["chosen"], record["rejected"]
    else:
        first, second = dialogue(record["chosen"]), dialogue(record["rejected"])
        if not first or not second or first[:-1] != second[:-1]:
            return None
        if first[-1]["role"] != "assistant" or second[-1]["role"] != "assistant" or len(first) < 2:
            return None
        prompt = first[0]["content"] if len(first) == 2 else first[:-1]
        chosen, rejected = first[-1]["content"], second[-1]["content"]
    if chosen.strip() == rejected.strip() or not chosen.strip():
        return None
    return Preference(prompt, chosen, rejected, rater, str(record.get("fault", "")))


def dialogue(text: str) -> list[Message]:
    """The turns of an HH-RLHF dialogue: `\\n\\nHuman: ...\\n\\nAssistant: ...`. Empty where it does not begin so."""
    before, *turns = TURN.split(text)
    if before.strip():
        return []
    return [{"role": ROLES[who], "content": said.strip()} for who, said in zip(turns[::2], turns[1::2], strict=True)]


# The file that the judge artefact keeps


def write_preferences(preferences: Iterable[Preference], place: Location) -> None:
    place.write_bytes("".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in preferences).encode())


def read_preferences(place: Location) -> list[Preference]:
    return [Preference(**json.loads(line)) for line in place.read_bytes().splitlines()]
