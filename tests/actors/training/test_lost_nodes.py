"""What Ray Train gives up at although another try would do: a node that is lost while ranks start."""

from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.train import ControllerError
from ray.train.v2.api.exceptions import WorkerGroupError

from actors.training.fit import though_nodes_are_lost

UNAVAILABLE = ControllerError(ActorUnavailableError("the node does not answer", b"\0" * 16))
DIED = ControllerError(ActorDiedError())


def failing(*errors: Exception) -> tuple[Callable[[], str], list[Exception]]:
    """A training that fails with each of the errors, then ends; and what is left of them."""
    left = [*errors]

    def train() -> str:
        if left:
            raise left.pop(0)
        return "trained"

    return train, left


def test_a_training_whose_node_is_lost_at_the_start_begins_again_and_says_so() -> None:
    train, _ = failing(UNAVAILABLE, DIED)
    said: list[str] = []
    assert though_nodes_are_lost(train, 3, said.append) == "trained"
    assert [each.rpartition(" (")[2] for each in said] == ["1 of 3)", "2 of 3)"]


def test_it_gives_up_after_as_many_losses_as_the_recipe_allows() -> None:
    train, left = failing(*[UNAVAILABLE] * 5)
    with pytest.raises(ControllerError):
        though_nodes_are_lost(train, 2, lambda _: None)
    assert len(left) == 2


@pytest.mark.parametrize(
    "error",
    [ControllerError(ValueError("a fault of the controller's own")), WorkerGroupError("a rank raised", {0: ValueError("x")})],
)
def test_what_is_no_lost_node_is_not_tried_again(error: Any) -> None:
    train, left = failing(error, UNAVAILABLE)
    with pytest.raises(type(error)):
        though_nodes_are_lost(train, 3, lambda _: None)
    assert left == [UNAVAILABLE]
