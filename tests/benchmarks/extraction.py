"""Extraction on the gold pages whose domains the router never saw: `python -m tests.benchmarks.extraction DATA_DIR`.

Word F1 by WCXB's definition for resiliparse and trafilatura with their defaults, for the router, and for the better of the
two extractors on each page (the oracle: what a perfect choice between them would reach). Sixteen pages go through one of
them, then through the next, in one process, so that a busy machine slows all alike and each finds its own caches warm, as in
production; pages a second are of that thread's processor time. What the careful process costs is wall time against the
same calls made directly, page by page in turn.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from rich.console import Console
from rich.table import Table

from pipeline.extract.careful import CarefulExtractor
from pipeline.extract.gold import GoldPage, gold_pages, word_f1
from pipeline.extract.page import Extracted, Limits, extract, load_trafilatura

TURN = 16  # pages


def fast(html: str) -> str:
    return extract_plain_text(html, preserve_formatting=True, main_content=True)


@dataclass
class Measured:
    """f1: of each page. seconds: processor time, summed."""

    f1: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, page: GoldPage, extracted: Callable[[str], str]) -> None:
        started = time.process_time()
        text = extracted(page.html)
        self.seconds += time.process_time() - started
        self.f1.append(word_f1(text, page.gold))


def mean(values: list[float]) -> float:
    return sum(values) / max(1, len(values))


def quality(pages: list[GoldPage], limits: Limits) -> tuple[dict[str, Measured], list[Extracted]]:
    """Every extractor's F1 and time, and what the router found."""
    second = load_trafilatura()
    measured = {name: Measured() for name in ("resiliparse", "trafilatura", "router", "oracle")}
    found = list[Extracted]()

    def routed(html: str) -> str:
        found.append(extract(html, (), limits, second))
        return found[-1].text

    for extractor in (routed, trafilatura.extract):  # imports, regular expressions and weights are loaded before the clock runs
        extractor(pages[0].html)
    found.clear()
    gc.collect()
    gc.freeze()
    for start in range(0, len(pages), TURN):
        turn = pages[start : start + TURN]
        for page in turn:
            measured["resiliparse"].add(page, fast)
        for page in turn:
            measured["trafilatura"].add(page, lambda html: trafilatura.extract(html) or "")
        for page in turn:
            measured["router"].add(page, routed)
    both = zip(measured["resiliparse"].f1, measured["trafilatura"].f1, strict=True)
    measured["oracle"].f1.extend(max(pair) for pair in both)
    return measured, found


def quality_table(pages: list[GoldPage], measured: dict[str, Measured], found: list[Extracted]) -> Table:
    table = Table("page type", "pages", *measured, "asked", title="Word F1, held-out domains")
    asked = [float("trafilatura" in one.extractor) for one in found]
    kinds = sorted({page.kind for page in pages})
    for name, members in [(kind, [page.kind == kind for page in pages]) for kind in kinds] + [("all", [True] * len(pages))]:
        values = [
            f"{mean([f1 for f1, member in zip(one.f1, members, strict=True) if member]):.3f}" for one in measured.values()
        ]
        share = mean([one for one, member in zip(asked, members, strict=True) if member])
        table.add_row(name, str(sum(members)), *values, f"{share:.0%}", end_section=name == kinds[-1])
    speeds = [f"{len(pages) / one.seconds:.0f}" if one.seconds else "" for one in measured.values()]
    table.add_row("pages/s", "", *speeds, "")
    ratios = [f"{measured['trafilatura'].seconds / one.seconds:.1f}x" if one.seconds else "" for one in measured.values()]
    table.add_row("ratio", "", *ratios, "")
    return table


def child_table(pages: list[GoldPage], limits: Limits) -> Table:
    """Wall time of the careful process and of the same calls made directly, page by page in turn."""
    second, careful = load_trafilatura(), CarefulExtractor(limits, 20, 2048, 5000)
    for html in [page.html for page in pages[:20]]:
        assert careful(html).text == extract(html, (), limits, second).text
    seconds = {"bare": 0.0, "careful": 0.0}
    for page in pages:
        for name, call in (("bare", lambda html: extract(html, (), limits, second)), ("careful", careful)):
            started = time.perf_counter()
            call(page.html)
            seconds[name] += time.perf_counter() - started
    careful.close()
    table = Table("calls", "pages/s", title="The careful process, wall time")
    for name, total in seconds.items():
        table.add_row(name, f"{len(pages) / total:.0f}")
    table.add_row("careful / bare", f"{seconds['bare'] / seconds['careful']:.3f}")
    return table


def main(data: Path) -> None:
    limits, console = Limits(), Console()
    held = [page for page in gold_pages(data / "html") if page.held_out]
    wcxb = [page for page in held if page.source == "wcxb"]
    measured, found = quality(wcxb, limits)
    console.print(quality_table(wcxb, measured, found))
    for source in sorted({page.source for page in held} - {"wcxb"}):
        pages = [page for page in held if page.source == source]
        others, _ = quality(pages, limits)
        console.print(
            f"{source}, {len(pages)} pages: " + ", ".join(f"{name} {mean(one.f1):.3f}" for name, one in others.items())
        )
    console.print(child_table(wcxb, limits))


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # as in the careful process; idle threads of BLAS count as busy ones
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks.extraction", *sys.argv[1:]])
    main(Path(sys.argv[1]))
