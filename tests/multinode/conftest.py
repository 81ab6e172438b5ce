"""The cluster of three machines that all tests here share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.multinode.cluster import Cluster
from tests.multinode.namespaces import refused


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    if why := refused():
        pytest.skip(why)
    if shutil.which("redis-server") is None:
        pytest.skip("`redis-server` is not installed")
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """Three nodes that are up, whatever the test before did to them."""
    running_cluster.whole()
    return running_cluster
