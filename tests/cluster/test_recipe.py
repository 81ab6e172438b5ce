"""A recipe is right as a whole or refused in one line that names the key."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cluster.errors import RequestError
from cluster.recipe import load_recipe, recipe_model
from cluster.stage import Stage


class Training(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = Field(10, ge=1)
    rate: float = 0.1


NOTHING = f"{__name__}:never_run"


MODEL = recipe_model([Stage("base", "pretrain", Training, "1", NOTHING)])


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return str(path)


def refusal(source: str, *overrides: str) -> str:
    with pytest.raises(RequestError) as caught:
        load_recipe(MODEL, source, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_file_and_overrides_apply_in_that_order(tmp_path: Path) -> None:
    source = write(tmp_path, "name: mine\npretrain: {steps: 20}\n")
    assert load_recipe(MODEL, source).pretrain == Training(steps=20, rate=0.1)
    assert load_recipe(MODEL, source, ["pretrain.steps=30", "pretrain.rate=1e-2"]).pretrain.steps == 30
    assert load_recipe(MODEL, source).root_uri == "runs/mine"
    assert load_recipe(MODEL, source, ["root=s3://bucket/x"]).root_uri == "s3://bucket/x"


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "pretrain: {stepz: 3}")).endswith(
        "pretrain.stepz: unknown key; did you mean pretrain.steps?"
    )
    assert "qqq: unknown key; known here: cluster, name, pretrain" in refusal(write(tmp_path, "qqq: 1"))


def test_an_unknown_key_finds_the_known_one_in_lists_mappings_and_sections_that_may_be_null(
    tmp_path: Path,
) -> None:
    class Nested(BaseModel):
        model_config = ConfigDict(extra="forbid")
        listed: list[Training] = []
        named: dict[str, Training | None] = {}
        perhaps: Training | None = None

    model = recipe_model([Stage("base", "pretrain", Nested, "1", NOTHING)])
    for values, place in (
        ("listed: [{steps: 1}, {stepz: 3}]", "listed.1"),
        ("named: {one: {stepz: 3}}", "named.one"),
        ("perhaps: {stepz: 3}", "perhaps"),
    ):
        with pytest.raises(RequestError) as caught:
            load_recipe(model, write(tmp_path, f"pretrain: {{{values}}}"))
        key = f"pretrain.{place}.step"
        assert str(caught.value).endswith(f": {key}z: unknown key; did you mean {key}s?")


def test_a_wrong_type_or_bound_names_the_key_and_the_value(tmp_path: Path) -> None:
    assert "pretrain.steps: input should be a valid integer" in refusal(write(tmp_path, "pretrain: {steps: many}"))
    assert "'many'" in refusal(write(tmp_path, "pretrain: {steps: many}"))
    assert "pretrain.steps: input should be greater than or equal to 1, not 0" in refusal(
        write(tmp_path, ""), "pretrain.steps=0"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not valid YAML"), ("- 1\n- 2", "a recipe is a mapping of sections, this is a list")],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(write(tmp_path, text))


def test_a_missing_recipe_names_the_shipped_ones() -> None:
    assert "no such recipe file, nor a shipped recipe (" in refusal("nowhere.yaml")


@pytest.mark.parametrize("override", ["pretrain.steps", "=3", "name.x=1"])
def test_an_override_of_wrong_form_is_refused(tmp_path: Path, override: str) -> None:
    assert f"--set {override}:" in refusal(write(tmp_path, "name: n"), override)


def test_a_recipe_that_is_not_utf8_is_told_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "latin.yaml"
    source.write_bytes(b"name: caf\xe9\n")
    assert "latin.yaml: not valid YAML: unacceptable character" in refusal(str(source))
