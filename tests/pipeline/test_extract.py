from __future__ import annotations

import contextlib
import gzip
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.careful import CarefulExtractor, ExtractorDied
from pipeline.charset import decode
from pipeline.extract import extract, nesting, tidy

NAVIGATION = "<nav><ul>" + "".join(f'<li><a href="/{n}">Section {n}</a></li>' for n in range(20)) + "</ul></nav>"


@pytest.fixture(scope="module")
def careful() -> Iterator[CarefulExtractor]:
    extractor = CarefulExtractor(20)
    yield extractor
    extractor.close()


def text_of(html: str, *skip: str) -> str:
    """By the fast extractor alone."""
    return extract(html, skip, 0, lambda _: "").text


def word_f1(found: str, gold: str) -> float:
    one, other = Counter(re.findall(r"\w+", found.lower())), Counter(re.findall(r"\w+", gold.lower()))
    return 2 * sum((one & other).values()) / max(1, one.total() + other.total())


def test_the_article_stays_and_navigation_goes(prose: str) -> None:
    found = text_of(f"<html><body>{NAVIGATION}<main><h1>Snow</h1><p>{prose}</p></main><footer>(c) Us</footer></body></html>")
    assert prose.strip() in found
    assert "Section 3" not in found


def test_scripts_styles_and_comments_are_no_text(prose: str) -> None:
    found = text_of(f"<body><script>var a = 1;</script><style>p {{}}</style><!-- hidden --><p>{prose}</p></body>")
    assert found == prose.strip()


def test_named_boilerplate_is_left_out(prose: str) -> None:
    boilerplate = "<div style='float:left'>Python 3.11</div><table><tr><td class='extra'>index</td></tr></table>"
    html = f"<body>{boilerplate}<p>{prose}</p></body>"
    assert text_of(html, "body > div[style*=float]", "td.extra") == prose.strip()
    assert text_of(html) != prose.strip()


PYDOC = """<!DOCTYPE><html lang="en"><head><meta charset="utf-8"><title>Pydoc: module m</title></head><body>
<div style='float:left'>Python 3.11.7<br>Linux</div>
<div style="clear:both;padding-top:.5em;"><table class="heading"><tr class="heading-text decor">
<td class="title">&nbsp;<br><strong class="title">m</strong></td><td class="extra"><a href=".">index</a></td></tr></table>
<p><span class="code">Does&nbsp;one&nbsp;thing.<br>&nbsp;<br>And&nbsp;well.</span></p>
<table class="section"><tr><td class="section-title" colspan=3><strong class="bigsection">Functions</strong></td></tr>
<tr><td class="decor"><span class="code">&nbsp;&nbsp;&nbsp;&nbsp;</span></td><td>&nbsp;</td><td class="singlecolumn">
<dl><dt><a name="-f"><strong>f</strong></a>(a, x, lo=0)</dt><dd><span class="code">Return&nbsp;x.<br>
Example:<br>&nbsp;&nbsp;&nbsp;&nbsp;f(1,&nbsp;2)</span></dd></dl></td></tr></table></div></body></html>"""


def test_documentation_pages_keep_their_text_and_indentation() -> None:
    lines = text_of(PYDOC, "body > div[style*=float]", "td.extra").split("\n")
    assert [line for line in lines if line.strip()] == [
        "m",
        "Does one thing.",
        "And well.",
        "Functions",
        "f(a, x, lo=0)",
        "Return x.",
        "Example:",
        "    f(1, 2)",
    ]


def test_where_the_fast_extractor_loses_the_page_the_careful_one_is_asked(shared: Path, careful: CarefulExtractor) -> None:
    base = shared / "data/html/wcxb"
    with gzip.open(base / "gold.jsonl.gz", "rt") as lines:
        gold = [json.loads(line) for line in lines][::60]
    fast, both, asked = [], [], 0
    for page in gold:
        with gzip.open(base / "pages" / Path(page["file"]).name) as file:
            html = decode(file.read()).text
        fast.append(word_f1(extract(html, (), 0, careful).text, page["gold"]["main_content"]))
        found = extract(html, (), 1000, careful)
        asked += found.extractor == "trafilatura"
        both.append(word_f1(found.text, page["gold"]["main_content"]))
    assert sum(both) > sum(fast)
    assert sum(both) / len(both) > 0.78
    assert 0 < asked < len(gold) / 4


BROKEN = ["", "\0", "<", "<p>a\0b</p>", "&#0;&#xD800;&bogus;", "<html>" * 90, "no tags", "<table><tr><td>" * 90]


@pytest.mark.parametrize("html", BROKEN)
def test_broken_html_does_not_raise(html: str, careful: CarefulExtractor) -> None:
    assert isinstance(text_of(html), str)
    assert isinstance(careful(html), str)


def article(sentences: int) -> str:
    return "".join(
        f"<p>The boat of number {number} lay in the harbour, and the tide came in.</p>" for number in range(sentences)
    )


def test_an_extractor_that_takes_too_long_is_ended_and_the_next_page_read() -> None:
    extractor = CarefulExtractor(0.3)
    assert "number 3" in extractor(article(5))
    with pytest.raises(ExtractorDied) as died:
        extractor(article(60_000))
    assert died.value.reason == "slow"
    assert "number 4" in extractor(article(5))
    extractor.close()


def test_an_extractor_that_crashes_costs_one_page() -> None:
    extractor = CarefulExtractor(20)
    extractor("<p>warm")
    assert extractor.process is not None
    extractor.process.kill()
    with pytest.raises(ExtractorDied) as died:
        extractor(article(5))
    assert died.value.reason == "extractor_crashed"
    assert "number 4" in extractor(article(5))
    extractor.close()


def test_the_extractor_ends_with_its_parent() -> None:
    program = (
        "import os; from pipeline.careful import CarefulExtractor; e = CarefulExtractor(20); e('<p>x'); "
        "print(e.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    repository = Path(__file__).parents[2]
    parent = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(parent.stdout)).wait(10)
    assert not psutil.pid_exists(int(parent.stdout))


def test_depth_is_bounded_from_above() -> None:
    assert nesting("<div>" * 5000 + "x" + "</div>" * 5000) == 5000
    assert nesting("<ul>" + "<li>item" * 5000 + "</ul>") == 1
    assert nesting("<p>one<br>two<img src=x>" * 5000) == 0
    assert nesting("<div><span>x</span></div>" * 500) == 2
    assert nesting("<DIV>" * 200 + "<path/>" * 50) == 200


def test_measuring_the_depth_of_a_large_page_takes_little_time() -> None:
    html = "<div class='a'>" * 100_000 + "text < and > " * 10_000 + "<" * 100_000
    started = time.process_time()
    nesting(html)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a\u00a0b\u2003c", "a b c"),
        ("e\u0301", "é"),
        ("zero\u200bwidth soft\u00adhyphen \ufeffmark", "zerowidth softhyphen mark"),
        ("a  \t\n\n\n\n\nb\r\nc\n", "a\n\nb\nc"),
        ("  indented\n    more", "  indented\n    more"),
        ("\tby tab\n\t\tmore", "\tby tab\n\t\tmore"),
        ("   \t\tcell\n\t \tcell", "cell\ncell"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
    ],
)
def test_layout_is_tidied_and_indentation_kept(raw: str, expected: str) -> None:
    assert tidy(raw) == expected
