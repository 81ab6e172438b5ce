import pytest
import ray

from cluster.errors import RequestError
from cluster.recipe import ClusterSettings
from cluster.session import Session


def test_a_ray_that_does_not_start_is_one_line_whatever_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        RequestError, match=r"^Ray did not start: The current node timed out during startup\.; `pageloom doctor`"
    ):
        Session(ClusterSettings()).start()
