"""Groups of pages that similarity connects."""

from __future__ import annotations

from collections.abc import Iterable


def connected(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components of two or more members, each sorted, in the order of their smallest member.

    Union-find with path halving (Tarjan and van Leeuwen 1984). Memory: one dict entry a member.
    """
    parent: dict[int, int] = {}

    def root(member: int) -> int:
        parent.setdefault(member, member)
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for one, other in edges:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for member in sorted(parent):
        groups.setdefault(root(member), []).append(member)
    return [group for group in groups.values() if len(group) > 1]
