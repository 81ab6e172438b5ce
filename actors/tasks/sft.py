"""Supervised fine-tuning: the base model learns to answer, from conversations."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from actors.data.bits import token_bytes
from actors.data.chat import encode_conversation
from actors.data.conversations import CONVERSATIONS, from_files, read_table, synthetic, to_table
from actors.data.order import examples_of, held_out_rows
from actors.data.packing import IGNORED, pack
from actors.data.split import check_splits
from actors.models.load import load_model, load_tokenizer
from actors.settings import SftSettings
from actors.training.figures import figures, loss_curve
from actors.training.fit import fit
from actors.training.ranks import total
from actors.training.step import split
from actors.training.task import Batch
from cluster.errors import RequestError
from cluster.report.blocks import Samples, Table
from cluster.stage import Context
from cluster.store import Location, parquet_bytes

SHOWN = 8  # conversations in the report


def finetune(ctx: Context) -> None:
    """Stage `assistant`: collect conversations, train on the answers, export, tell."""
    settings: SftSettings = ctx.settings
    unusable = 0
    if ctx.external:
        conversations, unusable = from_files(ctx.external)
    else:
        conversations = synthetic(ctx.inputs["corpus"], settings)
    table = to_table(conversations, settings.heldout_share)
    splits = Counter(table["split"].to_pylist())
    check_splits(splits, "conversations", "name files with more in sft.files, or give the corpus more pages")
    place = ctx.output / CONVERSATIONS
    place.write_bytes(parquet_bytes(table))

    base = ctx.inputs["base"].location
    outcome = fit(ctx, partial(Finetuning, settings, base, place), settings, tokenizer=base)
    sources = Counter(table["source"].to_pylist())
    ctx.count(
        conversations=len(conversations),
        synthetic_conversations=sources["synthetic"],
        heldout_conversations=splits["heldout"],
        unusable_lines=unusable,
        tokens=int(outcome.progress.tokens),
        skipped_steps=outcome.progress.skipped,
        held_out_loss=outcome.held_out["loss"],
    )
    learned = table.filter(pc.equal(table["split"], "train")).slice(0, SHOWN).select(["prompt", "response", "source"])
    ctx.tell(
        loss_curve("Fine-tuning loss", "nats per token of an answer", outcome),
        figures(outcome),
        Table(title="Conversations by source", columns=["source", "conversations"], rows=[*map(list, sources.items())]),
        Samples(title="Conversations learned from", columns=["prompt", "answer", "source"], rows=rows_of(learned)),
    )


def rows_of(table: pa.Table) -> list[list[str]]:
    return [list(row.values()) for row in table.to_pylist()]


class Finetuning:
    """Next-token prediction on what the assistant says, conversations packed side by side."""

    def __init__(self, settings: SftSettings, base: Location, conversations: Location, files: ExitStack) -> None:
        self.settings = settings
        self.directory = files.enter_context(base.as_local())
        self.tokenizer = load_tokenizer(self.directory)
        self.bytes = token_bytes(self.tokenizer)
        rows = read_table(conversations)
        self.train = self.packed([row["messages"] for row in rows if row["split"] == "train"])
        self.held_out = self.packed([row["messages"] for row in rows if row["split"] == "heldout"])

    def packed(self, conversations: list) -> dict[str, np.ndarray]:
        """Conversations that fit into a sequence, packed in a seeded order."""
        encoded = [encode_conversation(self.tokenizer, messages) for messages in conversations]
        fitting = [each for each in encoded if len(each[0]) <= self.settings.length]
        if not fitting:
            raise RequestError(f"all {len(encoded)} conversations are longer than sft.length {self.settings.length}; raise it")
        order = np.random.default_rng(self.settings.seed).permutation(len(fitting))
        return pack([fitting[number] for number in order], self.settings.length, self.tokenizer.pad_token_id)

    def model(self) -> PreTrainedModel:
        return load_model(self.directory)

    def batch(self, step: int, rank: int, world: int) -> Batch:
        rows = examples_of(step, self.settings.batch, rank, world, len(self.train["ids"]), self.settings.seed)
        return {name: torch.from_numpy(array[rows]) for name, array in self.train.items()}

    def sizes(self, batch: Batch) -> dict[str, float]:
        learned = batch["labels"][batch["labels"] != IGNORED].cpu()
        return {"units": len(learned), "tokens": batch["ids"].numel(), "bytes": int(self.bytes[learned].sum())}

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        logits = model(input_ids=batch["ids"], position_ids=batch["positions"], use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1).float(), batch["labels"].flatten(), ignore_index=IGNORED, reduction="sum")

    def evaluate(self, model: PreTrainedModel, rank: int, world: int) -> dict[str, float]:
        rows = held_out_rows(self.settings.heldout, rank, world, len(self.held_out["ids"]), self.settings.seed)
        batch = {name: torch.from_numpy(array[rows]).to(model.device) for name, array in self.held_out.items()}
        nats = sum(float(self.loss(model, part)) for part in split(batch, self.settings.micro_batch))
        sums = total({"nats": nats} | self.sizes(batch), model.device)
        return {"loss": sums["nats"] / sums["units"]}
