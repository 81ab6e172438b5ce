"""Trains the router's networks on gold pages: `python -m pipeline.extract.training DATA_DIR`, some minutes on one core.

DATA_DIR holds a folder for each set of pipeline.extract.gold. The domains that are held out are not read before the end,
when the command prints the word F1 on them; tests.benchmarks.extraction says more. The weights go to
pipeline/extract/route.npz. With the same data and versions it writes the same weights.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from pipeline.extract import route
from pipeline.extract.gold import WORD, GoldPage, gold_pages, word_f1
from pipeline.extract.lines import Lines, page_lines
from pipeline.extract.page import joined, load_trafilatura

NETWORKS, CHANNELS, WINDOW = 3, 32, 5
EPOCHS, PAGES, RATE, DECAY, DROPOUT = 25, 32, 4e-3, 1e-2, 0.2
LONGEST = 600  # lines of a page that are trained on
NGRAM = 4


@dataclass(frozen=True)
class Example:
    """A page with its labels. share: float32, of each line's words that the gold has; gold_words: how many it has."""

    page: GoldPage
    lines: Lines
    second: str
    share: np.ndarray
    gold_words: int


def example(page: GoldPage, second: str) -> Example:
    lines = page_lines(page.html, ())
    share, gold_words = labels(lines.text, page.gold)
    return Example(page, lines, second, share, gold_words)


def labels(text: list[str], gold: str) -> tuple[np.ndarray, int]:
    """The share of each line's words that lie in an n-gram of the gold, and the gold's words.

    n is 4, less for shorter lines. An n-gram that the page has more often than the gold counts for the ratio of the two:
    nobody says which of them the gold means.
    """
    words = WORD.findall(gold.lower())
    there = Counter(tuple(words[at : at + n]) for n in range(1, NGRAM + 1) for at in range(len(words) - n + 1))
    lines = [WORD.findall(line.lower()) for line in text]
    here = Counter(gram for line in lines for gram in grams(line))
    share = np.zeros(len(text), dtype=np.float32)
    for number, line in enumerate(lines):
        covered = np.zeros(len(line))
        for at, gram in enumerate(grams(line)):
            span = slice(at, at + len(gram))
            covered[span] = np.maximum(covered[span], min(1.0, there[gram] / here[gram]))
        share[number] = covered.mean() if len(line) else 0
    return share, len(words)


def grams(line: list[str]) -> list[tuple[str, ...]]:
    n = min(NGRAM, len(line))
    return [tuple(line[at : at + n]) for at in range(len(line) - n + 1)] if n else []


def plain_page(page: GoldPage) -> GoldPage:
    """The gold text alone as a page. Nothing else teaches that a page may have no boilerplate."""
    paragraphs = "".join(f"<p>{line}</p>\n" for line in page.gold.replace("<", "&lt;").split("\n") if line.strip())
    return GoldPage(page.source, page.file, page.domain, page.kind, f"<html><body>{paragraphs}</body></html>", page.gold)


class Network(nn.Module):
    """Lines x features -> a logit a line. The forward pass of pipeline.extract.route, with dropout."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation
        self.enter, self.out = nn.Linear(len(mean), CHANNELS), nn.Linear(CHANNELS, 1)
        self.windows = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, WINDOW, padding=WINDOW // 2 * dilation, dilation=dilation)
            for dilation in route.DILATIONS
        )
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features: pages x lines x features; mask: pages x lines, 0 beyond a page's end. Returns pages x lines."""
        hidden = torch.relu(self.enter(self.drop((features - self.mean) / self.deviation))) * mask[..., None]
        for window in self.windows:
            hidden = (hidden + self.drop(torch.relu(window(hidden.mT).mT))) * mask[..., None]
        return self.out(hidden)[..., 0]

    def arrays(self) -> dict[str, np.ndarray]:
        """As pipeline.extract.route reads them; half precision, which moves probabilities by less than 0.002."""
        named = {
            "mean": self.mean,
            "deviation": self.deviation,
            "in": self.enter.weight.T,
            "in_bias": self.enter.bias,
            "out": self.out.weight[0],
            "out_bias": self.out.bias,
        }
        for layer, window in enumerate(self.windows):
            named |= {f"window{layer}": window.weight.permute(2, 1, 0), f"bias{layer}": window.bias}  # type: ignore[operator, dict-item]
        return {name: tensor.detach().numpy().astype(np.float16) for name, tensor in named.items()}


