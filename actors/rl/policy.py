"""The model that learns: sharded over the ranks of a Ray Train worker group, every rank holding every batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from actors.models.export import export_model
from actors.models.load import load_model
from actors.parallel.shard import data_mesh, full_state_dict, shard
from actors.rl.algorithms.advantages import ADVANTAGES
from actors.rl.algorithms.kl import k1
from actors.rl.algorithms.losses import policy_loss
from actors.rl.logprobs import token_logprobs
from actors.rl.rollouts import ROWS, Batch
from actors.rl.settings import RlhfSettings
from actors.training import checkpoint
from actors.training.optimiser import clip_gradients, learning_rate, make_optimiser, set_learning_rate
from cluster.store import Location


class Policy:
    """Every method must be called by every rank, with the same arguments."""

    def __init__(self, assistant: Location, settings: RlhfSettings) -> None:
        context = ray.train.get_context()
        self.rank, self.ranks = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        self.settings = settings
        with assistant.as_local() as directory:
            model = load_model(directory)
        model.to(self.device)  # type: ignore[arg-type]  # transformers wraps the method of torch
        self.config = model.config
        # No dropout in this family, so the mode decides nothing; train() keeps what FSDP expects.
        self.model = shard(model.train(), data_mesh(self.device), settings.precision)
        self.optimiser = make_optimiser(self.model, settings.optimiser)

    def restore(self) -> tuple[int, Mapping[str, Any] | None]:
        """The step to go on with and the coordinator's state beside it, from the newest checkpoint; 0 and None without one."""
        found = checkpoint.restore(self.model, self.optimiser)
        return (found["step"], found["coordinator"]) if found else (0, None)

    def save(self, step: int, coordinator: Mapping[str, Any]) -> None:
        """Checkpoint weights, optimiser and coordinator as they are before `step`."""
        checkpoint.save(self.model, self.optimiser, {"step": step, "coordinator": coordinator})

    def train_step(self, step: int, batch: Batch) -> dict[str, float]:
        """Learn from a batch once, in `minibatches` updates. Returns means over its answers' tokens.

        An update whose gradient is not finite changes nothing and counts as skipped.
        """
        settings, mask = self.settings, batch.rollouts.mask
        advantages = learning_signal(batch, settings)
        hands = deal_minibatches(batch.rollouts.lengths, settings.minibatches, self.ranks)
        # The first update starts from the proximal policy itself; only the later ones need its probabilities kept.
        later = [self._logprobs(batch.rollouts.ids[hand[self.rank]], settings.temperature) for hand in hands[1:]]
        rate = learning_rate(settings.optimiser, step, settings.steps)
        set_learning_rate(self.optimiser, rate)
        totals, norms = torch.zeros(len(SUMS), device=self.device), []
        for hand, before in zip(hands, [None, *later], strict=True):
            tokens = int(mask[hand[hand >= 0]].sum())
            totals += self._accumulate(batch, advantages, hand[self.rank], before, tokens)
            norms.append(clip_gradients(self.model, settings.optimiser.clip))
            if math.isfinite(norms[-1]):
                self.optimiser.step()
            self.optimiser.zero_grad()
        dist.all_reduce(totals)
        sums = dict(zip(SUMS, totals.tolist(), strict=True))
        return {name: sums[name] / sums["tokens"] for name in SUMS if name != "tokens"} | {
            "gradient_norm": float(np.mean(norms)),
            "skipped": float(sum(not math.isfinite(norm) for norm in norms)),
            "learning_rate": rate,
        }

    def _accumulate(
        self, batch: Batch, advantages: np.ndarray, rows: np.ndarray, proximal: torch.Tensor | None, tokens: int
    ) -> torch.Tensor:
        """Add this rank's gradient of a minibatch with `tokens` answer tokens over all ranks. Returns its SUMS."""
        settings, totals = self.settings, torch.zeros(len(SUMS), device=self.device)
        for at in range(0, len(rows), ROWS):
            part = rows[at : at + ROWS]
            width = int(batch.rollouts.lengths[part].max())
            ids = self._tensor(batch.rollouts.ids[part, :width])
            logp = token_logprobs(self.model(input_ids=ids, use_cache=False).logits, ids, settings.temperature)
            found = policy_loss(
                logp,
                logp.detach() if proximal is None else proximal[at : at + ROWS, :width],
                self._tensor(batch.rollouts.behaviour[part, :width]),
                self._tensor(batch.reference[part, :width]),
                self._tensor(advantages[part]),
                self._tensor(batch.rollouts.mask[part, :width] & (part >= 0)[:, None]),
                clip=settings.clip,
                importance_cap=settings.importance_cap,
                kl_coefficient=settings.kl_coefficient if settings.kl == "loss" else 0.0,
            )
            # FSDP averages over ranks; a mean over all tokens needs the sum.
            (found.loss * self.ranks / tokens).backward()
            totals += torch.stack([getattr(found, name).detach() for name in SUMS])
        return totals

    def probe(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Log-probabilities of each token after the first, at temperature 1: float32 [len - 1] a sequence."""
        ids = np.zeros((len(sequences), max(map(len, sequences))), np.int64)
        for row, sequence in zip(ids, sequences, strict=True):
            row[: len(sequence)] = sequence
        found = self._logprobs(ids, temperature=1.0).cpu().numpy()
        return [row[1 : len(sequence)] for row, sequence in zip(found, sequences, strict=True)]

    @torch.no_grad()
    def _logprobs(self, ids: np.ndarray, temperature: float) -> torch.Tensor:
        """float32 [B, T]. Ranks may ask for different sequences, but for equally many."""
        parts = []
        for at in range(0, len(ids), ROWS):
            part = self._tensor(ids[at : at + ROWS])
            logits = self.model(input_ids=part, use_cache=False).logits
            parts.append(token_logprobs(logits, part, temperature))
        return torch.cat(parts)

    def weights(self) -> dict[str, torch.Tensor]:
        """Whole weights on the CPU of rank 0, nothing on the others."""
        weights = full_state_dict(self.model)
        if self.config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)  # the same tensor as the embeddings: published once
        return weights

    def export(self, assistant: Location, output: Location) -> None:
        """Write the Hugging Face directory of the policy, with the assistant's tokenizer."""
        weights = full_state_dict(self.model)
        if self.rank == 0:
            export_model(weights, self.config, assistant, output)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values).to(self.device)


