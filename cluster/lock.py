"""One run at a time may write to a root.

Every holder has a number, its fence, higher than those of all before it. It stands in the paths of what the holder writes, so
that one which lost the root without knowing it (paused, cut off) can overwrite nothing of its successor's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from cluster.holder import Held, Say
from cluster.lease import current_lease, lease
from cluster.location import Location
from cluster.record_lock import local_holder, local_lock


def lock_root(root: Location, wait: bool = False, say: Say | None = None) -> AbstractContextManager[Held]:
    """Hold the root for writing.

    wait: until whoever holds it has left. say: told for whom it waits. Raises RequestError naming the holder, or where the
    root's filesystem has no locks; WorkError, also in the middle of the block, where another took the root over.
    """
    return (local_lock if root.is_local else lease)(root, wait, say or (lambda _: None))


def current_holder(root: Location) -> dict[str, Any] | None:
    """Who is writing to this root now: {pid, host, since, fence}, or None. Takes no lock and writes nothing.

    In object stores who has not given the root back; `renewed` says when it was last heard of, by the store's clock.
    """
    return local_holder(root) if root.is_local else current_lease(root)
