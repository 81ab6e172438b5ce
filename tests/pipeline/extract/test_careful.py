from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.extract import careful
from pipeline.extract.careful import CarefulExtractor, ExtractorDied
from pipeline.extract.page import Limits, extract, load_trafilatura

pytestmark = pytest.mark.slow

ALWAYS, NEVER = Limits(1), Limits(0)


def article(sentences: int) -> str:
    return "".join(
        f"<p>The boat of number {number} lay in the harbour, and the tide came in.</p>" for number in range(sentences)
    )


@contextlib.contextmanager
def extractor(
    limits: Limits = NEVER, seconds: float = 60, memory_mb: int = 2048, recycle_pages: int = 5000
) -> Iterator[CarefulExtractor]:
    made = CarefulExtractor(limits, seconds, memory_mb, recycle_pages)
    try:
        yield made
    finally:
        made.close()


def process_of(made: CarefulExtractor) -> int:
    assert made.process is not None
    return made.process.pid


def test_a_module_in_the_working_directory_takes_no_library_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the user runs this, not we')")
    monkeypatch.chdir(tmp_path)
    with extractor() as careful_extract:
        assert "The boat of number 7" in careful_extract(article(20)).text


def test_it_finds_what_extraction_without_a_process_finds() -> None:
    html = f"<nav><a href='/'>Home</a></nav>{article(20)}<div class='x'>Ünique – 漢字 \U0001f600</div>\0"
    for limits in (NEVER, ALWAYS):
        with extractor(limits) as careful_one:
            for skip in ((), ("div.x",)):
                assert careful_one(html, skip) == extract(html, skip, limits, load_trafilatura())


def test_a_lone_surrogate_does_not_break_the_pipe() -> None:
    with extractor() as careful_one:
        assert "number 3" in careful_one(article(5) + "\ud800").text
        assert "number 4" in careful_one(article(5)).text


def test_a_hundred_thousand_levels_hang_the_extractor_and_cost_that_page_alone() -> None:
    """resiliparse needs minutes for them: its time grows with the square of the depth."""
    with extractor(seconds=1) as careful_one:
        assert "number 4" in careful_one(article(5)).text
        started = time.monotonic()
        with pytest.raises(ExtractorDied) as died:
            careful_one("<div>" * 100_000 + "x")
        assert died.value.reason == "extract_timeout"
        assert time.monotonic() - started < 1 + careful.GRACE
        assert "number 4" in careful_one(article(5)).text


def test_a_page_that_trafilatura_is_slow_on_is_ended_too() -> None:
    """24,000 paragraphs below 240 levels: some five seconds with trafilatura, less than one without."""
    whole = f"<p>{'The boat lay in the harbour, and the tide came in. ' * 20}</p>"
    bomb = whole + "<div>" * 240 + "<p>a word here and more</p>" * 24_000 + "</div>" * 240 + whole
    with extractor(NEVER) as alone:
        assert "a word here" in alone(bomb).text
    with extractor(ALWAYS, seconds=1) as both:
        with pytest.raises(ExtractorDied) as died:
            both(bomb)
        assert died.value.reason == "extract_timeout"
        assert "number 4" in both(article(5)).text


@pytest.mark.parametrize("bomb", ["<p>a" * 3_000_000, "<p>" + "word " * 20_000_000], ids=["tree", "text"])
def test_a_page_that_needs_too_much_memory_costs_that_page_alone(bomb: str) -> None:
    with extractor(memory_mb=512) as careful_one:
        assert "number 4" in careful_one(article(5)).text
        with pytest.raises(ExtractorDied) as died:
            careful_one(bomb)
        assert died.value.reason == "extract_memory"
        assert "number 4" in careful_one(article(5)).text


def test_a_process_killed_from_outside_is_a_crash_and_the_next_page_is_read() -> None:
    with extractor() as careful_one:
        careful_one(article(5))
        os.kill(process_of(careful_one), signal.SIGKILL)
        with pytest.raises(ExtractorDied) as died:
            careful_one(article(5))
        assert (died.value.reason, died.value.note) == ("extract_crash", "SIGKILL")
        assert "number 4" in careful_one(article(5)).text


def test_a_signal_that_an_allocator_explains_is_memory_and_one_without_explanation_a_crash() -> None:
    """What a process that ends so leaves behind, made by a program that does so."""
    program = "import os, sys; os.write(2, sys.argv[1].encode()); os.abort()"
    for said, reason in (("memory allocation of 64 bytes failed", "extract_memory"), ("free(): bad", "extract_crash")):
        with extractor() as careful_one:
            process = careful_one.start()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            complaints = careful_one.complaints
            ended = subprocess.Popen([sys.executable, "-c", program, said], stderr=complaints)
            died = careful_one.death(ended)
            assert (died.reason, died.note) == (reason, "SIGABRT")


def test_a_process_that_is_stopped_is_given_up_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "GRACE", 0.2)
    with extractor(seconds=0.3) as careful_one:
        with contextlib.suppress(ExtractorDied):  # a slow start on a busy machine
            careful_one(article(5))
        os.kill(process_of(careful_one) if careful_one.process else careful_one.start().pid, signal.SIGSTOP)
        with pytest.raises(ExtractorDied) as died:
            careful_one(article(5))
        assert died.value.reason == "extract_timeout"


def test_an_error_is_that_pages_crash_with_its_message_and_the_process_goes_on() -> None:
    with extractor() as careful_one:
        careful_one(article(5))
        before = process_of(careful_one)
        with pytest.raises(ExtractorDied) as died:
            careful_one(article(5), ("div[[",))
        assert died.value.reason == "extract_crash"
        assert "CSSParser" in died.value.note
        assert "number 4" in careful_one(article(5)).text
        assert process_of(careful_one) == before


def test_the_process_is_replaced_after_its_pages() -> None:
    with extractor(recycle_pages=3) as careful_one:
        pids = []
        for _ in range(7):
            careful_one.process or careful_one.start()
            pids.append(process_of(careful_one))
            assert "number 4" in careful_one(article(5)).text
        assert [len(set(pids[at : at + 3])) for at in (0, 3, 6)] == [1, 1, 1]
        assert len(set(pids)) == 3


def test_the_extractor_ends_with_its_parent() -> None:
    program = (
        "import os; from pipeline.extract.careful import CarefulExtractor; from pipeline.extract.page import Limits; "
        "e = CarefulExtractor(Limits(), 20, 2048, 9); e('<p>x'); print(e.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3], capture_output=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(parent.stdout)).wait(10)
    assert not psutil.pid_exists(int(parent.stdout))


def test_the_process_loads_neither_trafilatura_nor_a_framework_before_they_are_needed() -> None:
    heavy = ("trafilatura", "torch", "ray", "pyarrow")
    program = f"import sys, pipeline.extract.careful; print(*(m for m in {heavy} if m in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3], capture_output=True, check=True)
    assert ran.stdout.split() == []
