import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from cluster.errors import RequestError, WorkError
from cluster.recipe import load_recipe
from cluster.settings import ClusterSettings
from cluster.stage import Context
from cluster.store import WORK, Artefact, Manifest, Store
from pageloom import line
from serving.card import cell, figures, model_card
from serving.engine.app import released_name
from serving.release import ReleaseSettings, ancestors, publish
from serving.stages import STAGES

SECRETS = {
    "bucket": "our-secret-bucket",
    "directory": "home-of-jane",
    "contact": "jane@private.example",
    "password": "hunter2hunter2",
    "token": "tok-3f9a",
    "inner": "intranet-path",
    "host": "janes-laptop",
}
WEIGHTS = os.urandom(3_000_000)


LINE = line()
ORDER = [stage.name for stage in LINE.stages if stage.name != "release"]


def commit(store: Store, stage: str, files: dict[str, bytes], recipe: Any, external: list[dict[str, Any]]) -> Artefact:
    """An artefact of the real line: its parents are what it needs, its key says which it is."""
    place = store.attempt(stage, f"key-of-{stage}")
    for name, data in files.items():
        (place / name).write_bytes(data)
    declared = LINE.stage(stage, "")
    facts = {"version": "1", "pageloom": "0", "started": 0.0, "seconds": 1.0, "work_seconds": 1.0, "peak_memory_bytes": 1}
    settings = getattr(recipe, declared.section).model_dump(mode="json")
    parents = {need: f"key-of-{need}" for need in declared.needs}
    counts = {"rows": 7, "note": f"made in {SECRETS['directory']}", "languages": {"en": 90, "de": 9, "fr": 1}}
    manifest = Manifest(stage, f"key-of-{stage}", settings, parents, external, host=SECRETS["host"], counts=counts, **facts)
    return store.commit(place, manifest)


def make_line(store: Store, *overrides: str) -> dict[str, Artefact]:
    """Every ancestor of a release."""
    recipe = load_recipe(LINE.model, "quickstart", overrides)
    files = {
        "aligned": {"config.json": b"{}", "model.safetensors": WEIGHTS, "metrics.jsonl": b'{"step": 1}\n'},
        "evaluation": {"evaluation.json": b'{"bits_per_byte": {"base": 2.5, "aligned": 3.25}, "curve": [1, 2]}'},
    }
    place = f"s3://{SECRETS['bucket']}/{SECRETS['directory']}/a.warc"
    external = [{"uri": place, "pattern": place, "name": "a.warc", "bytes": 3, "modified": 1, "digest": "d"}]
    return {name: commit(store, name, files.get(name, {"data": name.encode()}), recipe, external) for name in ORDER}


def publish_into(store: Store, *overrides: str, **settings: Any) -> tuple[Context, dict]:
    silent = SimpleNamespace(progress=lambda *_: None, worked=lambda *_: None)
    output = store.attempt("release", "k")
    asked = ReleaseSettings(name="loomling", summary="Answers questions on modules.", **settings)
    made = make_line(store, *overrides)
    inputs = {need: made[need] for need in STAGES[0].needs}
    ctx = Context(asked, ClusterSettings(), inputs, [], output, output / WORK, silent, "logs", store.root)  # type: ignore[arg-type]
    publish(ctx)
    return ctx, (output / "release.json").read_json()


