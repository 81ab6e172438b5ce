"""A root remembers its runs: what was asked, what came of it, what differs between two of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pageloom
from cluster.errors import RequestError, WorkError
from cluster.fields import key_values
from cluster.holder import Held
from cluster.plan import Planned
from cluster.run import anew, refuse_unfinished
from cluster.runs import LATEST, compared, last_run, named_release, read_run, recorded, refs, run_ids, write_ref
from cluster.store import Location, Manifest, Store
from cluster.versions import versions

LINE = pageloom.line()


def planned(store: Store, *settings: str) -> tuple[Any, list[Planned]]:
    recipe = LINE.load("quickstart", [f"root={store.root}", *settings])
    return recipe, LINE.plan(recipe, store)


def commit(store: Store, plan: list[Planned], **counts: Any) -> None:
    """Artefacts of a plan that hold nothing but their figures."""
    for each in plan:
        if not store.artefact(each.stage.name, each.key):
            settings = each.settings.model_dump(mode="json")
            manifest = Manifest(
                *(each.stage.name, each.key, settings, each.parents, each.external, each.stage.version, "0", 0, 1, 1, 0, "h"),
                counts=counts,
                values=key_values(each.settings),
                versions=versions(),
            )
            place = store.attempt(each.stage.name, each.key)
            (place / "model.json").write_json({})
            store.commit(place, manifest)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def test_a_run_that_ends_is_remembered_with_what_was_asked_and_its_release_is_the_latest(store: Store) -> None:
    recipe, plan = planned(store, "pretrain.steps=7")
    with recorded(recipe, plan, store, Held(1)):
        commit(store, plan)
        assert last_run(store.root).outcome == "running"  # type: ignore[union-attr]
    run = last_run(store.root)
    assert run is not None
    assert (run.outcome, run.source, run.recipe["pretrain"]["steps"]) == ("done", "quickstart", 7)
    assert "pretrain.steps=7" in run.settings
    assert run.stages == {each.stage.name: each.key for each in plan}
    assert run.versions["torch"] == versions()["torch"]
    assert refs(store.root) == {LATEST: {"stage": "release", "key": plan[-1].key, "run": run.id}}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(WorkError("base: no space left"), "failed"), (KeyboardInterrupt(), "stopped"), (OSError("x"), "failed")],
)
def test_a_run_that_does_not_end_well_is_remembered_with_its_line_and_moves_no_ref(
    store: Store, error: BaseException, outcome: str
) -> None:
    recipe, plan = planned(store)
    with pytest.raises(type(error)), recorded(recipe, plan, store, Held(1)):
        raise error
    run = last_run(store.root)
    assert run is not None
    assert (run.outcome, run.message) == (outcome, str(error))
    assert run.ended is not None
    assert refs(store.root) == {}


def test_a_run_that_was_stopped_because_it_lost_the_root_has_failed(store: Store) -> None:
    recipe, plan = planned(store)

    def lost() -> None:
        raise WorkError("taken over by another run")

    with pytest.raises(KeyboardInterrupt), recorded(recipe, plan, store, Held(1, lost)):
        raise KeyboardInterrupt
    run = last_run(store.root)
    assert run is not None
    assert (run.outcome, run.message) == ("failed", "taken over by another run")


@pytest.mark.parametrize("command", [["show", "pages"], ["show", "dedup"], ["trace", "http://h/a"]])
def test_what_shows_pages_names_a_file_that_is_not_as_it_was_committed(store: Store, command: list[str]) -> None:
    recipe, plan = planned(store)
    with recorded(recipe, plan, store, Held(1)):
        commit(store, plan)
    pages = store.artefacts("pages")[0].location / "model.json"
    pages.write_bytes(b"cut")
    with pytest.raises(WorkError, match=r"/model\.json: 3 bytes instead of 2; `pageloom verify` checks all files"):
        CliRunner().invoke(pageloom.app, [*command, "--root", str(store.root)], obj=LINE, catch_exceptions=False)


def test_a_run_is_found_by_the_beginning_of_its_id_and_nothing_else(store: Store) -> None:
    recipe, plan = planned(store)
    for _ in range(2):
        with recorded(recipe, plan, store, Held(1)):
            pass
    one, other = run_ids(store.root)
    assert read_run(store.root, other).id == other
    with pytest.raises(
        RequestError, match=rf"^run {one[:8]}: no such run of .*; begins 2 of them; `pageloom runs` lists them$"
    ):
        read_run(store.root, one[:8])
    with pytest.raises(RequestError, match=rf"^run x: no such run of .*; there are {one}, {other}; `pageloom runs`"):
        read_run(store.root, "x")


def test_two_runs_differ_in_what_was_set_and_what_came_out(store: Store) -> None:
    for steps, loss in ((7, 3.5), (8, 3.25)):
        recipe, plan = planned(store, f"pretrain.steps={steps}")
        with recorded(recipe, plan, store, Held(1)):
            commit(store, plan, loss=loss)
    one, other = (read_run(store.root, run) for run in run_ids(store.root))
    found = compared(one, other, store)
    assert found["settings"] == {"pretrain.steps": (7, 8)}
    assert found["versions"] == {}
    assert found["inputs"] == {}
    # What stands before `base` is the same artefact.
    behind = ("base", "assistant", "judge", "aligned", "evaluation", "release")
    assert found["figures"] == {f"{stage}.loss": (3.5, 3.25) for stage in sorted(behind)}


def said(*arguments: str) -> str:
    result = CliRunner().invoke(pageloom.app, [*arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_a_root_is_looked_at_without_the_flags_of_the_day_and_without_its_input_files(store: Store, tmp_path: Path) -> None:
    pages = tmp_path / "pages.jsonl"
    pages.write_text('{"text": "one"}\n')
    recipe, plan = planned(store, f"crawl.input=[{pages}]", "crawl.pydoc=null", "pretrain.steps=7", "serve.port=8123")
    with recorded(recipe, plan, store, Held(1)) as run:
        commit(store, plan, loss=3.5)
    pages.unlink()
    root = str(store.root)
    assert f"run {run.id} (done)" in said("report", "--root", root)
    assert json.loads(said("status", "--root", root, "--json"))["run"]["id"] == run.id
    seen = LINE.look(root=root)
    assert {name: each.key for name, each in seen.artefacts.items() if each} == run.stages
    assert seen.recipe.serve.port == 8123  # type: ignore[attr-defined]
    listed = json.loads(said("runs", "--root", root, "--json"))
    assert [each["id"] for each in listed["runs"]] == [run.id]
    assert listed["refs"][LATEST]["key"] == run.stages["release"]
    # With the flags of that day it is a note, not a refusal.
    rows = json.loads(
        said(
            *("plan", "--root", root, "--json", "--input", str(pages), "--set", "crawl.pydoc=null"),
            *("--set", "pretrain.steps=7"),
            "quickstart",
        )
    )["stages"]
    assert {row["state"] for row in rows} == {"done"}
    assert rows[0]["note"].endswith("pages.jsonl: no file there any more")


def test_a_recipe_that_is_named_is_looked_at_instead_of_the_last_run(store: Store) -> None:
    recipe, plan = planned(store, "pretrain.steps=7")
    with recorded(recipe, plan, store, Held(1)):
        commit(store, plan)
    seen = LINE.look("quickstart", root=str(store.root))
    assert seen.run is None
    assert seen.artefacts["base"] is None  # 1,000 steps: nobody has trained that


def test_a_last_run_whose_recipe_is_no_longer_known_says_so(store: Store) -> None:
    recipe, plan = planned(store)
    with recorded(recipe, plan, store, Held(1)) as run:
        pass
    place = Path(store.root.path, "runs", f"{run.id}.json")
    kept = json.loads(place.read_text())
    kept["recipe"]["pretrain"]["gone_since"] = 1
    place.write_text(json.dumps(kept))
    with pytest.raises(RequestError, match=rf"^recipe of the last run, {run.id}: pretrain\.gone_since: unknown key"):
        LINE.look(root=str(store.root))


def test_a_release_is_named_by_ref_by_key_or_by_the_beginning_of_its_key(store: Store) -> None:
    recipe, plan = planned(store)
    with recorded(recipe, plan, store, Held(1)):
        commit(store, plan)
    key = plan[-1].key
    assert [named_release(store, name).key for name in (LATEST, key, key[:6])] == [key] * 3
    with pytest.raises(RequestError, match=rf"^--release stable: no such release in .*; there are latest, {key}$"):
        named_release(store, "stable")


def test_diff_prints_what_differs(store: Store) -> None:
    for steps in (7, 8):
        recipe, plan = planned(store, f"pretrain.steps={steps}")
        with recorded(recipe, plan, store, Held(1)):
            commit(store, plan)
    one, other = run_ids(store.root)
    text = said("diff", one, other, "--root", str(store.root))
    assert re.search(r"settings: 1 differ *\n.*\n *pretrain\.steps +7 +8", text), text
    assert "figures: nothing differs" in text


def test_run_records_lie_where_the_root_is(s3_root: str) -> None:
    store = Store(s3_root)
    recipe, plan = planned(store)
    with recorded(recipe, plan, store, Held(1)) as run:
        pass
    assert Location.of(f"{s3_root}/runs/{run.id}.json").exists()
    assert last_run(store.root) == run


def test_what_is_forced_leaves_the_root_with_all_that_comes_of_it_and_nothing_else(store: Store) -> None:
    _, plan = planned(store)
    commit(store, plan)
    again = anew(LINE.plan(planned(store)[0], store), {"judge"}, store)
    forced = [each.stage.name for each in again if each.why == "forced"]
    assert forced == ["judge", "aligned", "evaluation", "release"]
    assert [each.stage.name for each in again if not store.artefact(each.stage.name, each.key)] == forced
    assert [each.key for each in again] == [each.key for each in plan]


def test_nothing_is_forced_that_a_ref_names(store: Store) -> None:
    _, plan = planned(store)
    commit(store, plan)
    write_ref(store.root, "stable", plan[-1].key, "r", Held(1))
    with pytest.raises(RequestError, match=r"^--force: the release that `stable` names would go; let stable name another"):
        anew(plan, {"judge"}, store)
    assert all(store.artefact(each.stage.name, each.key) for each in plan)
    write_ref(store.root, "stable", "another", "r", Held(1))
    write_ref(store.root, LATEST, plan[-1].key, "r", Held(1))  # which follows the run
    anew(plan, {"judge"}, store)
    assert store.artefact("release", plan[-1].key) is None


def test_to_begin_at_a_stage_is_refused_where_one_before_it_is_not_done(store: Store) -> None:
    _, plan = planned(store)
    commit(store, plan[:4])
    plan = LINE.plan(planned(store)[0], store)
    refuse_unfinished(plan, "dedup")
    with pytest.raises(RequestError, match=r"^--from base: dedup before it is todo; run without --from$"):
        refuse_unfinished(plan, "base")


@pytest.mark.parametrize("option", ["--until", "--from", "--force"])
def test_a_stage_that_there_is_not_is_refused_before_anything_starts(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(pageloom.app, ["run", "--root", str(tmp_path / "r"), option, "nonsense", "--no-serve"])
    assert isinstance(result.exception, RequestError)
    assert str(result.exception).startswith(f"{option} nonsense: no such stage; there are crawl, records, ")
    assert not (tmp_path / "r").exists()


def test_a_setting_of_no_key_is_put_over_the_last_run_s_recipe_and_finds_what_it_made(store: Store) -> None:
    recipe, plan = planned(store, "pretrain.steps=7")
    with recorded(recipe, plan, store, Held(1)) as run:
        commit(store, plan)
    seen = LINE.look(settings=["serve.port=8123"], root=str(store.root))
    assert {name: each.key for name, each in seen.artefacts.items() if each} == run.stages
    assert seen.recipe.serve.port == 8123  # type: ignore[attr-defined]
    assert LINE.look(settings=["pretrain.steps=8"], root=str(store.root)).artefacts["base"] is None
