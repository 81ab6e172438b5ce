"""What `-n 2` leaves together, and what `make quick` leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import GROUPS


def test_groups_name_modules_that_are_there() -> None:
    assert [module for module in GROUPS if not (Path(__file__).parents[1] / module).is_file()] == []


def test_who_works_on_the_shared_ray_is_slow_and_in_its_group(request: pytest.FixtureRequest) -> None:
    """Of all tests that this process has collected and not left out."""
    on_ray = [item for item in request.session.items if "shared_ray" in fixtures(item) and "no_ray" not in fixtures(item)]
    assert [item.nodeid for item in on_ray if item.get_closest_marker("slow") is None] == []
    assert {item.nodeid.partition("::")[0] for item in on_ray} <= {*GROUPS}


def fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
