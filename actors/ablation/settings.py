"""An ablation: one YAML file that says which models to train, how they differ, and what they are measured on."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cluster.errors import RequestError
from cluster.fields import Files
from cluster.recipe import explain
from cluster.strict_yaml import file_bytes, parse

RESULT = "measurement.json"  # in a measurement's artefact


class VerbatimSettings(BaseModel):
    """Passages that stood in the crawl so often, and how much of each a model is given and asked for.

    Lengths are in characters because variants may train tokenizers of their own: 50 tokens of one are not 50 of another.
    """

    model_config = ConfigDict(extra="forbid")

    passages: Files[str] = Field(
        description="JSONL of {text, copies} and, to tell passages of as many copies apart, {kind}; 0 copies: not planted"
    )
    prompt_characters: int = Field(
        200, ge=1, description="of a passage's beginning are given, up to the next blank (Carlini et al. 2023: 50 tokens)"
    )
    continuation_characters: int = Field(200, ge=1, description="behind it are compared (Carlini et al. 2023: 50 tokens)")


class MeasurementSettings(BaseModel):
    """What every model of an ablation is measured on."""

    model_config = ConfigDict(extra="forbid")

    clean: Files[list[str]] = Field(
        default_factory=list,
        description="files of text (JSONL with `text`, or plain): bits per byte of each model on it. What stands there is "
        "taken out of every variant's training text as `corpus.benchmarks` is",
    )
    verbatim: VerbatimSettings | None = Field(None, description="passages whose verbatim continuations are counted")

    def files(self) -> list[str]:
        return [*self.clean, *([self.verbatim.passages] if self.verbatim else [])]


class Ablation(MeasurementSettings):
    """Variants of one recipe. Settings are written as dotted keys, as `--set` has them."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="names the root and the report")
    recipe: str = Field("quickstart", description="shipped name or path: what all variants start from")
    set: dict[str, Any] = Field(default_factory=dict, description="settings of all variants")
    variants: dict[str, dict[str, Any]] = Field(min_length=2, description="by name, the settings that make the variant")
    seeds: list[int] = Field(
        default_factory=list,
        description="each variant is trained once with each `pretrain.seed`, and figures are means; empty: the recipe's alone",
    )

    @model_validator(mode="after")
    def something_is_measured(self) -> Ablation:
        if not self.files():
            raise ValueError("nothing is measured; give `clean`, `verbatim` or both")
        return self

    @property
    def measurement(self) -> MeasurementSettings:
        return MeasurementSettings(clean=self.clean, verbatim=self.verbatim)


def read_ablation(path: str) -> Ablation:
    """Raises RequestError, in one line that names the key, for anything that is not a valid ablation."""
    text = file_bytes(path, "no such file; an ablation is a YAML file with name, variants, and clean or verbatim")
    values = parse(text, f"ablation {path}")
    if not isinstance(values, dict):
        raise RequestError(f"ablation {path}: an ablation is a mapping, this is a {type(values).__name__}")
    try:
        return Ablation.model_validate(values)
    except ValidationError as error:
        raise RequestError(f"ablation {path}: {explain(error, Ablation)}") from error
