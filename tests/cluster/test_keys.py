"""Keys say what and not how: recorded ones stay, and what changes one is meant to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from cluster.errors import RequestError, WorkError
from cluster.fields import Files, How, Mark, Private, is_marked, key_values, publishable
from cluster.line import Line
from cluster.plan import make_plan, seen_again
from cluster.stage import Stage
from cluster.store import Location, Manifest, Store
from pageloom import line
from tests.cluster.recorded_keys import present, recorded

AGAIN = "; where that is meant, raise the stage's version and run `python -m tests.cluster.recorded_keys`"


def test_the_quickstart_s_keys_are_the_recorded_ones() -> None:
    before = {name: each["key"] for name, each in recorded().items()}
    assert {name: each["key"] for name, each in present().items()} == before, f"keys changed{AGAIN}"


def test_a_default_that_changes_asks_for_a_new_version_of_its_stage() -> None:
    now = present()
    for name, before in recorded().items():
        for setting, value in before["defaults"].items():
            same = now[name]["defaults"].get(setting, "gone") == value
            assert same or now[name]["version"] != before["version"], f"{name}: the default of {setting} changed{AGAIN}"


def with_more_options(stage: Stage) -> Stage:
    """The stage with three options that nobody has set: a number, a list, a section of its own."""

    class Nested(BaseModel):
        depth: int = 3

    more: Any = {
        "a_new_number": (float, Field(0.25)),
        "a_new_list": (list[str], Field(default_factory=list)),
        "a_new_section": (Nested, Field(default_factory=Nested)),
    }
    model = create_model(stage.settings.__name__, __base__=stage.settings, **more)
    return Stage(**{**stage.__dict__, "settings": model})


def test_three_new_options_in_every_section_change_no_key(tmp_path: Path) -> None:
    wider = Line(tuple(map(with_more_options, line().stages)), line().others)
    store = Store(tmp_path)
    keys = [each.key for each in make_plan(line().load("quickstart"), line().stages, store)]
    assert [each.key for each in make_plan(wider.load("quickstart"), wider.stages, store)] == keys
    changed = make_plan(wider.load("quickstart", ["pages.a_new_section.depth=4"]), wider.stages, store)
    differing = [each.stage.name for each, key in zip(changed, keys, strict=True) if each.key != key]
    assert differing[0] == "pages"


@pytest.mark.parametrize(
    "how",
    [
        "pretrain.micro_batch=1",
        "pretrain.evaluations=2",
        "crawl.timeout=5",
        "crawl.hosts_at_once=2",
        "crawl.pydoc.port=7465",
        "records.extract_seconds=9",
        "dedup.memory_mb=64",
        "rlhf.engine_cache_mb=64",
        "cluster.data_workers=7",
        "cluster.checkpoint_seconds=5",
        "serve.port=9000",
        "tracking.wandb=disabled",
    ],
)
def test_how_the_work_is_done_is_in_no_key(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    usual, other = (make_plan(line().load("quickstart", given), line().stages, store) for given in ([], [how]))
    assert [each.key for each in other] == [each.key for each in usual]


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("crawl.max_pages=9", "crawl"),
        ("pages.language.min_score=0.5", "pages"),
        ("pages.sources.crawl.heuristics=null", "pages"),
        ("pretrain.optimiser.learning_rate=0.1", "base"),
        ("sft.optimiser.warmup_steps=100", "assistant"),
        ("cluster.train_workers=1", "base"),
        ("release.name=another", "release"),
    ],
)
def test_what_changes_the_bytes_changes_its_stage_s_key_and_none_before(tmp_path: Path, what: str, first: str) -> None:
    store = Store(tmp_path)
    usual, other = (make_plan(line().load("quickstart", given), line().stages, store) for given in ([], [what]))
    assert next(one.stage.name for one, two in zip(usual, other, strict=True) if one.key != two.key) == first


class Inner(BaseModel):
    rate: float = 1.0
    threads: How[int] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner = Field(default_factory=lambda: Inner(rate=2.0))
    files: Files[list[str]] = Field(default_factory=list)
    owner: Private[str] = ""
    parts: list[Inner] = Field(default_factory=list)


def test_a_value_is_compared_with_the_default_that_its_own_section_has() -> None:
    assert key_values(Outer()) == {}
    assert key_values(Outer(inner=Inner(rate=2.0, threads=8))) == {}
    assert key_values(Outer(inner=Inner())) == {"inner": {"rate": 1.0}}
    assert key_values(Outer(parts=[Inner(rate=3, threads=4), Inner()])) == {"parts": [{"rate": 3.0}, {}]}


def test_files_enter_by_number_and_what_is_private_is_published_nowhere() -> None:
    settings = Outer(files=["/home/me/a", "s3://bucket/b"], owner="me@example.org")
    assert key_values(settings) == {"files": 2, "owner": "me@example.org"}
    assert publishable(settings) == {"inner": {"rate": 2.0, "threads": 1}, "files": "2 named", "parts": []}


def test_every_setting_that_names_files_is_marked(tmp_path: Path) -> None:
    """Were a path in a key beside its content, the same files would give two keys."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"text": "x"}\n')
    given = [f"{name}=[{file}]" for name in ("sft.files", "reward.files", "corpus.benchmarks", "classifiers.quality.positives")]
    for stage in line().stages:
        settings = getattr(line().load("quickstart", [*given, f"crawl.input=[{file}]", "crawl.pydoc=null"]), stage.section)
        assert str(tmp_path) not in str(key_values(settings)), stage.name


