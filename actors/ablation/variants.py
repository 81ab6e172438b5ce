"""The models of an ablation: for each variant and seed a recipe, its plan up to `base`, and the measurement behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.ablation.passages import read_passages
from actors.ablation.settings import Ablation, MeasurementSettings
from actors.stages import MEASUREMENT, check_recipe
from actors.stages import STAGES as ACTORS
from cluster.errors import RequestError
from cluster.plan import Planned, make_plan
from cluster.recipe import Recipe, load_recipe
from cluster.run import run_plan
from cluster.session import Session
from cluster.store import Artefact, Store
from cluster.track.console import RunConsole
from pipeline.read.data_files import texts
from pipeline.stages import STAGES as PIPELINE

LINE = (*PIPELINE, next(stage for stage in ACTORS if stage.name == "base"), MEASUREMENT)
VARIED = {stage.section for stage in LINE} - {MEASUREMENT.section}


@dataclass(frozen=True)
class Run:
    """One model: a variant, trained with one seed."""

    variant: str
    recipe: Recipe
    plan: list[Planned]

    @property
    def done(self) -> bool:
        return all(planned.state == "done" for planned in self.plan)


def recipes(ablation: Ablation, model: type[Recipe], overrides: Sequence[str]) -> list[tuple[str, Recipe]]:
    """(variant, recipe), the seeds of a variant one after the other. All have one root.

    model: of a recipe that has a section for each stage of LINE. overrides: `key=value` of all variants; what makes a
    variant wins over them. Raises RequestError naming the variant whose settings make no recipe, or the file that nothing
    can be measured on.
    """
    check_files(ablation.measurement)
    common = [f"name={ablation.name}", *as_overrides(ablation.set), *overrides]
    common.append(f"measurement={ablation.measurement.model_dump_json()}")
    found = []
    for name, changes in ablation.variants.items():
        for key in changes:
            if key.partition(".")[0] not in VARIED:
                raise RequestError(
                    f"variant {name}: {key} does not change the base model; vary settings of {', '.join(sorted(VARIED))}"
                )
        for seeded in [[f"pretrain.seed={seed}"] for seed in ablation.seeds] or [[]]:
            try:
                recipe: Any = load_recipe(model, ablation.recipe, [*common, *seeded, *as_overrides(changes)])
                check_recipe(recipe, until_base=True)
            except RequestError as error:
                raise RequestError(f"variant {name}: {error}") from error
            # What they are measured on, none of them is to have seen: the corpus takes it out as it does benchmarks.
            recipe.corpus.benchmarks = [*recipe.corpus.benchmarks, *recipe.measurement.clean]
            found.append((name, recipe))
    return found


def check_files(measurement: MeasurementSettings) -> None:
    """Read what the models will be measured on: a fault in it is not to be found after hours of training."""
    for _ in texts(measurement.clean, "text"):
        pass
    if measurement.verbatim:
        read_passages(measurement.verbatim)


def as_overrides(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in settings.items()]


def plan_runs(chosen: Sequence[tuple[str, Recipe]], store: Store) -> list[Run]:
    """A plan for each recipe. Raises RequestError where two variants are the same, which would compare a model with itself."""
    runs, owners = [], dict[str, str]()
    for name, recipe in chosen:
        plan = make_plan(recipe, LINE, store)
        if (other := owners.setdefault(plan[-1].key, name)) != name:
            raise RequestError(f"variants {other} and {name} are the same: none of their settings differ; change or remove one")
        runs.append(Run(name, recipe, plan))
    return runs


def run_all(runs: Sequence[Run], store: Store, session: Session, console: RunConsole, logs: Path) -> list[dict[str, Artefact]]:
    """Train and measure each; what variants have in common is made once. Returns each run's artefacts by stage name."""
    found = []
    for number, run in enumerate(runs, 1):
        console.print(f"{number} of {len(runs)}  {run.variant}", markup=False)
        found.append(run_plan(run.plan, run.recipe, store, session, console, logs))
    return found
