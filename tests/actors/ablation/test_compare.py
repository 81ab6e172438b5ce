"""Variants side by side, from what their artefacts hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.ablation.compare import Model, compare, publish
from actors.ablation.settings import RESULT
from cluster.store import Artefact, Manifest, Store


def artefact(store: Store, stage: str, key: str, counts: dict[str, Any], result: dict[str, Any] | None = None) -> Artefact:
    place = store.attempt(stage, key)
    if result is not None:
        (place / RESULT).write_json(result)
    return store.commit(place, Manifest(stage, key, {}, {}, [], "1", "0.1.0", 0, 2, 1, 0, "loom", counts=counts))


def model(store: Store, variant: str, seed: int, bits: float | None, shares: list[float]) -> Model:
    key = f"{variant}-{seed}"
    groups = [
        {"copies": copies, "kind": "", "passages": 2, "trained_on": 3, "verbatim": share, "matching_characters": 50 * share}
        for copies, share in zip((1, 100), shares, strict=False)
    ]
    passages = [
        {"copies": group["copies"], "kind": "", "prompt": "The tide", "continuation": " went out", "said": f" {key} {number}"}
        for group in groups
        for number in range(2)
    ]
    clean = None if bits is None else {"bits_per_byte": bits, "bytes": 10, "tokens": 3}
    sources = [{"trained": 30, "sequences": 20}, {"trained": 30, "sequences": 10}]
    return variant, {
        "tokens": artefact(store, "tokens", variant, {"train_documents": 7, "train_tokens": 900}),
        "base": artefact(store, "base", key, {"sources": sources}),
        "measurement": artefact(store, "measurement", key, {}, {"clean": clean, "verbatim": groups, "passages": passages}),
    }


def test_figures_of_a_variant_are_means_over_its_seeds_in_the_order_of_the_variants(tmp_path: Path) -> None:
    store = Store(tmp_path)
    figures = [("b", 0, 2.0, [0.0, 1.0]), ("b", 1, 3.0, [0.5, 1.0]), ("a", 0, 1.0, [0.0, 0.0]), ("a", 1, 1.5, [0.0, 0.5])]
    rows = compare([model(store, *each) for each in figures])
    assert [each["variant"] for each in rows] == ["b", "a"]
    assert rows[0]["models"] == ["b-0", "b-1"]
    assert rows[0]["clean"] == {"bits_per_byte": 2.5, "lowest": 2.0, "highest": 3.0}
    assert (rows[0]["documents"], rows[0]["tokens"], rows[0]["epochs"]) == (7, 900, 2.0)
    assert [[group["verbatim"] for group in each["verbatim"]] for each in rows] == [[0.25, 1.0], [0.0, 0.25]]
    assert rows[0]["verbatim"][0] == {
        "copies": 1,
        "kind": "",
        "passages": 2,
        "trained_on": 3,
        "verbatim": 0.25,
        "matching_characters": 12.5,
    }


@pytest.mark.parametrize(("bits", "shares"), [(2.0, [0.0, 1.0]), (None, [0.0, 1.0]), (2.0, [])])
def test_the_report_holds_what_was_measured_and_nothing_else(tmp_path: Path, bits: float | None, shares: list[float]) -> None:
    store = Store(tmp_path)
    rows, place = publish("x", [model(store, name, 0, bits, shares) for name in ("one", "two")], store)
    report = Path(place).read_text()
    assert (store.root / "ablations" / "x.json").read_json() == {"name": "x", "variants": rows}
    assert ("bits per byte: of text that none of them saw" in report) == (bits is not None)
    for said in ("100 copies · two", "1 copy", "two-0 1"):
        assert (said in report) == bool(shares)
    assert "measurement 2: two" in report
