"""What an ablation file may say, and which models follow from it. Everything wrong is one line, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.ablation.settings import Ablation, VerbatimSettings, read_ablation
from actors.ablation.variants import Model, plan_models, recipes
from actors.stages import MEASUREMENT
from cluster.errors import RequestError
from cluster.store import Store
from pageloom import line

LINE = line().with_stages(MEASUREMENT)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("pages.jsonl", "clean.jsonl"):
        (tmp_path / name).write_text('{"text": "one"}\n')
    return tmp_path


def written(place: Path, **changes: Any) -> str:
    """The path of a valid ablation with `changes`; None leaves a key out."""
    values = {
        "name": "duplicates",
        "set": {"crawl.input": [str(place / "pages.jsonl")]},
        "variants": {"all": {"dedup.exact": False, "dedup.near": False}, "deduplicated": {}},
        "clean": [str(place / "clean.jsonl")],
    } | changes
    file = place / "ablation.yaml"
    file.write_text(yaml.safe_dump({name: value for name, value in values.items() if value is not None}))
    return str(file)


def planned(path: str, place: Path, *overrides: str) -> list[Model]:
    ablation = read_ablation(path)
    return plan_models(recipes(ablation, LINE, overrides), LINE, Store(place / "root"))


def keys(run: Model) -> dict[str, str]:
    return {planned.stage.name: planned.key for planned in run.plan}


def test_variants_share_what_they_have_in_common_and_nothing_else(place: Path) -> None:
    one, other = (keys(run) for run in planned(written(place), place))
    assert " ".join(one) == "crawl records classifiers pages dedup corpus tokenizer tokens base measurement"
    assert {name for name in one if one[name] == other[name]} == {"crawl", "records", "classifiers", "pages"}


def test_a_variant_wins_over_settings_of_all_and_the_command_line_over_the_file(place: Path) -> None:
    path = written(place, set={"pretrain.steps": 7, "pretrain.batch": 6}, variants={"long": {"pretrain.steps": 9}, "short": {}})
    pages = f"crawl.input=[{place / 'pages.jsonl'}]"
    found: Any = [recipe for _, recipe in recipes(read_ablation(path), LINE, [pages, "pretrain.steps=8", "pretrain.batch=2"])]
    assert [(each.pretrain.steps, each.pretrain.batch) for each in found] == [(9, 2), (8, 2)]
    assert {each.root_uri for each in found} == {"runs/duplicates"}


def test_each_variant_is_trained_once_with_each_seed_on_the_same_tokens(place: Path) -> None:
    runs = planned(written(place, seeds=[3, 4]), place)
    assert [run.variant for run in runs] == ["all", "all", "deduplicated", "deduplicated"]
    assert keys(runs[0])["tokens"] == keys(runs[1])["tokens"]
    assert len({keys(run)["base"] for run in runs}) == 4


def test_clean_text_is_taken_out_of_every_variants_corpus(place: Path) -> None:
    found: Any = [recipe for _, recipe in recipes(read_ablation(written(place)), LINE, [])]
    assert [each.corpus.benchmarks for each in found] == [[str(place / "clean.jsonl")]] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variant": {}}, "variant: unknown key; did you mean variants?"),
        ({"variants": {"alone": {}}}, "variants: dictionary should have at least 2 items"),
        ({"clean": None}, "nothing is measured; give `clean`, `verbatim` or both"),
        ({"name": "Two words"}, "name: string should match pattern"),
        ({"verbatim": {"passages": "p", "prompt": 3}}, "verbatim.prompt: unknown key; known here: "),
        ({"recipe": "missing.yaml"}, "variant all: missing.yaml: no such recipe file, nor a shipped recipe (quickstart, web)"),
        (
            {"variants": {"a": {"dedup.neer": False}, "b": {}}},
            "variant a: recipe quickstart: dedup.neer: unknown key; did you mean dedup.near?",
        ),
        (
            {"variants": {"a": {"sft.steps": 1}, "b": {}}},
            "variant a: sft.steps does not change the base model; vary settings of ",
        ),
        (
            {"variants": {"a": {"dedup.near": True}, "b": {}}},
            "variants a and b are the same: none of their settings differ; change or",
        ),
        ({"set": {"pretrain.batch": 3}}, "variant all: pretrain.batch (3) is not divisible by cluster.train_workers (2)"),
        ({"clean": ["missing.txt"]}, "missing.txt: no file there; check the path"),
        ({"verbatim": {"passages": "missing.jsonl"}}, "missing.jsonl: no file there; check the path"),
        (
            {"verbatim": {"passages": "README.md"}},
            "README.md, item 0: no field 'text' (there: str); name the field in the recipe",
        ),
    ],
)
def test_what_makes_no_ablation_is_one_line_that_names_it(place: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refused:
        planned(written(place, **changes), place)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_nothing_can_be_measured_on_is_told_before_any_model_is_trained(place: Path) -> None:
    pages = str(place / "pages.jsonl")
    with pytest.raises(RequestError, match=r"pages\.jsonl, item 0: no field 'copies' \(there: text\)"):
        planned(written(place, verbatim={"passages": pages}), place)
    (place / "clean.jsonl").write_text('{"body": "one"}')
    with pytest.raises(RequestError, match=r"clean\.jsonl, item 0: no field 'text' \(there: body\)"):
        planned(written(place), place)


def test_sections_that_no_model_here_uses_need_not_fit(place: Path) -> None:
    small = ["pretrain.model.context=64", "tokens.sequence_length=64"]  # shorter than the recipe's conversations
    assert len(planned(written(place), place, *small)) == 2
    with pytest.raises(RequestError, match=r"tokens\.sequence_length is 256, more than"):
        planned(written(place), place, small[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- a list", "an ablation is a mapping, this is a list"),
        ("{", "not valid YAML"),
        (None, "no such file; an ablation is a YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "ablation.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RequestError, match=words):
        read_ablation(str(file))


def test_every_setting_says_what_it_is() -> None:
    for model in (Ablation, VerbatimSettings):
        assert [name for name, field in model.model_fields.items() if not field.description] == []
