"""Where events wait between workers and the driver: one actor a session."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HELD = 200_000  # events a mailbox holds while the driver takes none; senders keep the others

Event = dict[str, Any]


@dataclass(frozen=True)
class Receipt:
    """What a sender learns: of its events the last that arrived, that the driver took, that the driver saved.

    life: of the mailbox; another one has forgotten what it was told. keeps: the driver can save, as far as it knows.
    """

    life: str
    arrived: int = 0
    taken: int = 0
    saved: int = 0
    keeps: bool = True


@dataclass(frozen=True)
class Delivery:
    """What the driver takes. events: (sender, number, event) in order of arrival. lost: events that senders had no room for."""

    life: str
    events: list[tuple[str, int, Event]]
    lost: dict[str, int]


class Mailbox:
    """An actor's class: events of all workers, in order of arrival, until the driver takes them.

    Nothing in it is the only copy: a sender keeps an event until the driver has it, so a mailbox may be lost with its node.
    Memory: HELD events of some 0.5 kB, and a number or two a sender.
    """

    def __init__(self) -> None:
        self.life = secrets.token_hex(4)
        self.events: deque[tuple[str, int, Event]] = deque()
        self.arrived: dict[str, int] = {}
        self.reached: dict[str, tuple[int, int]] = {}  # by sender: numbers taken and saved
        self.lost: dict[str, int] = {}
        self.keeps = True

    def put(self, sender: str, life: str | None, lost: int, batch: Sequence[tuple[int, Event]]) -> Receipt:
        """Take in a sender's next events; none where it speaks to an earlier life, as what came before is missing then."""
        if life in (None, self.life):
            if lost:
                self.lost[sender] = lost
            for number, event in batch:
                if len(self.events) < HELD and number > self.arrived.get(sender, 0):
                    self.events.append((sender, number, event))
                    self.arrived[sender] = number
        taken, saved = self.reached.get(sender, (0, 0))
        return Receipt(self.life, self.arrived.get(sender, 0), taken, saved, self.keeps)

    def drain(self, reached: Mapping[str, tuple[int, int]], keeps: bool) -> Delivery:
        """New events. reached: by sender, the last events taken and saved, as far as that has changed."""
        self.reached.update(reached)
        self.keeps = keeps
        events, self.events = list(self.events), deque()
        return Delivery(self.life, events, dict(self.lost))


def start_mailbox() -> Any:
    """The session's mailbox: on the driver's node, whose loss ends the run anyway; anywhere if its process is lost."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
