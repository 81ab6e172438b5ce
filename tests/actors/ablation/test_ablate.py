"""`pageloom ablate` on a tiny recipe, as a user runs it: two variants through the real line, measured, and once more."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from actors.models.load import load_model, load_tokenizer
from cluster.store import Store

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]
TINY = {
    "tracking.wandb": "disabled",
    "cluster.dashboard": False,
    "pages.language.keep": [],
    "pages.language.min_score": 0,
    "pages.heuristics.min_words": 5,
    "corpus.heldout_share": 0.01,
    "tokenizer.vocabulary": 400,
    "tokens.sequence_length": 64,
    "pretrain.model": {"layers": 1, "hidden": 64, "heads": 2, "kv_heads": 1, "intermediate": 64, "context": 128},
    "pretrain.steps": 12,
    "pretrain.heldout": 2,
}
PAGES = [
    f"The keeper of light number {n} wrote that {n * 7 % 50} ships had passed, and that {n} did not come back."
    for n in range(80)
]
PASSAGE = "Nobody on the pier said a word when the boats came home without their nets and the bell of the chapel was rung."
SEEN = "A page that stands in the clean text is in no training text, and how often it was crawled does not matter at all."


def ablate(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pageloom", "ablate", str(place / "ablation.yaml"), "--root", str(place / "root"), *options],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | {"COLUMNS": "200"},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ablation")
    for name, rows in (
        ("pages", [{"text": text} for text in [*PAGES, *[PASSAGE] * 6, SEEN]]),
        ("planted", [{"text": PASSAGE, "copies": 6}]),
        ("clean", [{"text": text} for text in (SEEN, "Été: ± 3 % of the ships are naïve.")]),
    ):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ablation = {
        "name": "duplicates",
        "set": TINY | {"crawl.input": [str(place / "pages.jsonl")]},
        "variants": {"with duplicates": {"dedup.exact": False, "dedup.near": False}, "deduplicated": {"dedup.near": False}},
        "clean": [str(place / "clean.jsonl")],
        "verbatim": {"passages": str(place / "planted.jsonl"), "prompt_characters": 30, "continuation_characters": 40},
    }
    (place / "ablation.yaml").write_text(yaml.safe_dump(ablation, sort_keys=False))
    return place


@pytest.fixture(scope="module")
def first(place: Path) -> dict[str, Any]:
    return json.loads(ablate(place, "--json").stdout)


def test_dedup_decides_how_many_copies_are_trained_on_and_clean_text_is_in_neither(first: dict[str, Any]) -> None:
    crowded, thin = first["variants"]
    assert [each["variant"] for each in first["variants"]] == ["with duplicates", "deduplicated"]
    assert [each["verbatim"][0]["trained_on"] for each in (crowded, thin)] == [6, 1]
    assert crowded["documents"] - thin["documents"] == 5
    # 80 pages and 6 copies, but not SEEN; four documents are held out.
    assert crowded["documents"] == len(PAGES) + 6 - 4


def test_bits_per_byte_are_those_of_the_models_own_loss(place: Path, first: dict[str, Any]) -> None:
    texts = [json.loads(line)["text"] for line in (place / "clean.jsonl").read_text().splitlines()]
    for row in first["variants"]:
        base = Store(place / "root").artefact("base", row["models"][0])
        assert base is not None
        directory = Path(base.location.path)
        model: Any = load_model(directory).eval()
        tokenizer: Any = load_tokenizer(directory)
        nats = 0.0
        for text in texts:
            ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
            assert ids.shape[1] <= 128
            with torch.no_grad():
                nats += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        size = sum(len(text.encode()) for text in texts)
        assert row["clean"]["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=1e-4)


def test_a_second_time_everything_is_there_and_the_report_says_the_same(place: Path, first: dict[str, Any]) -> None:
    def committed() -> dict[str, float]:
        return {
            f"{each.stage} {each.key}": each.manifest["committed"]
            for stage in ("crawl", "pages", "dedup", "base", "measurement")
            for each in Store(place / "root").artefacts(stage)
        }

    before = committed()
    assert len(before) == 2 + 2 * 3
    (place / "root/ablations/duplicates.html").unlink()
    done = ablate(place)
    assert "2 of 2 models already measured" in done.stdout
    assert "with duplicates" in done.stdout.splitlines()[-3]
    assert committed() == before
    report = (place / "root/ablations/duplicates.html").read_text()
    assert "Passages continued word for word" in report
    assert "base 2: deduplicated" in report
    figures = json.loads((place / "root/ablations/duplicates.json").read_text())
    assert figures["variants"] == first["variants"]
