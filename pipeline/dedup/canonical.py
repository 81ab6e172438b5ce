"""Which page of a group stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def choose(
    group: Sequence[int],
    preference: Callable[[int], tuple],
    similarity: Callable[[int, int], float],
    threshold: float,
) -> list[tuple[int, int, float]]:
    """Give each member the page that stands for it: [(member, canonical, similarity)].

    The most preferred member (smallest `preference`) stands for those that are themselves similar to it; the
    others, which only a chain of neighbours connects to it, choose again among themselves. So nothing is dropped
    for a page it does not resemble.
    """
    chosen: list[tuple[int, int, float]] = []
    left = sorted(group, key=preference)
    while left:
        canonical, rest = left[0], []
        chosen.append((canonical, canonical, 1.0))
        for member in left[1:]:
            if (how := similarity(member, canonical)) >= threshold:
                chosen.append((member, canonical, how))
            else:
                rest.append(member)
        left = rest
    return chosen
