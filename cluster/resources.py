"""Room: what work asks of a cluster, what the cluster has, and what of the one finds no place in the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FRACTION = 10_000  # Ray books resources in ten-thousandths


@dataclass(frozen=True)
class Bundle:
    """Room on one node, booked by one actor, task or rank.

    cpu, gpu: as Ray counts them, fractions allowed. memory: bytes, 0 where none are booked. labels: what the node must carry.
    holder: who books it, for people. lower: settings of the recipe that ask for less.
    """

    cpu: float
    gpu: float = 0.0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    holder: str = ""
    lower: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.holder} ({amounts(self.cpu, self.gpu, self.memory)})".strip()


@dataclass(frozen=True)
class Node:
    """A machine of a cluster and all that it has, booked by others or not. more: the setting that gives it more CPUs."""

    cpu: float
    gpu: float = 0.0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    more: str = ""

    def __str__(self) -> str:
        return amounts(self.cpu, self.gpu)


def amounts(cpu: float, gpu: float, memory: int = 0) -> str:
    shown = [f"{cpu:g} CPU", *([f"{gpu:g} GPU"] if gpu else []), *([f"{memory / (1 << 30):.1f} GiB"] if memory else [])]
    return ", ".join(shown)


class Free:
    """What is left of a node while bundles are laid onto it."""

    def __init__(self, node: Node) -> None:
        self.labels = node.labels
        self.left = [round(node.cpu * FRACTION), round(node.gpu * FRACTION), node.memory]

    def take(self, bundle: Bundle) -> bool:
        """Whether the bundle has its place here from now on."""
        asked = [round(bundle.cpu * FRACTION), round(bundle.gpu * FRACTION), bundle.memory]
        if any(want > have for want, have in zip(asked, self.left, strict=True)):
            return False
        if any(self.labels.get(name) != value for name, value in bundle.labels.items()):
            return False
        self.left = [have - want for want, have in zip(asked, self.left, strict=True)]
        return True


def missing(needs: Sequence[Bundle], nodes: Sequence[Node]) -> str:
    """The bundles that find no place when all of `needs` are held at once, and the remedy, in one line; empty where all do.

    The largest first, each on the first node that has room for it: a bundle lies on one node whole, so eight nodes of one
    CPU hold no bundle of two. Ray lays out what it is asked for as greedily.
    """
    free = [Free(node) for node in nodes]
    largest_first = sorted(needs, key=lambda each: (each.gpu, each.cpu, each.memory), reverse=True)
    left = [bundle for bundle in largest_first if not any(node.take(bundle) for node in free)]
    if not left:
        return ""
    lower = list(dict.fromkeys(name for bundle in left for name in bundle.lower))
    raised = [node.more for node in nodes if node.more] if any(lacks_cpus(bundle, nodes) for bundle in left) else []
    ways = [f"raise {name}" for name in dict.fromkeys(raised)] + ([f"lower {' or '.join(lower)}"] if lower else [])
    remedy = " or ".join(ways) or "join a larger cluster"
    of = "" if len(left) == len(needs) else f", of {counted(needs)},"
    return f"no room for {counted(left)}{of} on {counted_nodes(nodes)}; {remedy}"


def shortages(needs: Mapping[str, Sequence[Bundle]], nodes: Sequence[Node]) -> list[str]:
    """What `missing` says of each of `needs` (name -> what it holds at once): one line for all that lack the same, named."""
    names: dict[str, list[str]] = {}
    for name, bundles in needs.items():
        names.setdefault(missing(bundles, nodes), []).append(name)
    return [f"{', '.join(those)}: {line}" for line, those in names.items() if line]


def lacks_cpus(bundle: Bundle, nodes: Sequence[Node]) -> bool:
    """Whether more CPUs could help: some node has the GPUs."""
    return any(node.gpu >= bundle.gpu for node in nodes)


def counted(bundles: Sequence[Bundle]) -> str:
    return ", ".join(f"{number} x {shown}" for shown, number in Counter(map(str, bundles)).items())


def counted_nodes(nodes: Sequence[Node]) -> str:
    if len(nodes) == 1:
        return f"1 node ({nodes[0]})"
    kinds = "; ".join(f"{number} x {shown}" for shown, number in Counter(map(str, nodes)).items())
    return f"{len(nodes)} nodes ({kinds})"