def test_a_release_is_the_aligned_model_byte_for_byte_without_its_metrics(tmp_path: Path) -> None:
    ctx, _ = publish_into(Store(tmp_path))
    made = [name for name in ctx.output.files() if not name.startswith(f"{WORK}/")]
    assert made == ["README.md", "config.json", "model.safetensors", "release.json"]
    assert (ctx.output / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.slow
def test_a_release_is_made_on_an_object_store_without_a_local_copy(s3_root: str) -> None:
    ctx, _ = publish_into(Store(s3_root))
    assert (ctx.output / "model.safetensors").read_bytes() == WEIGHTS


def test_lineage_names_every_stage_behind_a_release_after_its_own_parents(tmp_path: Path) -> None:
    _, record = publish_into(Store(tmp_path))
    named = [each["stage"] for each in record["lineage"]]
    assert sorted(named) == sorted(ORDER)  # records and classifiers too, which nobody lists
    for each in record["lineage"]:
        artefact = Store(tmp_path).artefact(each["stage"], each["key"])
        assert artefact is not None
        assert each["digest"] == artefact.digest
        assert all(named.index(parent) < named.index(each["stage"]) for parent in each["parents"])
    of = {each["stage"]: each for each in record["lineage"]}
    assert of["pages"]["parents"] == {"records": "key-of-records", "classifiers": "key-of-classifiers"}
    assert of["records"]["settings"]["rights"]["refuse"][0] == "block_list"
    assert record["evaluation"]["bits_per_byte"] == {"base": 2.5, "aligned": 3.25}


def test_a_lineage_with_a_gap_is_no_release(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = make_line(store)
    made["records"].place.delete()
    with pytest.raises(WorkError, match="records key-of-records, which classifiers comes from, is not there; run again"):
        ancestors([made["aligned"]], store)


def test_nothing_private_is_in_any_file_of_a_release(tmp_path: Path) -> None:
    root = tmp_path / SECRETS["directory"]
    place = f"s3://{SECRETS['bucket']}/{SECRETS['directory']}"
    _, record = publish_into(
        Store(root),
        f"crawl.contact={SECRETS['contact']}",
        f"crawl.seeds=['https://user:{SECRETS['password']}@h.example/?key={SECRETS['token']}']",
        f"crawl.exclude=['{SECRETS['inner']}']",
        f"crawl.sources=[{{name: books, input: ['{place}/*.warc']}}]",
        f"crawl.input=['{place}/pages/']",
        f"records.rights.block_lists=['{place}/list.txt']",
        f"classifiers.toxicity.labelled=[{{file: '{place}/labels.csv', bad: [1]}}]",
        f"dedup.against=['{place}/dedup/abc']",
        f"corpus.benchmarks=['{place}/b.jsonl']",
        f"sft.files=['{place}/chats.jsonl']",
    )
    directory = root / "release" / "k" / "000001"
    files = [file for file in directory.rglob("*") if file.is_file() and WORK not in file.parts]
    assert len(files) == 4
    for file in files:
        for kind, secret in SECRETS.items():
            assert secret.encode() not in file.read_bytes(), f"{kind} in {file.name}"
    of = {each["stage"]: each for each in record["lineage"]}
    assert of["crawl"]["settings"]["sources"][0]["name"] == "books"
    assert of["crawl"]["external"] == [{"name": "a.warc", "bytes": 3, "digest": "d"}]


def test_the_model_card_opens_with_what_hubs_read(tmp_path: Path) -> None:
    _, record = publish_into(Store(tmp_path), licence="apache-2.0", datasets=["owner/data"])
    text = model_card(record)
    card = ModelCard(text)
    assert card.data.license == "apache-2.0"
    assert card.data.language == ["en"]
    assert card.data.datasets == ["owner/data"]
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "text-generation")
    assert card.data.model_name == "loomling"
    [result] = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("bits_per_byte", 3.25)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["model-index"][0]["name"] == "loomling"
    assert card.text.strip().startswith("# loomling\n\nAnswers questions on modules.")
    assert "| bits_per_byte.base | 2.5 |" in card.text
    assert "| aligned | rows 7 | key-of-aligned |" in card.text


def test_a_model_whose_recipe_keeps_every_language_speaks_those_of_a_hundredth_of_its_pages(tmp_path: Path) -> None:
    _, record = publish_into(Store(tmp_path), "pages.language.keep=[]")
    assert ModelCard(model_card(record)).data.language == ["de", "en", "fr"]
    for each in record["lineage"]:
        each["counts"]["languages"] = {"en": 995, "fr": 5}
    assert ModelCard(model_card(record)).data.language == ["en"]


def test_the_endpoint_calls_the_model_as_its_card_does(tmp_path: Path) -> None:
    ctx, record = publish_into(Store(tmp_path))
    assert released_name(ctx.output) == record["name"] == "loomling"
    (ctx.output / "release.json").delete()
    with pytest.raises(RequestError, match=r"no release\.json, so no release; name the directory that one was copied to"):
        released_name(ctx.output)


def test_figures_of_nested_results_are_dotted_and_lists_left_out() -> None:
    nested = json.loads('{"a": {"b": 1, "c": {"d": "x"}}, "e": [1, 2], "f": null, "g": true}')
    assert list(figures(nested)) == [("a.b", 1), ("a.c.d", "x"), ("g", True)]


@pytest.mark.parametrize(("value", "text"), [("a|b", "a\\|b"), ("two\nlines", "two lines"), (0.123456, "0.1235"), (7, "7")])
def test_a_cell_cannot_break_its_table(value: object, text: str) -> None:
    assert cell(value) == text
