"""A recipe is right as a whole or refused in one line that names the key."""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cluster.annotated import annotated
from cluster.errors import RequestError
from cluster.recipe import default_recipe, load_recipe, recipe_model, recipe_text, shipped_recipes
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


def test_a_section_with_nothing_in_it_is_one_of_defaults(tmp_path: Path) -> None:
    assert load_recipe(MODEL, write(tmp_path, "name: n\npretrain:\n  # steps: 3\n")).pretrain == Training()


def test_a_key_written_twice_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "pretrain: {steps: 7}\nname: n\npretrain: {rate: 1}\n"))
    assert message.endswith("r.yaml: line 3: pretrain is written twice; keep one of them")


def test_without_a_name_pages_of_ones_own_take_web_and_looking_takes_what_changed_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_recipe(None, looking=False) == default_recipe(None, looking=True) == "quickstart"
    assert default_recipe(["x"], looking=False) == default_recipe(["x"], looking=True) == "web"
    for name, changed in (("quickstart", 1), ("web", 2)):
        Path("runs", name).mkdir(parents=True)
        os.utime(Path("runs", name), (changed, changed))
    assert default_recipe(None, looking=True) == "web"
    assert default_recipe(None, looking=False) == "quickstart"  # who says only `run` means the quickstart
    os.utime("runs/quickstart", (3, 3))
    assert default_recipe(None, looking=True) == "quickstart"


def test_a_recipe_written_out_in_full_loads_as_the_same_and_says_what_each_key_means(tmp_path: Path) -> None:
    class Item(BaseModel):
        name: str = "x"

    class Group(BaseModel):
        """Things that belong together.

        More of them.
        """

        text: str = Field("a: [b] # c\n\nd", description="any text")
        many: list[str] = Field([f"word {number}" for number in range(40)], description="a long list")
        items: list[Item] = Field([Item(name="[/b]"), Item(name="ü: é")], description="of sections")
        named: dict[str, Item | None] = Field({"a.b": None, "1": Item()}, description="by name")
        nothing: float | None = Field(None, description=f"long {'word ' * 60}")
        pair: tuple[float, float] = Field((0.5, 1e-8), description="two")

    class Outer(BaseModel):
        """A section."""

        group: Group = Field(default_factory=Group)
        steps: int = Field(3, description="how often")

    model = recipe_model([Stage("base", "pretrain", Outer, "1", NOTHING)])
    text = annotated(model(name="n"))
    assert load_recipe(model, write(tmp_path, text)).model_dump() == model(name="n").model_dump()
    assert "\n# A section.\npretrain:\n  # Things that belong together.\n  group:\n    # any text\n    text:" in text
    assert "\n  # how often\n  steps: 3\n" in text
    assert "More of them" not in text
    assert "\n    many:\n    - word 0\n" in text  # too long for one line


def test_shipped_recipes_explain_themselves_and_are_named_after_their_files() -> None:
    assert shipped_recipes() == ("quickstart", "web")
    for name in shipped_recipes():
        text = recipe_text(name).decode()
        assert text.startswith("# ")
        assert f"\nname: {name}\n" in text
