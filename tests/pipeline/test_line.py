"""The stages from crawl to tokens on a real Ray, through the runner that `pageloom run` uses."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from transformers import AutoTokenizer

from cluster.attempts import BEGUN
from cluster.errors import RequestError, WorkError
from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.recipe import load_recipe, read_recipe, recipe_model
from cluster.run import Run as OneRun
from cluster.run import run_plan
from cluster.session import Session
from cluster.store import Artefact, Store, shard_records
from cluster.track.console import RunConsole
from pipeline.dedup.decisions import all_dropped
from pipeline.provenance.trace import Training, trace_page
from pipeline.rights.forget import entry, remember
from pipeline.stages import STAGES
from pipeline.tokens.index import INDEX, TokenIndex
from pipeline.tokens.reader import TokenReader

pytestmark = pytest.mark.slow

Run = Callable[..., dict[str, Artefact]]


@pytest.fixture
def run(session: Session, tmp_path: Path) -> Run:
    """Bring a root up to a stage, with the quickstart recipe changed by `key=value`."""

    def run(root: str | Path, until: str, *changes: str) -> dict[str, Artefact]:
        recipe = load_recipe(recipe_model(STAGES), str(tmp_path / "recipe.yaml"), [*changes, "tracking.wandb=disabled"])
        store, quiet = Store(root), RunConsole(Console(quiet=True))
        plan = make_plan(recipe, STAGES, store, until)
        with lock_root(store.root) as held:
            return run_plan(plan, OneRun(recipe, store, session, quiet, tmp_path / "logs"), held)

    # The shipped recipe without the sections of other folders' stages.
    sections = {stage.section for stage in STAGES}
    recipe = {name: value for name, value in read_recipe("quickstart").items() if name in sections}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return run


def digests(artefacts: dict[str, Artefact]) -> dict[str, str]:
    return {name: artefact.digest for name, artefact in artefacts.items()}


def rows(artefact: Artefact, prefix: str) -> list[dict[str, Any]]:
    places = [place for place in artefact.paths(".parquet") if place.name.startswith(prefix)]
    return [row for place in places for row in pq.read_table(place.open()).to_pylist()]


def test_pydoc_pages_become_tokens_and_can_be_traced_back(run: Run, tmp_path: Path, free_port: int) -> None:
    changes = [f"crawl.pydoc.port={free_port}", "crawl.max_pages=60", "tokenizer.vocabulary=1024", "records.task_mb=0.05"]
    artefacts = run(tmp_path / "root", "tokens", *changes)
    counts = {name: artefact.counts for name, artefact in artefacts.items()}

    fetches = rows(artefacts["crawl"], "fetches")
    assert sum(row["reason"] == "ok" for row in fetches) == counts["crawl"]["pages"] == 60
    assert len({row["url"] for row in fetches}) == len(fetches)
    pages = rows(artefacts["pages"], "part")
    assert len(pages) == 61  # and robots.txt
    assert counts["pages"]["kept"] + sum(counts["pages"]["rejected"].values()) == counts["pages"]["records"] == 61
    kept = [row for row in pages if row["status"] == "kept"]
    assert len(kept) > 40
    decisions = [row for table in all_dropped(artefacts["dedup"]) for row in table.to_pylist()]
    assert {row["doc_id"] for row in decisions} < {row["doc_id"] for row in kept}
    train, heldout = rows(artefacts["corpus"], "train"), rows(artefacts["corpus"], "heldout")
    assert len(train) + len(heldout) == len(kept) - len(decisions) == counts["dedup"]["kept"]
    assert len(heldout) >= 4
    assert not {row["doc_id"] for row in train} & {row["doc_id"] for row in heldout}

    # A page of the documentation keeps its text, and its tokens say the same.
    itertools = next(row for row in [*train, *heldout] if row["url"].endswith("/itertools.html"))
    assert itertools["text"].startswith("itertools\n\nFunctional tools for creating and using iterators.")
    assert "Module Index" not in itertools["text"]
    page = train[0]
    tokens = Path(artefacts["tokens"].location.path)
    tokenizer = AutoTokenizer.from_pretrained(artefacts["tokenizer"].location.path)
    reader = TokenReader(tokens, "train", seed=1)
    trace = trace_page(page["url"], artefacts, Training(steps=10, global_batch=8, seed=1))
    assert trace.fetch is not None
    assert trace.fetch.reason == "ok"
    (fate,) = trace.pages
    assert fate.split == "train"
    shards = json.loads((tokens / "tokens.json").read_text())["splits"]["train"]
    names = [shard["name"] for shard in shards if shard["sequences"]]
    ids: list[int] = []
    for place in fate.sequences:
        sequence = int(reader.firsts[names.index(place.shard)]) + place.sequence
        ids += reader.read([sequence])[0][place.start : place.end].tolist()
        for step in place.steps:
            assert sequence in reader.sequence_ids(step, 8)
    assert page["text"].startswith(tokenizer.decode(ids).removesuffix("<|endoftext|>"))

    # Nothing is done twice, and only what a change reaches is done again.
    again = run(tmp_path / "root", "tokens", *changes, "tokens.sequence_length=128")
    assert {name for name in again if again[name].key != artefacts[name].key} == {"tokens"}
    assert all(again[name].manifest == artefacts[name].manifest for name in again if name != "tokens")


WORDS = "the boat and harbour of that winter was quiet to be with snow have tide light stone letter woman pilot rock"


def made_pages(number: int) -> list[tuple[str, str]]:
    """Pages of made-up English that differ from each other."""
    chance = random.Random(7)

    def sentence() -> str:
        return " ".join(chance.choices(WORDS.split(), k=11)).capitalize() + "."

    def paragraph() -> str:
        return "<p>" + " ".join(sentence() for _ in range(6)) + "</p>"

    return [(f"http://h/{each}", "".join(paragraph() for _ in range(8))) for each in range(number)]


def test_a_killed_actor_and_a_killed_driver_leave_the_bytes_as_they_would_have_been(
    run: Run, session: Session, tmp_path: Path, make_warc: Callable[..., Path]
) -> None:
    archive = make_warc(*made_pages(240))
    changes = [f"crawl.input=[{archive}]", "records.task_mb=0.02"]
    undisturbed = run(tmp_path / "undisturbed", "records", *changes)
    assert undisturbed["records"].counts["with_text"] > 200

    # One actor of the pool is killed as soon as a shard is there.
    attempt = Store(tmp_path / "killed").place("records", undisturbed["records"].key) / "000001"
    killed = threading.Event()

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not shard_records(attempt) and time.monotonic() < deadline:
            time.sleep(0.01)
        for process in psutil.Process().children(recursive=True):
            if process.name().startswith("ray::MapWorker"):
                process.kill()
                killed.set()
                return

    killer = threading.Thread(target=kill)
    killer.start()
    disturbed = run(tmp_path / "killed", "records", *changes)
    killer.join()
    assert killed.is_set()
    assert digests(disturbed) == digests(undisturbed)

    # What a killed driver leaves: shards with and without their records, and no artefact.json.
    shutil.copytree(tmp_path / "undisturbed", tmp_path / "resumed")
    place = Store(tmp_path / "resumed").root / "records" / undisturbed["records"].key
    manifest = (place / "artefact.json").read_json()
    (place / "artefact.json").delete()
    attempt = place / manifest["attempt"]
    (attempt / BEGUN).write_json({})
    for index, file in enumerate(file for file in manifest["files"] if file["path"].startswith("part-")):
        if index % 2 == 0:
            counts = {"records": 0, "kept": 0, "rejected": {}, "about": 0, "unreadable": {}, "set_aside": []}
            record = {"path": file["path"], "bytes": file["bytes"], "digest": file["digest"], "counts": counts}
            (attempt / "_work" / "shards" / f"{index:06d}.json").write_json(record)
    resumed = run(tmp_path / "resumed", "records", *changes)
    assert digests(resumed) == digests(undisturbed)
    # The recorded shards were not read again: their (made-up) counts are what the ledger adds up.
    assert 0 < resumed["records"].counts["records"] < undisturbed["records"].counts["records"]


def test_two_sources_keep_their_weights_from_their_files_to_every_batch(
    run: Run, tmp_path: Path, make_warc: Callable[..., Path]
) -> None:
    pages = made_pages(90)
    web = make_warc(*pages[:70])
    (tmp_path / "books").mkdir()
    for number, (_, html) in enumerate(pages[70:]):
        (tmp_path / f"books/{number:02d}.txt").write_text(html.replace("<p>", "").replace("</p>", "\n\n"))
    sources = f"[{{name: web, input: [{web}], weight: 1}}, {{name: books, input: [{tmp_path}/books], weight: 3}}]"
    changes = [f"crawl.sources={sources}", "crawl.pydoc=null", "tokenizer.vocabulary=300", "tokens.sequence_length=64"]
    artefacts = run(tmp_path / "root", "tokens", *changes)
    documents = {row["doc_id"]: row["source"] for row in rows(artefacts["corpus"], "train")}
    counted = artefacts["corpus"].counts["sources"]
    assert {name: each["documents"] for name, each in counted.items()} == {"books": 20, "web": 70}
    heldout = rows(artefacts["corpus"], "heldout")
    assert len(documents) + len(heldout) == 90

    reader = TokenReader(Path(artefacts["tokens"].location.path), "train", seed=1)
    index = TokenIndex.model_validate((artefacts["tokens"].location / INDEX).read_json())
    firsts, owner = index.first_sequences("train"), dict[int, str]()
    for span in rows(artefacts["tokens"], "spans"):
        if span["shard"] in firsts:
            assert (
                owner.setdefault(firsts[span["shard"]] + span["sequence"], documents[span["doc_id"]])
                == documents[span["doc_id"]]
            )
    assert len(owner) == reader.count
    for step in range(50):
        assert [owner[each] for each in reader.sequence_ids(step, 8).tolist()].count("books") == 6

    book = next(row for row in rows(artefacts["corpus"], "train") if row["source"] == "books")
    (fate,) = trace_page(book["url"], artefacts, Training(steps=50, global_batch=8, seed=1)).pages
    for place in fate.sequences:
        sequence = firsts[place.shard] + place.sequence
        assert set(place.steps) == {step for step in range(50) if sequence in reader.sequence_ids(step, 8)}


def test_real_archives_with_unreadable_ones_among_them_go_through(run: Run, shared: Path, tmp_path: Path) -> None:
    source = shared / "data/warc/dolma-sample-0000.warc.gz"
    data = source.read_bytes()
    (tmp_path / "a.warc.gz").write_bytes(data)
    (tmp_path / "b.warc.gz").write_bytes(b"\x1f\x8b\x08\0 no archive at all")
    (tmp_path / "c.warc.gz").write_bytes(data[: len(data) // 2])
    (tmp_path / "d.notes").write_text("notes")
    inputs = f"crawl.input=[{tmp_path}/*.warc.gz, {tmp_path}/d.notes]"
    artefacts = run(tmp_path / "root", "pages", inputs, "pages.language.keep=[]")
    assert (artefacts["crawl"].counts["files"], artefacts["crawl"].counts["unreadable_files"]) == (2, 2)
    pages = rows(artefacts["records"], "part")
    of_file = {name: [row for row in pages if row["warc_file"].endswith(name)] for name in ("a.warc.gz", "c.warc.gz")}
    responses = [row for row in of_file["a.warc.gz"] if row["http_status"] or row["reason"]]
    assert len(responses) == len(of_file["a.warc.gz"])
    assert of_file["c.warc.gz"][-1]["reason"] == "unreadable"
    same = len(of_file["c.warc.gz"]) - 1
    strip = [{name: value for name, value in row.items() if name not in ("doc_id", "warc_file")} for row in pages]
    assert strip[:same] == strip[len(of_file["a.warc.gz"]) : len(of_file["a.warc.gz"]) + same]
    assert artefacts["pages"].counts["rejected"]["unreadable"] == 1
    kept = [row for row in rows(artefacts["pages"], "part") if row["status"] == "kept"]
    assert any(row["language"] == "en" and len(row["text"]) > 500 for row in kept)
    assert len(pages) == artefacts["pages"].counts["records"] == artefacts["records"].counts["records"]


def test_failures_are_one_line_with_the_remedy(run: Run, tmp_path: Path, free_port: int) -> None:
    notes = tmp_path / "x.notes"
    notes.write_text("notes")
    with pytest.raises(RequestError, match=r"none of the 1 files can be read"):
        run(tmp_path / "root", "crawl", f"crawl.input=[{notes}]")
    with pytest.raises(RequestError, match=r"crawl: no pages are named; give --input FILES, or crawl\.sources"):
        run(tmp_path / "root", "crawl", "crawl.pydoc=null")
    with pytest.raises(RequestError, match=r"crawl\.contact: give a URL or e-mail where the owner of example\.org reaches you"):
        run(tmp_path / "root", "crawl", "crawl.pydoc=null", "crawl.seeds=['http://example.org/']")
    dead = f"http://127.0.0.1:{free_port}/"
    with pytest.raises(WorkError, match=rf"nothing could be fetched from {dead} \(robots_unreachable\); check that the seed"):
        run(tmp_path / "root", "crawl", "crawl.pydoc=null", f"crawl.seeds=['{dead}']")


def test_a_threshold_and_a_forgotten_page_change_the_pages_and_never_the_records(
    run: Run, make_warc: Callable[..., Path], tmp_path: Path
) -> None:
    archive = make_warc(*made_pages(8))
    root, changes = tmp_path / "root", [f"crawl.input=[{archive}]"]
    first = run(root, "pages", *changes)
    assert first["pages"].counts["kept"] == 8
    with pytest.raises(
        WorkError, match="no page survived the filters: 8 read, rejected by reason: gopher_word_count 8; loosen"
    ):
        run(root, "pages", *changes, "pages.heuristics.min_words=1000")
    remember(Store(root).root, entry("url", "http://h/3"))
    without = run(root, "pages", *changes)
    assert [each.key for each in Store(root).artefacts("records")] == [first["records"].key]
    assert without["pages"].counts["rejected"] == {"forgotten": 1}
    assert {row["url"] for row in rows(without["pages"], "part") if row["status"] == "kept"} == {
        f"http://h/{number}" for number in range(8) if number != 3
    }


def test_quality_is_trained_on_named_texts_and_keeps_the_best_share(
    run: Run, make_warc: Callable[..., Path], tmp_path: Path
) -> None:
    nautical, legal = "harbour tide pilot vessel anchor mast", "statute clause tenant liable hereby party"
    chance = random.Random(5)

    def about(words: str) -> str:
        return " ".join(" ".join(chance.choices(f"{words} {WORDS}".split(), k=12)).capitalize() + "." for _ in range(30))

    pages = [(f"http://h/{number}", f"<p>{about(legal if number % 2 else nautical)}</p>") for number in range(20)]
    (tmp_path / "good.jsonl").write_text("".join(json.dumps({"text": about(nautical)}) + "\n" for _ in range(30)))
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps({"text": about(legal)}) + "\n" for _ in range(30)))
    artefacts = run(
        tmp_path / "root",
        "pages",
        f"crawl.input=[{make_warc(*pages)}]",
        f"classifiers.quality.positives=[{tmp_path}/good.jsonl]",
        f"classifiers.quality.negative_files=[{tmp_path}/bad.jsonl]",
        "pages.keep_quality=0.5",
        "pages.language.keep=[]",
        "pages.language.min_score=0",
        "pages.heuristics=null",
    )
    assert artefacts["classifiers"].counts["quality_auc"] > 0.95
    assert artefacts["pages"].counts["rejected"] == {"quality": 10}
    kept = {int(row["url"].rpartition("/")[2]) for row in rows(artefacts["pages"], "part") if row["status"] == "kept"}
    assert kept == set(range(0, 20, 2))
