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


CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{summary}

Made by pageloom on {date}: pretrained from random weights on the pages of its corpus, fine-tuned and aligned.
What it says is no better than the pages it read.

## Evaluation

{evaluation}

## How it was made

{stages}

The same settings over the same inputs give the same key; equal digests mean equal bytes.
`release.json` holds every stage's settings.

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this/directory")
tokenizer = AutoTokenizer.from_pretrained("this/directory")  # holds the chat template
```
"""


def model_card(record: Mapping[str, Any]) -> str:
    """The model card in the form that model hubs read: YAML front matter, then Markdown."""
    stages = [
        [
            each["stage"],
            "; ".join(f"{name} {cell(value)}" for name, value in figures(each["counts"])),
            each["key"],
            each["digest"],
        ]
        for each in record["lineage"]
    ]
    return CARD.format(
        name=record["name"],
        summary=record["summary"] or "A small language model.",
        date=record["date"][:10],
        evaluation=markdown_table(["figure", "value"], [[*pair] for pair in figures(record["evaluation"])]),
        stages=markdown_table(["stage", "counts", "key", "digest"], stages),
    )