SUMS = ("loss", "tokens", "clipped", "truncated", "importance", "mismatch", "kl", "surprise")  # fields of PolicyLoss


def learning_signal(batch: Batch, settings: RlhfSettings) -> np.ndarray:
    """float32 [B]: advantages of the answers, from the judge's rewards less what the settings take off."""
    rollouts = batch.rollouts
    rewards = batch.rewards - settings.unended_penalty * ~rollouts.ended
    if settings.kl == "reward":
        behaviour, reference = torch.tensor(rollouts.behaviour), torch.tensor(batch.reference)
        rewards = rewards - settings.kl_coefficient * k1(behaviour, reference).sum(dim=1).numpy()
    grouped = torch.from_numpy(rewards.astype(np.float32)).view(-1, settings.samples)
    return ADVANTAGES[settings.algorithm](grouped).view(-1).numpy()


def deal_minibatches(lengths: np.ndarray, minibatches: int, ranks: int) -> np.ndarray:
    """Rows of each rank in each minibatch: int64 [minibatches, ranks, rows], -1 where none is left.

    Which rows learn together does not depend on the ranks, so neither does what is learned.
    """
    together = deal(lengths, minibatches)
    found = np.full((minibatches, ranks, -(-together.shape[1] // ranks)), -1)
    for number, rows in enumerate(together):
        rows = rows[rows >= 0]
        hands = deal(lengths[rows], ranks)
        found[number, :, : hands.shape[1]] = np.where(hands >= 0, rows[hands], -1)
    return found


def deal(lengths: np.ndarray, hands: int) -> np.ndarray:
    """Rows for each of `hands`, equal in number and near-equal in tokens: int64 [hands, rows], -1 where none is left."""
    order = np.argsort(-lengths, kind="stable")
    dealt = np.full(-(-len(order) // hands) * hands, -1)
    dealt[: len(order)] = order
    return dealt.reshape(-1, hands).T