class Reading(BaseModel):
    input: Files[list[str]] = Field(default_factory=list)


READ = (Stage("read", "read", Reading, "1", "x:y", external=lambda settings: settings.input),)


def reading(*files: Path) -> Any:
    return Line(READ).load("quickstart", [f"read.input={[str(each) for each in files]}"])


@pytest.fixture
def bare(empty_quickstart: None) -> None:
    """Recipes of the one stage."""


def test_the_same_files_in_another_place_and_at_another_time_give_the_same_key(tmp_path: Path, bare: None) -> None:
    store, here, there = Store(tmp_path / "root"), tmp_path / "here.d" / "a.jsonl", tmp_path / "there" / "a.jsonl"
    for place in (here, there):
        place.parent.mkdir()
    here.write_text("one")
    shutil.copy(here, there)
    os.utime(there, (1, 1))
    keys = [make_plan(reading(place), READ, store)[0].key for place in (here, there)]
    assert keys[0] == keys[1]
    there.write_text("two")  # as long as before
    assert make_plan(reading(there), READ, store)[0].key != keys[0]


def test_large_files_are_known_by_size_and_time(tmp_path: Path, bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.inputs.SMALL", 2)
    file = tmp_path / "a.jsonl"
    file.write_text("one")
    [planned] = make_plan(reading(file), READ, Store(tmp_path / "root"))
    assert "digest" not in planned.external[0]
    os.utime(file, (1, 1))
    assert make_plan(reading(file), READ, Store(tmp_path / "root"))[0].key != planned.key


def test_an_input_that_changes_between_plan_and_stage_stops_it(tmp_path: Path, bare: None) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("one")
    [planned] = make_plan(reading(file), READ, Store(tmp_path / "root"))
    seen_again(planned, Location.of(tmp_path / "root"))
    file.write_text("two")
    with pytest.raises(
        WorkError, match=r"^read: .*/a\.jsonl changed after this run had begun; run again, and its key follows$"
    ):
        seen_again(planned, Location.of(tmp_path / "root"))


def test_inputs_that_are_gone_are_a_note_where_an_earlier_run_has_read_them(tmp_path: Path, bare: None) -> None:
    store, file = Store(tmp_path / "root"), tmp_path / "a.jsonl"
    file.write_text("one")
    [planned] = make_plan(reading(file), READ, store)
    values = key_values(planned.settings)
    settings = planned.settings.model_dump(mode="json")
    manifest = Manifest("read", planned.key, settings, {}, planned.external, "1", "0", 0, 1, 1, 0, "h", values=values)
    store.commit(store.attempt("read", planned.key), manifest)
    file.unlink()
    with pytest.raises(RequestError, match="no file there"):
        make_plan(reading(file), READ, store)
    [again] = make_plan(reading(file), READ, store, known={"read": planned.key})
    assert (again.state, again.key) == ("done", planned.key)
    assert again.note == f"{file}: no file there any more"


def test_marks_are_found_whatever_else_a_field_says() -> None:
    fields = Outer.model_fields
    assert is_marked(Inner.model_fields["threads"], Mark.HOW)
    assert not is_marked(fields["inner"], Mark.HOW)
    assert is_marked(fields["files"], Mark.FILES)


def test_what_runs_write_below_an_input_changes_no_key_and_stops_no_stage(tmp_path: Path, bare: None) -> None:
    (tmp_path / "a.jsonl").write_text("one")
    root = Location.of(tmp_path / "root")
    [planned] = make_plan(reading(tmp_path), READ, Store(tmp_path / "root"))
    (root / "crawl" / "b.jsonl").write_bytes(b"two")
    seen_again(planned, root)
    assert make_plan(reading(tmp_path), READ, Store(tmp_path / "root"))[0].key == planned.key
