"""The model card of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def figures(value: Any, name: str = "") -> Iterator[tuple[str, float | str | bool]]:
    """The single figures of nested results as (dotted name, value); lists are left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from figures(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (int, float, str, bool)):
        yield name, value


def markdown_table(columns: list[str], rows: list[list[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


BODY = """\
# {name}

{summary}

Made by pageloom on {date}: pretrained from random weights on the pages of its corpus, fine-tuned and aligned.
What it says is no better than the pages it read.

## Data

{data}

## Evaluation

{evaluation}

## How it was made

{stages}

The same settings over the same inputs give the same key; equal digests mean equal bytes.
`release.json` holds every stage's settings, save what is private, and the versions that made it.

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this/directory")
tokenizer = AutoTokenizer.from_pretrained("this/directory")  # holds the chat template
```
"""

SPOKEN = 0.01  # share of the kept pages from which on a language is the model's
HELD_OUT = ("pageloom-held-out", "held-out pages of its own corpus")
PROMPTS = ("pageloom-held-out-prompts", "held-out prompts, by its own judge")


def model_card(record: Mapping[str, Any]) -> str:
    """The model card in the form that model hubs read: YAML front matter with the figures, then Markdown."""
    from huggingface_hub import ModelCard, ModelCardData

    made = {each["stage"]: each for each in record["lineage"]}
    data = ModelCardData(
        model_name=record["name"],
        language=languages(made.get("pages")) or None,
        license=record["licence"] or "unknown",
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["pageloom"],
        datasets=record["datasets"] or None,
        eval_results=results(record["evaluation"]) or None,
    )
    stages = [[each["stage"], counts(each["counts"]), each["key"], each["digest"]] for each in record["lineage"]]
    body = BODY.format(
        name=record["name"],
        summary=record["summary"] or "A small language model.",
        date=record["date"][:10],
        data=sources(made.get("crawl")),
        evaluation=markdown_table(["figure", "value"], [[*pair] for pair in figures(record["evaluation"])]),
        stages=markdown_table(["stage", "counts", "key", "digest"], stages),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}", ignore_metadata_errors=False))


def languages(pages: Mapping[str, Any] | None) -> list[str]:
    """Those that the recipe keeps; where it keeps all, those of at least SPOKEN of the pages."""
    if pages is None:
        return []
    found = pages["counts"].get("languages", {})
    kept = (pages["settings"].get("language") or {}).get("keep")
    return kept or sorted(name for name, number in found.items() if number >= SPOKEN * sum(found.values()))


def results(evaluation: Mapping[str, Any]) -> list[Any]:
    """The figures of the model itself, for the card's model-index."""
    from huggingface_hub import EvalResult

    told = [
        (HELD_OUT, "bits_per_byte", "bits per byte", evaluation.get("bits_per_byte", {}).get("aligned")),
        (PROMPTS, "reward", "mean reward", evaluation.get("reward", {}).get("aligned")),
    ]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=kind,
            dataset_name=name,
            metric_type=metric,
            metric_name=words,
            metric_value=value,
        )
        for (kind, name), metric, words, value in told
        if value is not None
    ]


def sources(crawl: Mapping[str, Any] | None) -> str:
    """What it was made from, by the names of the sources: places are private."""
    settings = crawl["settings"] if crawl else {}
    if named := [source["name"] for source in settings.get("sources", [])]:
        return "Pages and texts of " + ", ".join(named) + "."
    if crawl and crawl["external"]:
        return "Pages and texts that were there already."
    return "Pages of Python's own documentation server." if settings.get("pydoc") else "Pages of its own crawl."


def counts(values: Mapping[str, Any]) -> str:
    """The numbers that a stage tells of itself, without the nested ones."""
    return "; ".join(f"{name} {cell(value)}" for name, value in values.items() if not isinstance(value, Mapping))
