"""How many pods, and how large: from the room that stages book to worker groups that hold it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cluster.errors import RequestError
from cluster.resources import Bundle, Node, missing

CPUS_A_POD = 4  # small enough for any node; what needs more at once gets a pod of its size
CPUS_A_GPU_POD = 8  # a GPU's share of usual machines
MEMORY_A_CPU = (
    4 << 30
)  # bytes; general-purpose machines have 4 GiB a CPU, and the quickstart's five processes take 5.1 together
MOST_PODS = 1000  # of one group; more is a mistake in the recipe


@dataclass(frozen=True)
class Group:
    """Pods of one kind. cpu: whole CPUs, each what Ray books as one. memory: bytes, requested and the limit."""

    name: str
    replicas: int
    cpu: int
    memory: int
    gpu: int = 0

    @property
    def nodes(self) -> list[Node]:
        return [Node(self.cpu, self.gpu, self.memory)] * self.replicas


def cpu_group(needs: Iterable[Sequence[Bundle]]) -> Group:
    """Workers without GPUs that hold each of `needs` by itself; bundles that want a GPU are not theirs."""
    wanted = [plain for bundles in needs if (plain := [each for each in bundles if not each.gpu])]
    largest = max((each.cpu for bundles in wanted for each in bundles), default=1.0)
    together = max((sum(each.cpu for each in bundles) for bundles in wanted), default=0.0)
    cpu = max(math.ceil(largest), min(math.ceil(together), CPUS_A_POD))
    return fewest(Group("workers", 0, cpu, memory(cpu, wanted)), wanted)


def gpu_group(needs: Iterable[Sequence[Bundle]], cpu: int = CPUS_A_GPU_POD) -> Group:
    """Workers with GPUs that hold each of `needs` by itself, what wants no GPU included."""
    wanted = [list(bundles) for bundles in needs if any(each.gpu for each in bundles)]
    every = [each for bundles in wanted for each in bundles]
    gpu = max((math.ceil(each.gpu) for each in every), default=1)
    cpu = max(cpu * gpu, math.ceil(max((each.cpu for each in every), default=1.0)))
    return fewest(Group("gpu-workers", 0, cpu, memory(cpu, wanted), gpu), wanted)


def fewest(group: Group, needs: Sequence[Sequence[Bundle]]) -> Group:
    """As few replicas as hold each of `needs`, by the layout that `plan` and `run` check too. Raises RequestError."""
    for bundles in needs:
        while short := missing(bundles, group.nodes):
            if group.replicas == MOST_PODS:
                raise RequestError(f"{MOST_PODS} pods of {group.cpu} CPU: {short}")
            group = replace(group, replicas=group.replicas + 1)
    return group


def memory(cpu: int, needs: Sequence[Sequence[Bundle]]) -> int:
    """Bytes of a pod: its CPUs' share, more where a bundle says that it takes more."""
    said = max((each.memory for bundles in needs for each in bundles), default=0)
    return max(cpu * MEMORY_A_CPU, said)
