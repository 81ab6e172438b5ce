from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.recipe import ClusterSettings  # before any `import ray`: it says what Ray reads while it is imported
from cluster.session import Session


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Any]:
    """A Ray session of this module's own; yields its mailbox."""
    session = Session(ClusterSettings(dashboard=False, cpus=4, object_store_mb=100))
    try:
        yield session.start()
    finally:
        session.stop()
