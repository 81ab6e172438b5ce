"""The models of an ablation: for each variant and seed a recipe, its plan up to `base`, and the measurement behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.ablation.passages import read_passages
from actors.ablation.settings import Ablation, MeasurementSettings
from actors.check import check_recipe
from cluster.errors import RequestError
from cluster.holder import Held
from cluster.line import Line
from cluster.plan import Planned, make_plan
from cluster.recipe import Recipe, load_recipe
from cluster.run import Run, run_plan
from cluster.stage import Stage
from cluster.store import Artefact, Store
from pipeline.read.data_files import texts

LAST = "base"  # the stage whose models are measured


@dataclass(frozen=True)
class Model:
    """One model: a variant, trained with one seed."""

    variant: str
    recipe: Recipe
    plan: list[Planned]

    @property
    def done(self) -> bool:
        return all(planned.state == "done" for planned in self.plan)


def measured_stages(line: Line) -> tuple[Stage, ...]:
    """The stages of a line up to the model, and its last one: the measurement."""
    return (*line.stages[: line.names.index(LAST) + 1], line.stages[-1])


def recipes(ablation: Ablation, line: Line, overrides: Sequence[str]) -> list[tuple[str, Recipe]]:
    """(variant, recipe), the seeds of a variant one after the other. All have one root.

    line: ends in the measurement. overrides: `key=value` of all variants; what makes a variant wins over them.
    Raises RequestError naming the variant whose settings make no recipe, or the file that nothing can be measured on.
    """
    check_files(ablation.measurement)
    common = [f"name={ablation.name}", *as_overrides(ablation.set), *overrides]
    common.append(f"measurement={ablation.measurement.model_dump_json()}")
    varied = sorted(stage.section for stage in measured_stages(line)[:-1])
    found = []
    for name, changes in ablation.variants.items():
        for key in changes:
            if key.partition(".")[0] not in varied:
                raise RequestError(
                    f"variant {name}: {key} does not change the base model; vary settings of {', '.join(varied)}"
                )
        for seeded in [[f"pretrain.seed={seed}"] for seed in ablation.seeds] or [[]]:
            try:
                recipe: Any = load_recipe(line.model, ablation.recipe, [*common, *seeded, *as_overrides(changes)])
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


def plan_models(chosen: Sequence[tuple[str, Recipe]], line: Line, store: Store) -> list[Model]:
    """A plan for each recipe. Raises RequestError where two variants are the same, which would compare a model with itself."""
    models, owners = [], dict[str, str]()
    for name, recipe in chosen:
        plan = make_plan(recipe, measured_stages(line), store)
        if (other := owners.setdefault(plan[-1].key, name)) != name:
            raise RequestError(f"variants {other} and {name} are the same: none of their settings differ; change or remove one")
        models.append(Model(name, recipe, plan))
    return models


def run_all(models: Sequence[Model], run: Run, held: Held) -> list[dict[str, Artefact]]:
    """Train and measure each; what variants have in common is made once. Returns each model's artefacts by stage name."""
    found = []
    for number, model in enumerate(models, 1):
        run.console.print(f"{number} of {len(models)}  {model.variant}")
        found.append(run_plan(model.plan, replace(run, recipe=model.recipe), held))
    return found
