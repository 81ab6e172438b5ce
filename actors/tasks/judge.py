"""The judge: a reward model that scores an answer, from pairs of which one is preferred (Bradley and Terry 1952)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from transformers import LlamaForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from actors.data.chat import Message, encode_conversation
from actors.data.conversations import CONVERSATIONS, read_table
from actors.data.order import examples_of, held_out_rows
from actors.data.preferences import (
    FILE,
    SIMULATED,
    Preference,
    divided,
    from_files,
    read_preferences,
    simulated,
    write_preferences,
)
from actors.data.split import check_splits
from actors.models.load import load_model, load_tokenizer
from actors.settings import RewardSettings
from actors.training.figures import figures, loss_curve
from actors.training.fit import fit
from actors.training.step import split
from actors.training.task import Batch
from cluster.errors import RequestError
from cluster.report.blocks import Samples, Table
from cluster.stage import Context
from cluster.store import Location

SHOWN = 8  # preferences in the report
BINS = 10  # of the calibration error (Guo et al. 2017 use 10 to 15)


def train_judge(ctx: Context) -> None:
    """Stage `judge`: collect preferences, train on them, export, tell."""
    settings: RewardSettings = ctx.settings
    assistant, unusable = ctx.inputs["assistant"].location, 0
    conversations = read_table(assistant / CONVERSATIONS)
    if ctx.external:
        preferences, unusable = from_files(ctx.external)
    else:
        answers = [(row["prompt"], row["response"]) for row in conversations if row["split"] == "train"]
        preferences = simulated(answers, settings.pairs, settings.seed)
    never = {row["prompt"] for row in conversations if row["split"] == "heldout"}
    preferences = divided(preferences, settings.heldout_share, never)
    splits = Counter(each.split for each in preferences)
    check_splits(splits, "preferences", "name more in reward.files")
    place = ctx.output / FILE
    write_preferences(preferences, place)

    outcome = fit(ctx, partial(Judging, settings, assistant, place), settings, tokenizer=assistant)
    raters = Counter(each.rater for each in preferences)
    ctx.count(
        preferences=len(preferences),
        simulated_preferences=raters[SIMULATED],
        heldout_preferences=splits["heldout"],
        unusable_lines=unusable,
        skipped_steps=outcome.progress.skipped,
        **{f"held_out_{name}": value for name, value in outcome.held_out.items()},
    )
    learned = [each for each in preferences if each.split == "train"][:SHOWN]
    rows = [[as_text(each.messages), each.chosen, each.rejected, f"{each.rater} {each.fault}"] for each in learned]
    ctx.tell(
        loss_curve("Reward model loss", "nats per pair", outcome),
        figures(outcome),
        Table(title="Preferences by rater", columns=["rater", "pairs"], rows=[*map(list, raters.items())]),
        Samples(title="Preferences learned from", columns=["prompt", "chosen", "rejected", "rater"], rows=rows),
    )


def as_text(messages: Sequence[Message]) -> str:
    return messages[0]["content"] if len(messages) == 1 else "\n".join(f"{m['role']}: {m['content']}" for m in messages)


def bradley_terry(margins: torch.Tensor) -> torch.Tensor:
    """Sum of -log P(chosen is preferred) = -log sigmoid(score chosen - score rejected) over margins [pairs]."""
    return -F.logsigmoid(margins).sum()


def accuracy(margins: torch.Tensor) -> float:
    """Share of pairs whose chosen answer scores higher; a tie is wrong."""
    return float((margins > 0).double().mean())


def calibration_error(margins: torch.Tensor, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015) of the confidence in the answer that scores higher.

    Pairs are binned by confidence = sigmoid(|margin|) in [0.5, 1]; the result is the mean distance between
    a bin's confidence and its share of right decisions, weighted by its pairs. 0: a 70% sure judge is right in 70%.
    """
    margins = margins.double()
    sure, right = torch.sigmoid(margins.abs()), (margins > 0).double()
    number = ((sure - 0.5) * 2 * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, number, sure - right)
    return float(gaps.abs().sum() / len(margins))


