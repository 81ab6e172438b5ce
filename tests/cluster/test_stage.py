"""Keys follow from what a stage depends on, and the plan says why a stage would run."""

from pathlib import Path

from pydantic import BaseModel

from cluster.fields import Files, key_values
from cluster.plan import Planned, make_plan
from cluster.recipe import load_recipe, recipe_model
from cluster.stage import Stage
from cluster.store import Manifest, Store


class Reading(BaseModel):
    input: Files[str] = ""
    limit: int = 1


class Tuning(BaseModel):
    steps: int = 10


NOTHING = f"{__name__}:never_run"


STAGES = (
    Stage("pages", "pages", Reading, "1", NOTHING, external=lambda settings: [settings.input] if settings.input else []),
    Stage("base", "pretrain", Tuning, "1", NOTHING, needs=("pages",)),
    Stage("aligned", "rlhf", Tuning, "1", NOTHING, needs=("base",)),
)
MODEL = recipe_model(STAGES)


def plan(store: Store, *overrides: str, stages: tuple[Stage, ...] = STAGES) -> list[Planned]:
    return make_plan(load_recipe(MODEL, None, ["root=x", *overrides]), stages, store)


def commit(store: Store, planned: list[Planned]) -> None:
    for each in planned:
        settings = each.settings.model_dump(mode="json")
        store.commit(
            store.attempt(each.stage.name, each.key),
            Manifest(
                each.stage.name,
                each.key,
                settings,
                each.parents,
                each.external,
                each.stage.version,
                "0",
                0,
                1,
                1,
                0,
                "h",
                values=key_values(each.settings),
            ),
        )


def states(planned: list[Planned]) -> dict[str, tuple[str, str]]:
    return {each.stage.name: (each.state, each.why) for each in planned}


def test_a_changed_setting_makes_its_stage_and_everything_below_stale_and_nothing_above(
    tmp_path: Path, empty_quickstart: None
) -> None:
    store = Store(tmp_path)
    assert {state for state, _ in states(plan(store)).values()} == {"todo"}
    commit(store, plan(store))
    assert {state for state, _ in states(plan(store)).values()} == {"done"}
    assert states(plan(store, "pretrain.steps=20")) == {
        "pages": ("done", ""),
        "base": ("stale", "pretrain.steps: 10 -> 20"),
        "aligned": ("stale", "base changed"),
    }
    assert states(plan(store, "rlhf.steps=20"))["base"] == ("done", "")


def test_an_input_file_that_changed_makes_its_stage_stale(tmp_path: Path, empty_quickstart: None) -> None:
    file = tmp_path / "a.warc"
    file.write_bytes(b"1")
    store = Store(tmp_path / "root")
    commit(store, plan(store, f"pages.input={file}"))
    assert states(plan(store, f"pages.input={file}"))["pages"] == ("done", "")
    file.write_bytes(b"22")
    assert states(plan(store, f"pages.input={file}"))["pages"] == ("stale", "input files changed")


def test_a_new_code_version_makes_its_stage_stale(tmp_path: Path, empty_quickstart: None) -> None:
    store = Store(tmp_path)
    commit(store, plan(store))
    newer = (STAGES[0], Stage("base", "pretrain", Tuning, "2", NOTHING, needs=("pages",)), STAGES[2])
    assert states(plan(store, stages=newer))["base"] == ("stale", "code version 1 -> 2")


def test_going_back_to_earlier_settings_finds_the_earlier_artefact(tmp_path: Path, empty_quickstart: None) -> None:
    store = Store(tmp_path)
    commit(store, plan(store))
    commit(store, plan(store, "rlhf.steps=20"))
    assert {state for state, _ in states(plan(store)).values()} == {"done"}


def test_where_the_work_runs_does_not_enter_a_key(tmp_path: Path, empty_quickstart: None) -> None:
    store = Store(tmp_path)
    assert [each.key for each in plan(store)] == [each.key for each in plan(store, "cluster.train_workers=16")]
