"""Pretraining: a Llama from random weights on the packed sequences of the tokens stage."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from actors.bits import bits_per_byte, token_bytes
from actors.fit import fit
from actors.loop import Batch, Outcome, split, total
from actors.model import load_tokenizer, new_model
from actors.order import even
from actors.settings import PretrainSettings
from cluster.errors import RequestError
from cluster.report import Headline, Lines, Table
from cluster.stage import Context
from cluster.store import Location
from pipeline.reader import TokenReader


def pretrain(ctx: Context) -> None:
    """Stage `base`: train, export, tell."""
    settings: PretrainSettings = ctx.settings
    tokens, tokenizer = ctx.inputs["tokens"].location, ctx.inputs["tokenizer"].location
    outcome = fit(ctx, partial(Pretraining, settings, tokens, tokenizer), settings, tokenizer)
    ctx.count(
        parameters=outcome.parameters,
        tokens=int(outcome.progress.tokens),
        skipped_steps=outcome.progress.skipped,
        held_out_loss=outcome.held_out["loss"],
        held_out_bits_per_byte=outcome.held_out["bits_per_byte"],
    )
    ctx.tell(
        Headline(label="parameters", value=outcome.parameters),
        loss_curve("Pretraining loss", "nats per token", outcome),
        figures(outcome),
    )


class Pretraining:
    """Next-token prediction on every position of packed sequences [sequences, length] int64."""

    def __init__(self, settings: PretrainSettings, tokens: Location, tokenizer: Location, files: ExitStack) -> None:
        self.settings = settings
        self.tokenizer = load_tokenizer(files.enter_context(tokenizer.as_local()))
        self.bytes = token_bytes(self.tokenizer)
        directory = files.enter_context(tokens.as_local())
        self.train = TokenReader(directory, "train", settings.seed)
        self.held_out = TokenReader(directory, "heldout", settings.seed)
        length, context = self.train.sequence_length, settings.model.context
        if length > context:
            raise RequestError(f"sequences of {length} tokens are longer than pretrain.model.context {context}; raise it")

    def model(self) -> PreTrainedModel:
        return new_model(self.settings.model, len(self.tokenizer), self.settings.seed)

    def batch(self, step: int, rank: int, world: int) -> Batch:
        return {"ids": torch.as_tensor(self.train.batch(step, self.settings.batch, rank, world))}

    def sizes(self, batch: Batch) -> dict[str, float]:
        targets = batch["ids"][:, 1:]
        return {"units": targets.numel(), "tokens": targets.numel(), "bytes": int(self.bytes[targets.cpu()].sum())}

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        logits = model(input_ids=batch["ids"], use_cache=False).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch["ids"][:, 1:].flatten(), reduction="sum")

    def evaluate(self, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
        count = even(min(self.settings.heldout, self.held_out.count), world)
        batch = {"ids": torch.as_tensor(self.held_out.batch(0, count, rank, world)).to(model.device)}
        nats = sum(float(self.loss(model, part)) for part in split(batch, self.settings.micro_batch))
        sums = total({"nats": nats} | self.sizes(batch), model.device)
        return {"loss": sums["nats"] / sums["units"], "bits_per_byte": bits_per_byte(sums["nats"], sums["bytes"])}


def loss_curve(title: str, unit: str, outcome: Outcome) -> Lines:
    series = {name: [(float(step), loss) for step, loss in points] for name, points in outcome.progress.curves.items()}
    return Lines(title=title, x_label="step", y_label=unit, series=series)


def figures(outcome: Outcome) -> Table:
    rows: list[list[str | float | int | None]] = [
        ["parameters", outcome.parameters],
        ["tokens seen", int(outcome.progress.tokens)],
        ["steps skipped (gradient not finite)", outcome.progress.skipped],
    ]
    rows += [[f"held-out {name.replace('_', ' ')}", value] for name, value in outcome.held_out.items()]
    return Table(title="Training", columns=["", "value"], rows=rows)
