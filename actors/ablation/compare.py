"""All variants of an ablation side by side: figures for programs, blocks for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from actors.ablation.settings import RESULT
from cluster.report.blocks import Bars, Block, Headline, Samples, Table
from cluster.report.render import render
from cluster.store import Artefact, Store

SHOWN = 8  # passages whose continuations the report shows
SHOWN_CHARACTERS = 120  # of a prompt, its end


Model = tuple[str, Mapping[str, Artefact]]  # a variant's name, the artefacts of one of its models by stage


def publish(name: str, models: Sequence[Model], store: Store) -> tuple[list[dict[str, Any]], str]:
    """Write ROOT/ablations/NAME.html and, with the same figures, NAME.json; returns the figures and the report's place."""
    rows = compare(models)
    first = {variant: artefacts["measurement"] for variant, artefacts in reversed(models)}
    passages = [(first[row["variant"]].location / RESULT).read_json()["passages"] for row in rows]
    told = [
        {**artefacts[stage].manifest, "stage": f"{stage} {number}: {variant}"}
        for number, (variant, artefacts) in enumerate(models, 1)
        for stage in ("base", "measurement")
    ]
    place = store.root / "ablations" / f"{name}.html"
    place.write_bytes(render(name, told, blocks(rows, passages), kind="ablation").encode())
    (store.root / "ablations" / f"{name}.json").write_json({"name": name, "variants": rows})
    return rows, str(place)


def compare(runs: Sequence[Model]) -> list[dict[str, Any]]:
    """A row a variant, in the order given; figures are means over its seeds."""
    variants = dict.fromkeys(name for name, _ in runs)
    return [row(variant, [artefacts for name, artefacts in runs if name == variant]) for variant in variants]


def row(variant: str, models: Sequence[Mapping[str, Artefact]]) -> dict[str, Any]:
    measured = [(each["measurement"].location / RESULT).read_json() for each in models]
    tokens, base = models[0]["tokens"].counts, models[0]["base"].counts
    sources = base["sources"]
    bits = [each["clean"]["bits_per_byte"] for each in measured if each["clean"]]
    return {
        "variant": variant,
        "models": [each["base"].key for each in models],
        "documents": tokens["train_documents"],
        "tokens": tokens["train_tokens"],
        "epochs": sum(each["trained"] for each in sources) / sum(each["sequences"] for each in sources),
        "clean": {"bits_per_byte": fmean(bits), "lowest": min(bits), "highest": max(bits)} if bits else None,
        "verbatim": [mean_group(each) for each in zip(*(each["verbatim"] for each in measured), strict=True)],
    }


def mean_group(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same passages as several models continue them."""
    means = ("trained_on", "verbatim", "matching_characters")
    return {name: fmean(each[name] for each in rows) if name in means else value for name, value in rows[0].items()}


def label(group: Mapping[str, Any]) -> str:
    copies = f"{group['copies']} {'copy' if group['copies'] == 1 else 'copies'}"
    return f"{copies}, {group['kind']}" if group["kind"] else copies


def blocks(rows: Sequence[Mapping[str, Any]], measured: Sequence[Sequence[Mapping[str, Any]]]) -> list[Block]:
    """What the report says first. measured: for each variant the passages of `measurement.json`, of its first seed."""
    told: list[Block] = [variants_table(rows)]
    if rows[0]["clean"]:
        told += [
            Headline(label=f"bits per byte, {each['variant']}", value=each["clean"]["bits_per_byte"], note="of clean text")
            for each in rows
        ]
    if rows[0]["verbatim"]:
        told += [
            Bars(
                title="Passages continued word for word",
                labels=[f"{label(group)} · {each['variant']}" for each, group in by_group(rows)],
                values=[100 * group["verbatim"] for _, group in by_group(rows)],
                unit="% of the passages",
                note="greedy continuation of a passage's beginning (Carlini et al. 2023); copies: as planted",
            ),
            group_table("Share of passages continued word for word", "verbatim", rows),
            group_table("Characters of the continuation that match, mean", "matching_characters", rows),
            group_table("Training documents that hold the passage word for word, mean", "trained_on", rows),
            side_by_side(rows, measured),
        ]
    return told


def by_group(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(variant's row, group), the variants of a group together."""
    return [(each, each["verbatim"][at]) for at in range(len(rows[0]["verbatim"])) for each in rows]


def variants_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    clean = {"bits per byte": "bits_per_byte"} if rows[0]["clean"] else {}
    if clean and len(rows[0]["models"]) > 1:
        clean |= {"lowest of the seeds": "lowest", "highest": "highest"}
    return Table(
        title="Variants",
        columns=["variant", "models", "training documents", "tokens there", "epochs", *clean],
        rows=[
            [
                each["variant"],
                len(each["models"]),
                each["documents"],
                each["tokens"],
                round(each["epochs"], 2),
                *(each["clean"][name] for name in clean.values()),
            ]
            for each in rows
        ],
        note="bits per byte: of text that none of them saw; lower is better" if clean else "",
    )


def group_table(title: str, figure: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        title=title,
        columns=["planted", "passages", *(each["variant"] for each in rows)],
        rows=[
            [label(group), group["passages"], *(each["verbatim"][at][figure] for each in rows)]
            for at, group in enumerate(rows[0]["verbatim"])
        ],
    )


def side_by_side(rows: Sequence[Mapping[str, Any]], measured: Sequence[Sequence[Mapping[str, Any]]]) -> Samples:
    """The first passages of each group, as every variant goes on with them."""
    first = measured[0]
    groups = [[at for at, each in enumerate(first) if label(each) == label(group)] for group in rows[0]["verbatim"]]
    chosen = [at for turn in range(SHOWN) for group in groups[::-1] for at in group[turn : turn + 1]][:SHOWN]
    return Samples(
        title="How the models go on",
        columns=["planted", "prompt", "true", *(each["variant"] for each in rows)],
        rows=[
            [
                label(first[at]),
                "…" + first[at]["prompt"][-SHOWN_CHARACTERS:],
                first[at]["continuation"],
                *(each[at]["said"] for each in measured),
            ]
            for at in chosen
        ],
        note="the first passages of each group, most copies first, not chosen",
    )
