"""How well the classifiers tell what people told: python -m tests.benchmarks.classifiers DATA_DIR

DATA_DIR: the folder of real data. Prints Markdown tables: quality against people's labels, by what the positives were;
toxicity on tweets that were held out and on texts of another origin, and how often ordinary texts are taken for abuse.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipeline.classifiers.linear import Classifier, area_under_curve, train
from pipeline.classifiers.settings import QualitySettings, ToxicitySettings
from pipeline.extract.page import Limits, extract, load_trafilatura
from pipeline.read.charset import decode

# Words by which tweets in African American English are usually told from others (Blodgett et al. 2016 use a model of
# places and words; a list is coarser, and says so little of the writer that only the two rates side by side mean anything).
DIALECT = re.compile(
    r"\b(?:finna|tryna|gon|ion|aint|ain't|dat|dis|dem|wit|yall|y'all|bruh|imma|ima|lil|doe|nah|cuz|ya'll|outta|wassup)\b", re.I
)


def read(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "replace")


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in read(path).split("\n") if line.strip()]


def passages(text: str, characters: int) -> list[str]:
    """Of whole paragraphs, each of at least so many characters."""
    found, begun = [], ""
    for paragraph in re.split(r"\n\s*\n", text):
        begun = f"{begun}\n{paragraph.strip()}" if begun else paragraph.strip()
        if len(begun) >= characters:
            found.append(begun)
            begun = ""
    return found


def crawl(data: Path) -> list[str]:
    """The pages of the crawl as text, as `records` extracts them."""
    texts, limits, second = list[str](), Limits(), load_trafilatura()
    with (data / "warc/pages.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            texts.append(extract(decode(record.reader.read(), None).text, (), limits, second).text)
    return [text for text in texts if len(text) > 200]


def quality(data: Path) -> Iterator[str]:
    judged = jsonl(data / "quality/dclm_human_quality.jsonl")
    labels = np.array([page["label"] == 1 for page in judged])
    sure = np.array([page["unanimous"] for page in judged])
    instructions = [f"{each['prompt']}\n{each['response']}" for each in jsonl(data / "instruct/dolly_hhrlhf_small.jsonl")]
    pages = [page["gold"] for page in jsonl(data / "html/wcxb/gold.jsonl.gz") if len(page["gold"]["main_content"] or "") > 200]
    reading = [page["main_content"] for page in pages if page["page_type"] in ("article", "documentation")]
    others = [page["main_content"] for page in pages if page["page_type"] not in ("article", "documentation")]
    encyclopaedia = [
        part
        for article in read(data / "prose/wikipedia_sample.txt.gz").split("\n")
        for part in re.findall(r"(?s).{1500,4000}?[.!?]\s", article)
    ]
    news = [line.split(" ", 1)[1] for line in read(data / "dedup/news_articles.train").split("\n") if " " in line]
    ordinary = crawl(data)
    runs = [
        ("encyclopaedia, in passages", encyclopaedia, "the crawl", ordinary),
        ("instructions and answers (Dolly, HH)", instructions, "the crawl", ordinary),
        ("news (MinHash tutorial)", news, "the crawl", ordinary),
        ("articles and documentation, extracted by people", reading, "the crawl, which holds some of them", ordinary),
        ("articles and documentation, extracted by people", reading, "pages of other types, likewise", others),
    ]
    settings = QualitySettings().model
    yield f"Quality: {len(judged)} pages judged by people, {labels.sum()} of them good\n"
    yield "| positives | against | texts | AUC | AUC where the judges agreed | training |\n|---|---|---:|---:|---:|---:|"
    for name, good, against, poor in runs:
        began = time.process_time()
        classifier = train([*good, *poor], [True] * len(good) + [False] * len(poor), settings)
        seconds = time.process_time() - began
        scores = classifier.score(page["text"] for page in judged)
        yield (
            f"| {name} | {against} | {len(good)} + {len(poor)} | {area_under_curve(scores, labels):.3f} "
            f"| {area_under_curve(scores[sure], labels[sure]):.3f} | {seconds:.0f} s |"
        )
    lengths = np.array([len(page["text"]) for page in judged])
    alone = f"{area_under_curve(lengths, labels):.3f} | {area_under_curve(lengths[sure], labels[sure]):.3f}"
    yield f"| (nothing: how long the page is) | | | {alone} | |"
    yield "\n" + speed(classifier, [page["text"] for page in judged])


def speed(classifier: Classifier, texts: list[str]) -> str:
    classifier.score(texts)
    began = time.process_time()
    classifier.score(texts)
    seconds = time.process_time() - began
    size = sum(map(len, texts)) / len(texts)
    return f"Scoring: {len(texts) / seconds:.0f} texts/s a core (of {size:.0f} characters on average)."


def toxicity(data: Path) -> Iterator[str]:
    tweets = list(csv.DictReader(io.StringIO(read(data / "toxicity/davidson_labeled_data.csv.gz"), newline="")))
    held = np.array([zlib.crc32(tweet["tweet"].encode()) % 5 == 0 for tweet in tweets])
    kinds = np.array([int(tweet["class"]) for tweet in tweets])
    texts = [tweet["tweet"] for tweet in tweets]
    novels = sorted((data / "prose/novels").glob("*.txt.gz"))
    ordinary = {
        "novels": [part for novel in novels[1::2] for part in passages(read(novel), 300)[:200]],
        "novels, longer": [part for novel in novels[1::2] for part in passages(read(novel), 3000)[:40]],
        "children's stories": read(data / "prose/tinystories.txt").split("<|endoftext|>")[:1000],
        "web pages (C4)": [page["text"] for page in jsonl(data / "prose/c4_sample.jsonl")],
        "encyclopaedia": [
            part
            for article in read(data / "prose/wikipedia_sample.txt.gz").split("\n")
            for part in re.findall(r"(?s).{300,1000}?[.!?]\s", article)
        ],
    }
    known_good = [part for novel in novels[0::2] for part in passages(read(novel), 300)[:150]]
    other = jsonl(data / "toxicity/rtp_scored.jsonl")
    harsh = np.array([each["severe_toxicity"] >= 0.5 for each in other])
    sentences = [part[: part.find(".") + 1] for part in ordinary["novels"] if 40 < part.find(".") < 200]
    settings = ToxicitySettings().model
    training = np.flatnonzero(~held).tolist()
    bad = [bool(kinds[at] != 2) for at in training]
    test = np.flatnonzero(held)
    bad_tweets = [texts[at] for at in test if kinds[at] != 2]
    draw = np.random.default_rng(0)
    planted = []
    for page in ordinary["web pages (C4)"]:
        chosen = (bad_tweets[at] for at in draw.integers(len(bad_tweets), size=3))
        planted.append("\n".join([page[: len(page) // 2], *chosen, page[len(page) // 2 :]]))
    columns = ["", "tweets alone", f"with {len(known_good)} passages of other novels"]
    rows: list[list[str]] = []
    for extra in ([], known_good):
        began = time.process_time()
        classifier = train([texts[at] for at in training] + extra, bad + [False] * len(extra), settings)
        seconds = time.process_time() - began
        scores = classifier.score(texts[at] for at in test)
        # The threshold at which nine of ten bad tweets that were held out are found.
        threshold = float(np.quantile(scores[kinds[test] != 2], 0.1))
        neither = [texts[at] for at in test if kinds[at] == 2]
        dialect = np.array([bool(DIALECT.search(text)) for text in neither])
        flagged = classifier.score(neither) >= threshold
        prompts = classifier.score(each["text"] for each in other)
        cells = {
            f"AUC, tweets held out ({len(test)}): hateful or offensive against neither": area_under_curve(
                scores, kinds[test] != 2
            ),
            f"AUC, RealToxicityPrompts ({len(other)}, all rated toxic) against sentences of novels ({len(sentences)})": (
                area_under_curve(
                    np.concatenate([prompts, classifier.score(sentences)]), np.arange(len(other) + len(sentences)) < len(other)
                )
            ),
            f"AUC, RealToxicityPrompts: severe ({harsh.sum()}) against the others": area_under_curve(prompts, harsh),
            "threshold (recall .90 on held-out tweets)": threshold,
            f"flagged: harmless tweets with words of African American English ({dialect.sum()})": flagged[dialect].mean(),
            f"flagged: harmless tweets without ({(~dialect).sum()})": flagged[~dialect].mean(),
            "flagged: RealToxicityPrompts": (prompts >= threshold).mean(),
            **{
                f"flagged: {name} ({len(parts)})": (classifier.score(parts) >= threshold).mean()
                for name, parts in ordinary.items()
            },
            "found: web pages (C4) with three bad tweets in their middle": (classifier.score(planted) >= threshold).mean(),
            "training, s": seconds,
        }
        for number, (name, value) in enumerate(cells.items()):
            if not extra:
                rows.append([name])
            rows[number].append(f"{value:.3f}")
    yield "\n".join("| " + " | ".join(row) + " |" for row in [columns, ["---", "---:", "---:"], *rows])
    yield "\n" + speed(classifier, ordinary["web pages (C4)"])


if __name__ == "__main__":
    for line in (*quality(Path(sys.argv[1])), "", *toxicity(Path(sys.argv[1]))):
        print(line, flush=True)
