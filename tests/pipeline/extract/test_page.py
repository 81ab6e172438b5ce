from __future__ import annotations

import re
import time
import unicodedata
from pathlib import Path

import pytest
import trafilatura
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from resiliparse.extract.html2text import extract_plain_text

from pipeline.extract.gold import gold_pages, word_f1
from pipeline.extract.page import (
    TRAFILATURA_CHARACTERS,
    Limits,
    coarse_nesting,
    extract,
    load_trafilatura,
    nesting,
    tidy,
    with_ends,
)

NAVIGATION = "<nav><ul>" + "".join(f'<li><a href="/{n}">Section {n}</a></li>' for n in range(20)) + "</ul></nav>"


def unasked(html: str) -> str:
    raise AssertionError("trafilatura was asked")


def text_of(html: str, *skip: str) -> str:
    """Without trafilatura."""
    return extract(html, skip, Limits(ask_below=0), unasked).text


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


DECLARED = [
    '<?xml version="1.0"?><html>',
    '<html xmlns="http://www.w3.org/1999/xhtml">',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd"><html>',
]
SELF_CLOSED = ["script", "title", "iframe", "textarea", "style", "noscript", "select", "object", "video", "template", "div"]


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("name", SELF_CLOSED)
def test_in_xhtml_an_element_may_end_in_its_own_tag(declared: str, name: str, prose: str) -> None:
    body = f"<{name} class='a/b' /><p>{prose}</p><{name}/><p>{prose}</p>"
    page = f"{declared}<head><title>x</title></head><body>{body}</body></html>"
    by_xml = "".join(etree.fromstring(page.encode(), etree.XMLParser(load_dtd=False)).find(".//{*}body").itertext())
    assert text_of(page).split() == by_xml.split() == (prose * 2).split()


def test_what_a_script_of_an_xhtml_page_writes_is_no_tag_and_html_stays_as_it_is(prose: str) -> None:
    script = """<script>var a = "<script src='x'/>", b = "<iframe/>"; run(a + b);</script><style>p {}</style>"""
    assert text_of(f"{DECLARED[0]}<body>{script}<script src='y'/><p>{prose}</p></body></html>") == prose.strip()
    assert with_ends(f"<html><body><script src='y'/><p>{prose}</p></body></html>").endswith(
        f"<script src='y'/><p>{prose}</p></body></html>"
    )


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


STRUCTURED = """<html><head><title>Knots for small boats</title></head><body>
<header><a href="/">Home</a> <a href="/shop">Shop</a> <a href="/login">Log in</a></header>
<nav><ul><li><a href="/a">Ropes</a></li><li><a href="/b">Sails</a></li><li><a href="/c">Anchors</a></li></ul></nav>
<main><article><h1>Knots for small boats</h1>
<p>A sailor needs few knots, but has to tie them in the dark, with cold hands and while the boat is moving under him.</p>
<h2>Which to learn first</h2>
<p>Begin with these, in this order, and tie each of them a hundred times before you go on to the next one.</p>
<ul><li>The bowline, which never slips</li><li>The clove hitch, which is quick
<ul><li>and holds a fender</li></ul></li></ul>
<ol><li>Make a small loop</li><li>Pass the end through it</li></ol>
<h2>How strong they are</h2>
<p>A knot weakens the rope. The share of strength that is left was measured for each of them with a new rope.</p>
<table><tr><th>Knot</th><th>Strength left</th></tr><tr><td>Bowline</td><td>65 percent</td></tr>
<tr><td>Clove hitch</td><td>75 percent</td></tr></table>
<h2>A program for it</h2>
<p>The following function computes the strength that is left after a number of knots in the same rope.</p>
<pre><code>def left(strength, knots):
    for knot in knots:
        strength *= knot.share
    return strength
</code></pre>
<p>Whoever knows these knots can sail along the coast without fear, and will learn the others in the harbour.</p>
</article></main>
<footer><p>Copyright 2024 Boats Ltd. All rights reserved. <a href="/privacy">Privacy policy</a></p></footer></body></html>"""


@pytest.mark.parametrize("ask_below", [0, 1])
def test_headings_lists_tables_and_code_survive_whoever_is_asked(ask_below: float) -> None:
    found = extract(STRUCTURED, (), Limits(ask_below), load_trafilatura())
    assert found.extractor == ("resiliparse+trafilatura" if ask_below else "resiliparse")
    text, lines = found.text, found.text.split("\n")
    headings = ("Knots for small boats", "Which to learn first", "How strong they are", "A program for it")
    assert all(lines.count(heading) == 1 for heading in headings)
    items = ["• The bowline, which never slips", "• The clove hitch, which is quick", "• and holds a fender"]
    assert [line.strip() for line in lines if "•" in line] == items
    depth = [len(line) - len(line.lstrip()) for line in lines if "•" in line]
    assert depth[2] > depth[1] == depth[0]
    assert [line.strip() for line in lines if line.strip()[:2] in ("1.", "2.")] == [
        "1. Make a small loop",
        "2. Pass the end through it",
    ]
    rows = [line.split("\t") for line in lines if "\t" in line]
    assert [[cell for cell in row if cell] for row in rows] == [
        ["Knot", "Strength left"],
        ["Bowline", "65 percent"],
        ["Clove hitch", "75 percent"],
    ]
    code = "def left(strength, knots):\n    for knot in knots:\n        strength *= knot.share\n    return strength"
    assert code in text
    assert "Anchors" not in text
    assert "Log in" not in text


