import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Artefact, Manifest, Store
from serving.card import cell, figures, model_card
from serving.release import ReleaseSettings, publish
from serving.stages import STAGES

WEIGHTS = os.urandom(3_000_000)


def commit(store: Store, stage: str, key: str, parents: dict[str, str], files: dict[str, bytes], **counts: float) -> Artefact:
    place = store.attempt(stage, key)
    for name, data in files.items():
        (place / name).write_bytes(data)
    facts = {"version": "1", "pageloom": "0", "started": 0.0, "seconds": 1.0, "work_seconds": 1.0, "peak_memory_bytes": 1}
    return store.commit(place, Manifest(stage, key, {"of": stage}, parents, [], host="h", counts=counts, **facts))


def line(store: Store) -> dict[str, Artefact]:
    """Every ancestor of a release, in the order that the stage asks for."""
    files = {
        "aligned": {"config.json": b"{}", "model.safetensors": WEIGHTS, "metrics.jsonl": b'{"step": 1}\n'},
        "evaluation": {"evaluation.json": b'{"bits_per_byte": {"base": 2.5, "bigram": 3.25}, "curve": [1, 2]}'},
    }
    made: dict[str, Artefact] = {}
    for name in STAGES[0].needs:
        parents = {earlier: artefact.key for earlier, artefact in list(made.items())[-1:]}
        made[name] = commit(store, name, f"key-of-{name}", parents, files.get(name, {"data": name.encode()}), rows=7)
    return made


def publish_into(store: Store) -> tuple[Context, dict]:
    silent = SimpleNamespace(progress=lambda *_: None, worked=lambda *_: None)
    output = store.attempt("release", "k")
    settings = ReleaseSettings(name="loomling", summary="Answers questions on modules.")
    ctx = Context(settings, ClusterSettings(), line(store), [], output, output / WORK, silent, "logs")  # type: ignore[arg-type]
    publish(ctx)
    return ctx, (output / "release.json").read_json()


def test_a_release_is_the_aligned_model_byte_for_byte_without_its_metrics(tmp_path: Path) -> None:
    ctx, _ = publish_into(Store(tmp_path))
    assert ctx.output.files() == ["README.md", "config.json", "model.safetensors", "release.json"]
    assert (ctx.output / "model.safetensors").read_bytes() == WEIGHTS


def test_a_release_is_made_on_an_object_store_without_a_local_copy(s3_root: str) -> None:
    ctx, _ = publish_into(Store(s3_root))
    assert (ctx.output / "model.safetensors").read_bytes() == WEIGHTS


def test_lineage_names_every_ancestor_by_key_digest_settings_and_parents(tmp_path: Path) -> None:
    _, record = publish_into(Store(tmp_path))
    assert [each["stage"] for each in record["lineage"]] == [
        *("crawl", "pages", "dedup", "corpus", "tokenizer", "tokens"),
        *("base", "assistant", "judge", "aligned", "evaluation"),
    ]
    for each in record["lineage"]:
        artefact = Store(tmp_path).artefact(each["stage"], each["key"])
        assert artefact is not None
        assert each["digest"] == artefact.digest
        assert each["settings"] == {"of": each["stage"]}
    parents = {each["stage"]: each["parents"] for each in record["lineage"]}
    assert parents["pages"] == {"crawl": "key-of-crawl"}
    assert record["evaluation"]["bits_per_byte"] == {"base": 2.5, "bigram": 3.25}


def test_changing_any_ancestor_changes_the_release() -> None:
    assert len(STAGES) == 1
    assert set(STAGES[0].needs) >= {"aligned", "evaluation", "crawl"}


def test_the_model_card_opens_with_front_matter_and_holds_the_figures(tmp_path: Path) -> None:
    _, record = publish_into(Store(tmp_path))
    _, front, body = model_card(record).split("---\n", 2)
    assert yaml.safe_load(front) == {"library_name": "transformers", "pipeline_tag": "text-generation"}
    assert body.strip().startswith("# loomling\n\nAnswers questions on modules.")
    assert "| bits_per_byte.base | 2.5 |" in body
    assert "| aligned | rows 7 | key-of-aligned |" in body


def test_figures_of_nested_results_are_dotted_and_lists_left_out() -> None:
    nested = json.loads('{"a": {"b": 1, "c": {"d": "x"}}, "e": [1, 2], "f": null, "g": true}')
    assert list(figures(nested)) == [("a.b", 1), ("a.c.d", "x"), ("g", True)]


@pytest.mark.parametrize(("value", "text"), [("a|b", "a\\|b"), ("two\nlines", "two lines"), (0.123456, "0.1235"), (7, "7")])
def test_a_cell_cannot_break_its_table(value: object, text: str) -> None:
    assert cell(value) == text
