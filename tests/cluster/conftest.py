import pytest

import cluster.recipe


@pytest.fixture(scope="module", autouse=True)
def own_ray(no_ray: None) -> None:
    """These tests start and join Rays themselves."""


@pytest.fixture
def empty_quickstart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes start empty, so that models of a few made-up stages can be loaded without a file."""
    monkeypatch.setattr(cluster.recipe, "read_recipe", lambda source: {})
