"""The policy's weights on their way to the engine: published, loaded, verified.

A version is the number of steps that its weights have learnt from. It is published as a safetensors file at a location
that every machine reaches, whole or not at all, so an engine that is started again finds by itself what to serve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import ray
import torch.distributed as dist
from safetensors.torch import save
from torch import Tensor

from actors.rl.engines.rollout import WEIGHTS, weights_at
from cluster.errors import WorkError
from cluster.store import Location, digest_bytes


class Trained(Protocol):
    """The policy, as far as its weights are concerned: on every rank."""

    rank: int

    def weights(self) -> Mapping[str, Tensor]:
        """Whole weights by name on rank 0, nothing on the others."""

    def probe(self, probes: Sequence[Sequence[int]]) -> Sequence[np.ndarray]:
        """Log-probabilities of the probes' tokens, float32 [T] each."""


@dataclass(frozen=True)
class Publisher:
    """Brings the policy's weights to the engine and makes sure that it serves them.

    place: where versions are published. rollout: handle of the engine's actor. probes: prompts as token ids, to compare
    engine and trainer with. tolerance: largest mean difference of a token's log-probability, in nats.
    """

    place: Location
    rollout: Any
    probes: Sequence[Sequence[int]]
    tolerance: float

    def publish(self, policy: Trained, version: int) -> float:
        """Publish, load, verify; every rank must call it. Returns what engine and trainer still differ by, in nats a token.

        That is their numerics alone, the weights being equal. Raises WorkError where they are not.
        """
        weights, expected = policy.weights(), policy.probe(self.probes)
        difference = 0.0
        if policy.rank == 0:
            written = write_weights(self.place, version, weights)
            read, served = ray.get([self.rollout.load.remote(version), self.rollout.logprobs.remote(self.probes)])
            if read != written:
                raise WorkError(f"weights {version}: the engine read other bytes than were published; check the root's storage")
            difference = verify(version, expected, served, self.tolerance)
        dist.barrier()
        return difference


def write_weights(place: Location, version: int, weights: Mapping[str, Tensor]) -> str:
    """Put a version in place; of the others only the one before it stays. Returns the file's digest."""
    data = save({name: tensor.contiguous() for name, tensor in weights.items()})
    (weights_at(place, version) / WEIGHTS).write_bytes(data)
    for name in place.directories():
        if int(name) not in (version, version - 1):
            (place / name).delete()
    return digest_bytes(data)


def verify(version: int, expected: Sequence[np.ndarray], served: Sequence[np.ndarray], tolerance: float) -> float:
    """Mean absolute difference of two sets of log-probabilities, float32 [T] a probe, in nats a token.

    Raises WorkError where it is above `tolerance`.
    """
    difference = float(np.abs(np.concatenate(expected) - np.concatenate(served)).mean())
    if not difference <= tolerance:
        raise WorkError(
            f"weights {version}: engine and trainer differ by {difference:.2g} nats a token; more than rlhf.sync_tolerance "
            f"({tolerance:g}) means that the engine serves other weights, or that low precision needs a higher tolerance"
        )
    return difference
