from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.errors import RequestError
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import METRICS, WORK, Location
from cluster.track.events import Track
from cluster.track.recorder import Recorder
from tests.actors.training import masked_task
from tests.actors.training.masked_task import SETTINGS, MaskedTask

STEPS = 8
RUN = SETTINGS.model_copy(update={"steps": STEPS, "evaluations": 4})


@dataclass
class Fragile(MaskedTask):
    """Kills its own process on rank 1 at step 5, once."""

    flag: str = ""

    def batch(self, step, rank, world):
        if self.flag and step == 5 and rank == 1 and not os.path.exists(self.flag):
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step, rank, world)


@dataclass
class Maker:
    flag: str = ""

    def __call__(self, files: ExitStack) -> Fragile:
        return Fragile(flag=self.flag)


def context(place: Path, mailbox=None, **cluster) -> Context:
    output = Location.of(place)
    settings = ClusterSettings(dashboard=False, checkpoint_seconds=0.001, **cluster)
    return Context(RUN, settings, {}, [], output, output / WORK, Track("test", mailbox), str(place), output)


def test_ranks_that_cannot_share_the_batch_evenly_are_refused(tmp_path: Path):
    from actors.training.fit import fit

    with pytest.raises(RequestError, match=r"batch 4 is not divisible by cluster\.train_workers 3"):
        fit(context(tmp_path, train_workers=3), Maker(), RUN, Location.of(tmp_path))


@pytest.fixture(scope="module")
def carried() -> Iterator[None]:
    """Ray sends these modules along, as its workers cannot import a test's."""
    from ray import cloudpickle

    modules = (masked_task, sys.modules[__name__])
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture(scope="module")
def train(mailbox, carried, tokenizer_directory):
    from actors.training.fit import fit

    def run(place: Path, flag: str = "", max_failures: int = 0) -> tuple[bytes, dict[int, tuple[float, float]]]:
        """One attempt; the exported weights, and loss and gradient norm of every step."""
        ctx = context(place, mailbox, max_failures=max_failures)
        with Recorder("test", mailbox, ctx.output) as recorder:
            outcome = fit(ctx, Maker(flag), RUN, Location.of(tokenizer_directory))
        assert outcome.progress.step == STEPS
        assert [step for step, _ in outcome.progress.curves["training"]] == list(range(1, STEPS + 1))
        assert [step for step, _ in outcome.progress.curves["held-out"]] == [2, 4, 6, 8]
        recorder.commit()
        rows = map(json.loads, (ctx.output / METRICS).read_bytes().splitlines())
        history = {row["step"]: (row["loss"], row["gradient_norm"]) for row in rows}
        return (place / "model.safetensors").read_bytes(), history

    return run


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory):
    weights, history = train(tmp_path_factory.mktemp("undisturbed"))
    assert sorted(history) == list(range(STEPS))
    return weights, history


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_rank_costs_nothing_but_time(train, undisturbed, tmp_path: Path):
    assert train(tmp_path, flag=str(tmp_path / "killed"), max_failures=1) == undisturbed
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_later_attempt_goes_on_where_the_first_was_lost(train, undisturbed, tmp_path: Path):
    from ray.train import TrainingFailedError

    with pytest.raises(TrainingFailedError):
        train(tmp_path, flag=str(tmp_path / "killed"))
    assert not (tmp_path / "model.safetensors").exists()
    assert train(tmp_path, flag=str(tmp_path / "killed")) == undisturbed