def new_judge(directory: Path, seed: int) -> PreTrainedModel:
    """A language model with a fresh scoring head: normal(0, 1/sqrt(width + 1)) (Stiennon et al. 2020)."""
    model = load_model(directory, LlamaForSequenceClassification, num_labels=1)
    generator = torch.Generator().manual_seed(seed)
    score = cast(torch.nn.Linear, model.score)
    torch.nn.init.normal_(score.weight, std=(model.config.hidden_size + 1) ** -0.5, generator=generator)
    return model


def encode_answer(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], answer: str, ended: bool) -> list[int]:
    """Token ids of a dialogue with its last answer, up to and with the end token; without it where it has not ended."""
    ids, said = encode_conversation(tokenizer, [*messages, {"role": "assistant", "content": answer}])
    end = len(said) - said[::-1].index(True)
    return ids[: end if ended else end - 1]


class Judging:
    """Scores for the chosen and the rejected answer of a pair, apart as the preference says."""

    def __init__(self, settings: RewardSettings, assistant: Location, preferences: Location, files: ExitStack) -> None:
        self.settings = settings
        self.directory = files.enter_context(assistant.as_local())
        self.tokenizer = load_tokenizer(self.directory)
        pairs = [(each.split, self.encode(each)) for each in read_preferences(preferences)]
        fitting = [(split, pair) for split, pair in pairs if max(map(len, pair)) <= settings.length]
        self.train = [pair for split, pair in fitting if split == "train"]
        self.held_out = [pair for split, pair in fitting if split == "heldout"]
        if not self.train or not self.held_out:
            raise RequestError(f"nearly all dialogues are longer than reward.length {settings.length}; raise it")

    def encode(self, each: Preference) -> tuple[list[int], list[int]]:
        chosen = encode_answer(self.tokenizer, each.messages, each.chosen, ended=True)
        return chosen, encode_answer(self.tokenizer, each.messages, each.rejected, ended=each.fault != "truncated")

    def model(self) -> PreTrainedModel:
        return new_judge(self.directory, self.settings.seed)

    def batch(self, step: int, rank: int, world: int) -> Batch:
        rows = examples_of(step, self.settings.batch, rank, world, len(self.train), self.settings.seed)
        return {"ids": self.padded([self.train[row] for row in rows])}

    def padded(self, pairs: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
        """int64 [pairs, 2, longest], padded behind; the first of each pair is the chosen one."""
        longest = max(len(ids) for pair in pairs for ids in pair)
        padded = torch.full((len(pairs), 2, longest), int(self.tokenizer.pad_token_id))
        for row, pair in enumerate(pairs):
            for side, ids in enumerate(pair):
                padded[row, side, : len(ids)] = torch.tensor(ids)
        return padded

    def sizes(self, batch: Batch) -> dict[str, float]:
        return {"units": len(batch["ids"]), "tokens": batch["ids"].numel()}

    def margins(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Score of the chosen minus score of the rejected answer: [pairs]. The score is read at the last token."""
        scores = model(input_ids=batch["ids"].flatten(0, 1), use_cache=False).logits.view(-1, 2).float()
        return scores[:, 0] - scores[:, 1]

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        return bradley_terry(self.margins(model, batch))

    def evaluate(self, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
        rows = held_out_rows(self.settings.heldout, rank, world, len(self.held_out), self.settings.seed)
        batch = {"ids": self.padded([self.held_out[row] for row in rows]).to(model.device)}
        mine = torch.cat([self.margins(model, part) for part in split(batch, self.settings.micro_batch)])
        parts = [torch.empty_like(mine) for _ in range(world)]
        dist.all_gather(parts, mine)
        margins = torch.cat(parts).cpu()
        return {
            "loss": float(bradley_terry(margins)) / len(margins),
            "accuracy": accuracy(margins),
            "calibration_error": calibration_error(margins),
        }