@dataclass(frozen=True)
class Batch:
    """pages x lines, padded with zeros; features: pages x lines x features; gold: pages, words."""

    features: Tensor
    words: Tensor
    share: Tensor
    mask: Tensor
    gold: Tensor


def batch(examples: list[tuple[np.ndarray, Example]]) -> Batch:
    longest = max(min(LONGEST, len(features)) for features, _ in examples)
    shape = (len(examples), longest)
    made = Batch(
        torch.zeros(*shape, examples[0][0].shape[1]), torch.zeros(shape), torch.zeros(shape), torch.zeros(shape),
        torch.tensor([float(one.gold_words) for _, one in examples]),
    )  # fmt: skip
    for row, (features, one) in enumerate(examples):
        end = min(LONGEST, len(features))
        made.features[row, :end] = torch.from_numpy(features[:end])
        made.words[row, :end] = torch.from_numpy(one.lines.words[:end].astype(np.float32))
        made.share[row, :end] = torch.from_numpy(one.share[:end])
        made.mask[row, :end] = 1
    return made


def loss(logits: Tensor, given: Batch) -> Tensor:
    """Cross-entropy, a page's words weighing one together, plus 1 - F1 with probabilities in place of choices."""
    weight = given.words / (given.words.sum(1, keepdim=True) + 1)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, given.share, reduction="none")
    kept = torch.sigmoid(logits) * given.words
    f1 = 2 * (kept * given.share).sum(1) / (kept.sum(1) + given.gold + 1)
    return (entropy * weight).sum(1).mean() + (1 - f1).mean()


def train(examples: list[Example], seed: int) -> Network:
    """Each page is seen with and without trafilatura's opinion, in random turns."""
    torch.manual_seed(seed)
    seen = [[(route.evidence(one.lines, second), one) for second in (None, one.second)] for one in examples]
    rows = torch.from_numpy(np.concatenate([features for both in seen for features, _ in both]))
    network = Network(rows.mean(0), rows.std(0) + 1e-2)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=DECAY)
    steps = EPOCHS * -(-len(seen) // PAGES)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(seen)).tolist()
        for start in range(0, len(order), PAGES):
            opinions = torch.randint(2, (PAGES,)).tolist()
            picked = zip(order[start : start + PAGES], opinions, strict=False)
            given = batch([seen[number][opinion] for number, opinion in picked])
            optimiser.zero_grad()
            loss(network(given.features, given.mask), given).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return network.eval()


def read_examples(data: Path, held_out: bool) -> list[Example]:
    """Of one side of the split. Memory: 2,000 pages with trees of features take about half a gigabyte."""
    second = load_trafilatura()
    found = []
    for number, page in enumerate(page for page in gold_pages(data) if page.held_out == held_out):
        for one in (page, plain_page(page)) if number % 8 == 0 and not held_out else (page,):
            if (made := example(one, second(one.html))).lines.text:
                found.append(made)
    return found


def main(data: Path) -> None:
    torch.set_num_threads(1)  # more change the order of sums, and so the weights
    console = Console()
    examples = read_examples(data, held_out=False)
    console.print(f"{len(examples)} pages to train on")
    arrays: dict[str, np.ndarray] = {}
    for seed in range(NETWORKS):
        arrays |= {f"{seed}/{name}": array for name, array in train(examples, seed).arrays().items()}
        console.print(f"network {seed + 1} of {NETWORKS}")
    weights = Path(__file__).with_name(route.WEIGHTS)
    np.savez_compressed(weights, **arrays)  # type: ignore[arg-type]
    console.print(f"{weights.name}: {weights.stat().st_size:,} bytes")
    held = [one for one in read_examples(data, held_out=True) if one.page.source == "wcxb"]
    for name, asked in (("alone", False), ("with trafilatura", True)):
        kept = [joined(one.lines, route.choose(one.lines, one.second if asked else None).kept) for one in held]
        f1 = np.mean([word_f1(text, one.page.gold) for text, one in zip(kept, held, strict=True)])
        console.print(f"WCXB held out, {len(held)} pages: word F1 {f1:.4f} {name}")
    console.print(f"trafilatura itself: {np.mean([word_f1(one.second, one.page.gold) for one in held]):.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
