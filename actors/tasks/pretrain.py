"""Pretraining: a Llama from random weights on the packed sequences of the tokens stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from actors.data.bits import bits_per_byte, token_bytes
from actors.data.order import even
from actors.models.families import new_model
from actors.models.load import load_tokenizer
from actors.settings import PretrainSettings
from actors.training.figures import figures, loss_curve
from actors.training.fit import fit
from actors.training.ranks import total
from actors.training.step import split
from actors.training.task import Batch
from cluster.errors import RequestError
from cluster.report.blocks import Headline, Table
from cluster.stage import Context
from cluster.store import Location
from pipeline.tokens.index import INDEX, TokenIndex
from pipeline.tokens.mixture import MixtureOrder
from pipeline.tokens.order import SequenceOrder
from pipeline.tokens.reader import TokenReader

WORN = 4  # epochs up to which repeated text is worth about as much as new (Muennighoff et al. 2023)


def pretrain(ctx: Context) -> None:
    """Stage `base`: train, export, tell."""
    settings: PretrainSettings = ctx.settings
    tokens, tokenizer = ctx.inputs["tokens"].location, ctx.inputs["tokenizer"].location
    index = TokenIndex.model_validate((tokens / INDEX).read_json())
    order = index.training_order(settings.seed, settings.weights)  # weights that fit no source are refused before ranks start
    seen = sources_seen(index.sequences("train"), order, settings.steps * settings.batch)
    outcome = fit(ctx, partial(Pretraining, settings, tokens, tokenizer), settings, tokenizer)
    ctx.count(
        parameters=outcome.parameters,
        tokens=int(outcome.progress.tokens),
        skipped_steps=outcome.progress.skipped,
        held_out_loss=outcome.held_out["loss"],
        held_out_bits_per_byte=outcome.held_out["bits_per_byte"],
        sources=[asdict(each) for each in seen],
    )
    ctx.tell(
        Headline(label="parameters", value=outcome.parameters),
        loss_curve("Pretraining loss", "nats per token", outcome),
        figures(outcome),
        told_sources(seen, index.weights if settings.weights is None else settings.weights, index.sequence_length),
    )


class Pretraining:
    """Next-token prediction on every position of packed sequences [sequences, length] int64."""

    def __init__(self, settings: PretrainSettings, tokens: Location, tokenizer: Location, files: ExitStack) -> None:
        self.settings = settings
        self.tokenizer = load_tokenizer(files.enter_context(tokenizer.as_local()))
        self.bytes = token_bytes(self.tokenizer)
        directory = files.enter_context(tokens.as_local())
        self.train = TokenReader(directory, "train", settings.seed, settings.weights)
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
        """Loss and bits per byte; where the held-out sequences are of several sources, the loss of each as well."""
        count = even(min(self.settings.heldout, self.held_out.count), world)
        sources = self.held_out.sources(self.held_out.sequence_ids(0, count))
        mine = sources[rank * (count // world) : (rank + 1) * (count // world)]
        batch = {"ids": torch.as_tensor(self.held_out.batch(0, count, rank, world)).to(model.device)}
        # Every rank runs the model on the same shapes (sharded weights are gathered together), whatever its sources are.
        nats = [float(each) for part in split(batch, self.settings.micro_batch) for each in self.sequence_nats(model, part)]
        sums = {"nats": sum(nats)} | self.sizes(batch)
        names = sorted(set(sources)) if len(set(sources)) > 1 else []
        for name in names:
            sums[f"nats of {name}"] = sum(each for each, source in zip(nats, mine, strict=True) if source == name)
        sums = total(sums, model.device)
        found = {"loss": sums["nats"] / sums["units"], "bits_per_byte": bits_per_byte(sums["nats"], sums["bytes"])}
        targets = sums["units"] / count  # of one sequence
        return found | {f"loss/{name}": sums[f"nats of {name}"] / (sources.count(name) * targets) for name in names}

    def sequence_nats(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """The loss summed over each sequence: float32 [sequences]."""
        logits, targets = model(input_ids=batch["ids"], use_cache=False).logits[:, :-1], batch["ids"][:, 1:]
        losses = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        return losses.view_as(targets).sum(1)


@dataclass(frozen=True)
class SourceSeen:
    """What a training takes of a source, in sequences. epochs: how often it sees each of them, in the mean."""

    source: str
    sequences: int
    trained: float
    share: float
    epochs: float


def sources_seen(sequences: Mapping[str, int], order: SequenceOrder | MixtureOrder, trained: int) -> list[SourceSeen]:
    """Of each source, what the first `trained` sequences of an order hold: exact with weights, without them in the mean."""
    found = []
    for name, number in sequences.items():
        drawn = float(order.drawn(name, trained)) if isinstance(order, MixtureOrder) else trained * number / order.count
        found.append(SourceSeen(name, number, drawn, drawn / trained, drawn / number))
    return found


def told_sources(seen: Sequence[SourceSeen], weights: Mapping[str, float] | None, length: int) -> Table:
    """What was trained on, source by source."""
    worn = [each.source for each in seen if each.epochs > WORN]
    return Table(
        title="Training by source",
        columns=["source", "tokens there", "weight", "tokens trained on", "share", "epochs"],
        rows=[
            [
                each.source,
                each.sequences * length,
                None if weights is None else weights[each.source],
                round(each.trained * length),
                round(each.share, 4),
                round(each.epochs, 3),
            ]
            for each in seen
        ],
        note=f"{', '.join(worn)}: beyond {WORN} epochs the same text teaches less and less" if worn else "",
    )
