"""What deduplication does to memorisation: python -m tests.benchmarks.memorisation DATA_DIR [ROOT]

DATA_DIR: the folder of real data. ROOT: where to work, and go on where an earlier call was stopped; a temporary directory
unless it is given. Passages of novels are planted among news, 1, 10 and 100 times each: half of those with several copies
word for word, half with one word changed in each copy. `pageloom ablate` trains the quickstart's model on all of it, without
exact copies, and without exact and near copies, for the same number of steps: what dedup takes away is more epochs of the
rest. Prints Markdown: how many passages of each group a model goes on with word for word, and bits per byte of news that
none of the models saw.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from actors.ablation.compare import label

CHECKOUT = Path(__file__).parents[2]
PASSAGE = 600  # characters: one word of a hundred changed in each leaves two copies a Jaccard similarity of .82
PLANTED = {  # (copies, kind) -> passages
    (0, ""): 30,
    (1, ""): 30,
    (10, "exact"): 20,
    (10, "edited"): 20,
    (100, "exact"): 7,
    (100, "edited"): 7,
}
BACKGROUND = 450_000  # characters of news
CLEAN = 150_000  # characters of other news
VARIANTS: dict[str, dict[str, Any]] = {
    "all copies": {"dedup.exact": False, "dedup.near": False},
    "exact dedup": {"dedup.near": False},
    "exact and near dedup": {},
}


def novel_passages(data: Path, number: int, chance: random.Random) -> list[str]:
    """Whole sentences of novels, joined to some PASSAGE characters; as many of each novel."""
    novels = sorted((data / "prose/novels").glob("*.txt.gz"))
    found = []
    for novel in novels:
        sentences = re.split(r"(?<=[.!?]) ", " ".join(gzip.decompress(novel.read_bytes()).decode("utf-8-sig").split()))
        for start in chance.sample(range(50, len(sentences) - 50), -(-number // len(novels))):
            passage, at = "", start
            while len(passage) < PASSAGE:
                passage, at = f"{passage} {sentences[at]}".strip(), at + 1
            found.append(passage[: 2 * PASSAGE])
    chance.shuffle(found)
    return found[:number]


def edited(passage: str, vocabulary: list[str], chance: random.Random) -> str:
    words = passage.split(" ")
    words[chance.randrange(len(words))] = chance.choice(vocabulary)
    return " ".join(words)


def make_input(data: Path, place: Path) -> None:
    """Write crawl.jsonl, planted.jsonl and clean.jsonl."""
    chance = random.Random(1)
    passages = novel_passages(data, sum(PLANTED.values()), chance)
    vocabulary = sorted({word for passage in passages for word in re.findall(r"[a-z]{4,}", passage)})
    planted, crawl = [], []
    for (copies, kind), number in PLANTED.items():
        for passage in [passages.pop() for _ in range(number)]:
            planted.append({"text": passage, "copies": copies, "kind": kind})
            crawl += [edited(passage, vocabulary, chance) if kind == "edited" else passage for _ in range(copies)]
    articles = [line.partition(" ")[2] for line in (data / "dedup/news_articles.train").read_text().splitlines()]
    chance.shuffle(articles)
    clean = take(articles, CLEAN)
    crawl += take(articles, BACKGROUND)
    chance.shuffle(crawl)
    for name, rows in (
        ("crawl", [{"text": text} for text in crawl]),
        ("planted", planted),
        ("clean", [{"text": text} for text in clean]),
    ):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def take(articles: list[str], characters: int) -> list[str]:
    """Articles off the end of the list."""
    taken: list[str] = []
    while sum(map(len, taken)) < characters:
        taken.append(articles.pop())
    return taken


def ablation(place: Path) -> dict[str, Any]:
    return {
        "name": "memorisation",
        "recipe": "quickstart",
        "set": {
            "crawl.input": [str(place / "crawl.jsonl")],
            "corpus.heldout_share": 0.005,  # a held-out passage is in no model, however often it was planted
            "pretrain.steps": 450,
            "cluster.dashboard": False,
            "tracking.wandb": "disabled",
        },
        "variants": VARIANTS,
        "clean": [str(place / "clean.jsonl")],
        "verbatim": {
            "passages": str(place / "planted.jsonl"),
            "prompt_characters": 200,
            "continuation_characters": 100,
        },
    }


def markdown(variants: list[dict[str, Any]]) -> str:
    names = [each["variant"] for each in variants]
    lines = [
        "| | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        "| documents trained on | " + " | ".join(f"{each['documents']:,}" for each in variants) + " |",
        "| epochs | " + " | ".join(f"{each['epochs']:.1f}" for each in variants) + " |",
        "| bits per byte of unseen news | " + " | ".join(f"{each['clean']['bits_per_byte']:.3f}" for each in variants) + " |",
    ]
    for at, group in enumerate(variants[0]["verbatim"]):
        cells = [
            f"{round(row['verbatim'] * row['passages'])} ({row['matching_characters']:.0f}; {row['trained_on']:.1f})"
            for row in (each["verbatim"][at] for each in variants)
        ]
        lines.append(f"| {label(group)}, of {group['passages']} passages | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(data: Path, place: Path) -> str:
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "crawl.jsonl").exists():
        make_input(data, place)
    (place / "ablation.yaml").write_text(yaml.safe_dump(ablation(place), sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "pageloom", "ablate", str(place / "ablation.yaml"), "--root", str(place / "root"), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=CHECKOUT,
        env=os.environ | {"COLUMNS": "160"},
    )
    return markdown(json.loads(done.stdout)["variants"])


if __name__ == "__main__":
    print("Passages continued word for word (characters of 100 that match; documents trained on that hold it):\n")
    if len(sys.argv) > 2:
        print(measure(Path(sys.argv[1]), Path(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
            print(measure(Path(sys.argv[1]), Path(directory)))