def test_trafilatura_is_asked_where_the_expected_f1_is_lower_than_the_limit(prose: str) -> None:
    html = f"<html><body>{NAVIGATION}<p>{prose}</p></body></html>"
    asked = []

    def second(page: str) -> str:
        asked.append(page)
        return prose

    sure = extract(html, (), Limits(0), second)
    assert 0 < sure.score < 1
    assert extract(html, (), Limits(sure.score), second).extractor == "resiliparse"
    assert not asked
    assert extract(html, (), Limits(sure.score + 0.01), second).extractor == "resiliparse+trafilatura"
    assert asked == [html]


@pytest.mark.slow
def test_on_domains_it_never_saw_the_router_beats_both_extractors(shared: Path) -> None:
    """A sample of what tests.benchmarks.extraction measures on all of them (.89 to .86 and .84), without asking trafilatura."""
    held = [page for page in gold_pages(shared / "data/html", ("wcxb",)) if page.held_out][::6]
    assert len(held) > 50
    ours = sum(word_f1(text_of(page.html), page.gold) for page in held) / len(held)
    careful = sum(word_f1(trafilatura.extract(page.html) or "", page.gold) for page in held) / len(held)
    fast = sum(word_f1(extract_plain_text(page.html, main_content=True), page.gold) for page in held) / len(held)
    assert ours > careful + 0.01
    assert ours > fast + 0.01


def test_a_page_too_large_for_trafilatura_is_left_to_the_fast_extractor(prose: str) -> None:
    html = f"<p>{prose}</p><!-- {'x' * TRAFILATURA_CHARACTERS} -->"
    assert extract(html, (), Limits(1), unasked).extractor == "resiliparse"


BROKEN = ["", "\0", "<", "<p>a\0b</p>", "&#0;&#xD800;&bogus;", "<html>" * 90, "no tags", "<table><tr><td>" * 90]


@pytest.mark.parametrize("html", BROKEN)
def test_broken_html_does_not_raise(html: str) -> None:
    assert isinstance(extract(html, (), Limits(1), load_trafilatura()).text, str)


def test_depth_is_bounded_from_above() -> None:
    assert nesting("<div>" * 5000 + "x" + "</div>" * 5000) == 5000
    assert nesting("<ul>" + "<li>item" * 5000 + "</ul>") == 1
    assert nesting("<p>one<br>two<img src=x>" * 5000) == 0
    assert nesting("<div><span>x</span></div>" * 500) == 2
    assert nesting("<DIV>" * 200 + "<path/>" * 50) == 200
    assert nesting('<div title="a < b">' * 500) == 500
    assert nesting("<div title='a<b'" * 500) >= 500
    assert nesting("<div" * 500) == 500


@given(
    st.lists(
        st.sampled_from(["<div>", "</div>", "<p>", "<br>", "text " * 300, "<b>x</b>", "<span>" * 90, "</i>", "<!-- c -->"])
    )
)
def test_the_coarse_bound_is_never_below_the_exact_one(parts: list[str]) -> None:
    html = "<b>" * 128 + "".join(parts)
    assert coarse_nesting(html) >= nesting(html)
    assert (nesting(html, 200) > 200) == (nesting(html) > 200)


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


@given(st.lists(st.sampled_from(["first", "second line", "", "\r", "\r\n", "\n", "\v", "\f", "\x85", "\u2028", "\u2029"])))
def test_every_line_break_of_unicode_ends_a_line(parts: list[str]) -> None:
    text = "".join(parts)
    assert tidy(text).split() == text.split()
    assert [line for line in tidy(text).split("\n") if line] == [line for line in text.splitlines() if line]


SPELLED = [
    "می\u200cخواهم کتاب\u200cها را ببینم",  # Persian: I want to see the books
    "ده\u200cچم بۆ ماڵه\u200cوه\u200c‌ی",  # Kurdish
    "র\u200d্যাব",  # Bengali: without it, another conjunct
    "അവന്\u200d പറഞ്ഞു",  # Malayalam as before Unicode 5.1: at the end of a word
    "ශ්\u200dරී ලංකා",  # Sinhala
    "क्\u200dष क्\u200cष",  # Hindi: two ways not to make one sign of two
    "👩\u200d💻 ❤\ufe0f\u200d🔥 🧑🏽\u200d🚀",
]


@pytest.mark.parametrize("text", SPELLED)
def test_joiners_that_are_spelling_stay(text: str) -> None:
    once = unicodedata.normalize("NFC", re.sub("\u200c+", "\u200c", text))
    assert tidy(text) == once


@pytest.mark.parametrize("sign", ["\u200c", "\u200d", "\u200c\u200c", "\u200d\u200d"])
def test_joiners_that_nothing_joins_go(sign: str) -> None:
    text = "{0}Auf{0}lage of the{0} book,{0} 2{0}3{0}"
    assert tidy(text.format(sign)) == text.format("")
    assert tidy(f"line\n{sign}\n{sign} \nline") == "line\n\nline"


def test_keeping_apart_is_not_written_twice_or_beside_a_blank() -> None:
    assert tidy("می\u200c\u200cخواهم\u200c رفت\u200c.") == "می\u200cخواهم رفت."


def test_a_letter_keeps_thirty_marks() -> None:
    assert unicodedata.normalize("NFD", tidy("o" + "\u0301\u0323" * 500)) == "o" + "\u0323" * 15 + "\u0301" * 15
    assert tidy("Vie\u0302\u0323t e\u0301") == "Việt é"
