"""What a stage declares to book of a cluster is what its driver then asks of Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors import room
from actors.stages import MEASUREMENT, STAGES
from cluster.resources import Bundle, Node, missing
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Location
from tests.pipeline.silent import Silent

SHAPES = [ClusterSettings(), ClusterSettings(train_workers=5), ClusterSettings(train_workers=3, gpus_per_worker=0.5)]
declared = {stage.name: stage.needs_room for stage in (*STAGES, MEASUREMENT)}


class Asked:
    """Stands for `ray.remote`: notes what is asked for each actor or task."""

    def __init__(self) -> None:
        self.bundles: Counter[tuple[float, float]] = Counter()

    def __call__(self, _: Any) -> Asked:
        return self

    def options(self, num_cpus: float, num_gpus: float = 0, **_: Any) -> Any:
        def remote(*_: Any) -> object:
            self.bundles[num_cpus, num_gpus] += 1
            return object()

        return SimpleNamespace(remote=remote)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr("ray.remote", found)
    monkeypatch.setattr("ray.kill", lambda _: None)
    return found


def context(place: Path, cluster: ClusterSettings, settings: Any = None) -> Context:
    output = Location.of(place)
    inputs: Any = dict.fromkeys(("assistant", "judge", "corpus", "base", "aligned"), SimpleNamespace(location=output))
    return Context(settings, cluster, inputs, [], output, output / WORK, Silent(), str(place), output)


def counted(needs: Callable[[Any], Sequence[Bundle]], cluster: ClusterSettings) -> Counter[tuple[float, float]]:
    return Counter((each.cpu, each.gpu) for each in needs(SimpleNamespace(cluster=cluster)))


def ranks_asked(monkeypatch: pytest.MonkeyPatch, ctx: Context) -> Counter[tuple[float, float]]:
    from actors.training import fit

    found: Counter[tuple[float, float]] = Counter()

    def trainer(_: Any, scaling_config: Any, **__: Any) -> Any:
        each = scaling_config._resources_per_worker_not_none
        found[each["CPU"], each.get("GPU", 0)] += scaling_config.num_workers
        return SimpleNamespace(fit=lambda: SimpleNamespace(return_value=None))

    monkeypatch.setattr(fit, "TorchTrainer", trainer)
    fit.on_ranks(ctx, lambda: None)
    return found


@pytest.mark.parametrize("cluster", SHAPES)
@pytest.mark.parametrize("stage", ["base", "assistant", "judge"])
def test_a_training_books_its_ranks(
    stage: str, cluster: ClusterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ranks_asked(monkeypatch, context(tmp_path, cluster)) == counted(declared[stage], cluster)


@pytest.mark.parametrize("cluster", SHAPES)
def test_rlhf_books_its_ranks_and_the_actors_beside_them(
    cluster: ClusterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    from actors.rl import align
    from actors.rl.settings import RlhfSettings

    monkeypatch.setattr(align, "prepare_prompts", lambda *_: None)
    ctx = context(tmp_path, cluster, RlhfSettings())
    with align.started_actors(ctx, ctx.work):
        ranks = ranks_asked(monkeypatch, ctx)
    assert asked.bundles + ranks == counted(declared["aligned"], cluster)


@pytest.mark.parametrize("cluster", SHAPES)
def test_an_evaluation_books_its_evaluators(
    cluster: ClusterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    from actors.evaluation import evaluate

    class Started(Exception):
        pass

    def pool(_: list[Any]) -> Any:
        raise Started

    monkeypatch.setattr(evaluate, "ActorPool", pool)
    with pytest.raises(Started):
        evaluate.measure(context(tmp_path, cluster))
    assert asked.bundles == counted(declared["evaluation"], cluster)


@pytest.mark.parametrize("cluster", SHAPES)
def test_a_measurement_books_one_of_its_tasks_at_a_time(cluster: ClusterSettings, tmp_path: Path, asked: Asked) -> None:
    from actors.ablation.measure import task

    task(context(tmp_path, cluster), lambda: None).remote()
    assert asked.bundles == counted(declared["measurement"], cluster)


def test_one_gpu_has_no_room_for_two_whole_ones_and_the_line_says_what_to_lower() -> None:
    recipe = SimpleNamespace(cluster=ClusterSettings(gpus_per_worker=1))
    assert missing(room.ranks(recipe), [Node(8, 1)]) == (
        "no room for 1 x training rank (1 CPU, 1 GPU), of 2 x training rank (1 CPU, 1 GPU), on 1 node (8 CPU, 1 GPU); "
        "lower cluster.train_workers or cluster.gpus_per_worker"
    )
    assert missing(room.alignment(recipe), [Node(8, 5)]) == ""
    assert "1 x reward model" in missing(room.alignment(recipe), [Node(8, 4)])
