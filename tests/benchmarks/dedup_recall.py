"""How many of the pairs at a similarity are compared, by brute force: python -m tests.benchmarks.dedup_recall DATA_DIR [PNG]

DATA_DIR: the folder of real data. PNG: docs/dedup-recall.png unless said otherwise. The exact Jaccard similarities of all pairs
of 10,000 real documents (passages of novels that overlap, news articles, web pages) against the candidates here and in
datasketch, both in 14 bands of 8 hashes. Draws the shares with the formula and prints them as Markdown.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import binom

from tests.pipeline.dedup.brute_force import answer_for, chance_of_a_band, datasketch_candidates

DOCUMENTS = 10_000
EDGES = np.linspace(0.5, 1, 21)
CHECKOUT = Path(__file__).parents[2]


def draw(shares: dict[str, np.ndarray], numbers: np.ndarray, place: Path) -> None:
    """shares: of each, found of all pairs at a level; numbers: pairs at each level of EDGES. Writes a PNG."""
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    # Within a level the formula is averaged over similarities that are spread evenly, as those of the documents are.
    theory = np.array([chance_of_a_band(np.linspace(EDGES[at], EDGES[at + 1], 101)).mean() for at in range(len(numbers))])
    low, high = (limit / numbers for limit in binom.interval(0.95, numbers, theory))
    fine = np.linspace(EDGES[0], EDGES[-1], 501)
    with matplotlib.rc_context({"font.size": 10}):
        figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        axes.fill_between(middles, low, high, color="#cfd8e3", label="95% of as many binomial draws")
        axes.plot(fine, chance_of_a_band(fine), color="#4a5a6a", linewidth=1.5, label="$1 - (1 - J^8)^{14}$")
        for (name, share), marker, colour in zip(shares.items(), "ox", ("#c2410c", "#0f766e"), strict=True):
            axes.plot(middles, share, marker, color=colour, markersize=5.5, label=name)
        axes.axvline(0.8, color="#888888", linewidth=1, linestyle=":")
        axes.annotate("threshold: pairs below are\ncompared, then let go", (0.81, 0.5), va="center", color="#555555")
        axes.set_xlabel("exact Jaccard similarity $J$ of two documents' 5-word shingles")
        axes.set_ylabel("share of pairs that are candidates")
        axes.set_title(f"{numbers.sum():,} pairs of {DOCUMENTS:,} real documents", fontsize=10, loc="left")
        axes.set_xlim(0.5, 1)
        axes.set_ylim(0, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
        FigureCanvasAgg(figure).print_png(place, metadata={"Software": None})


def measure(data: Path, place: Path) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="pageloom-bench-") as directory:
        answer = answer_for(data, DOCUMENTS, Path(directory))
    theirs = datasketch_candidates(answer.sets)
    pairs = answer.at_least(EDGES[0])
    how = np.array(list(pairs.values()))
    numbers, _ = np.histogram(how, EDGES)
    found = {
        "pageloom": np.array([pair in answer.candidates for pair in pairs]),
        "datasketch": np.array([pair in theirs for pair in pairs]),
    }
    draw({name: np.histogram(how[met], EDGES)[0] / numbers for name, met in found.items()}, numbers, place)
    lines = ["| Jaccard | pairs | formula | here | datasketch |", "|---|---:|---:|---:|---:|"]
    for low, high in [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 1)]:
        level = (how >= low) & (how < high) if high < 1 else how >= low
        here, there = (met[level].mean() for met in found.values())
        expected = chance_of_a_band(how[level]).mean()
        lines.append(f"| {low}-{high} | {level.sum()} | {expected:.3f} | {here:.3f} | {there:.3f} |")
    near = [(page, row) for page, row in answer.gone.items() if row["reason"] == "near_duplicate"]
    below = sum(answer.similarity[min(page, row["to"]), max(page, row["to"])] < 0.8 for page, row in near)
    lines.append(f"\n{below} of {len(near)} near-duplicates that go are below 0.8 to the page that stays.\n")
    return lines


if __name__ == "__main__":
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else CHECKOUT / "docs/dedup-recall.png"
    print("\n".join(measure(Path(sys.argv[1]), picture)))
