import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from cluster.report.blocks import Bars, Block, Headline, Lines, Samples, Table
from cluster.report.render import number, render, text

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' &lt; \x00\x1b[31m \ud800 \u202e"


def manifest(*blocks: Block, stage: str = "pages", **fields: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "key": "0123456789abcdef",
        "settings": {"minimum": 3},
        "parents": {"crawl": "fedcba9876543210"},
        "version": "1",
        "pageloom": "0.1.0",
        "seconds": 20.0,
        "work_seconds": 15.0,
        "peak_memory_bytes": 3 << 29,
        "host": "loom",
        "counts": {"kept": 402, "share": 0.8322981, "reasons": {"short": 1}},
        "report": [block.model_dump() for block in blocks],
        "files": [{"path": "a", "bytes": 2_500_000, "digest": "d"}],
        "committed": 1.7e9,
    } | fields


class Page(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text of each element by class."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "col"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile_everywhere() -> dict[str, Any]:
    blocks: list[Block] = [
        Headline(label=HOSTILE, value=HOSTILE, note=HOSTILE),
        Table(title=HOSTILE, columns=[HOSTILE], rows=[[HOSTILE]], note=HOSTILE),
        Lines(title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE, series={HOSTILE: [(0, 1), (1, 2)], "$\\frac{": [(0, 1)]}),
        Bars(title=HOSTILE, labels=[HOSTILE], values=[1], unit=HOSTILE),
        Samples(title=HOSTILE, columns=[HOSTILE], rows=[[HOSTILE]]),
    ]
    return manifest(*blocks, stage=HOSTILE, host=HOSTILE, settings={HOSTILE: HOSTILE}, counts={HOSTILE: HOSTILE})


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    page = Page(render(HOSTILE, [hostile_everywhere()]))
    assert page.open == []
    assert not {"script", "img", "iframe", "object", "link"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.said.count("<script>alert(1)</script>") >= 12


def test_the_page_can_be_written_as_utf8_without_characters_that_html_forbids() -> None:
    html = render(HOSTILE, [hostile_everywhere()])
    assert html.encode("utf-8").decode("utf-8") == html
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", html)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = Page(render("quickstart", [hostile_everywhere()]))
    assert [meta for meta in page.having("meta") if "default-src 'none'" in (meta.get("content") or "")]
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action"):
            if tag != "link" and attributes.get(name):
                assert str(attributes[name]).startswith("#"), (tag, attributes)


def test_the_overview_tells_time_start_up_and_memory_of_every_stage_and_of_all() -> None:
    stages = [manifest(stage="crawl", seconds=90.0, work_seconds=90.0), manifest(seconds=10.0, work_seconds=5.0)]
    said = Page(render("quickstart", stages)).said
    assert "2 stages in 1 min 40 s on loom · at most 1.5 GiB" in said
    assert "crawl 1 min 30 s 0% 1.5 GiB" in said
    assert "pages 10.0 s 50% 1.5 GiB" in said
    assert "all 1 min 40 s 5% 1.5 GiB" in said


def test_headlines_of_all_stages_open_the_report_in_order() -> None:
    stages = [
        manifest(Headline(label="pages read", value=483), stage="crawl"),
        manifest(Headline(label="tokens", value=1_341_234), Headline(label="it says", value="json encodes")),
    ]
    said = Page(render("quickstart", stages)).said
    assert re.search(r"483 pages read 1\.3M tokens it says json encodes stage time", said)


def test_every_figure_is_named_and_holds_its_numbers() -> None:
    blocks: list[Block] = [
        Table(title="Duplicates", columns=["page", "members", "similarity"], rows=[["a", 12345, 0.9], ["b", None, 0.12345]]),
        Bars(title="Reasons", labels=["kept", "short"], values=[402, 100.5], unit="pages", note="of all"),
        Lines(title="Loss", x_label="step", y_label="nats", series={"train": [(0, 8.25), (1, 7)], "held out": [(0, 8.5)]}),
        Samples(title="Answers", columns=["prompt", "base"], rows=[["hi", "line one\n  line two"]]),
    ]
    page = Page(render("quickstart", [manifest(*blocks)]))
    assert [figure["aria-label"] for figure in page.having("figure")] == ["Duplicates", "Reasons", "Loss", "Answers"]
    assert [(svg["role"], svg["aria-label"]) for svg in page.having("svg")] == [("img", "Loss")]
    assert "page members similarity a 12,345 0.9 b – 0.1235" in page.said
    assert "Reasons pages kept 402 short 100.5 of all" in page.said
    assert "line one line two" in page.said
    assert {"train", "held out", "step", "nats"} <= set(page.words)


def test_bars_are_drawn_to_scale() -> None:
    html = render("quickstart", [manifest(Bars(title="b", labels=list("abcd"), values=[200, 50, 0, float("nan")]))])
    bars = html[html.index('<table class="bars">') :]
    assert re.findall(r"width:([\d.]+)%", bars[: bars.index("</table>")]) == ["100.00", "25.00", "0.00", "0.00"]


@pytest.mark.parametrize(
    "points", [[], [(0.0, float("nan"))], [(3.0, 2.0)], [(0.0, 5.0), (1.0, 5.0)], [(0.0, float("inf")), (1.0, 1.0)]]
)
def test_a_curve_of_few_or_no_numbers_is_drawn_all_the_same(points: list[tuple[float, float]]) -> None:
    page = Page(render("quickstart", [manifest(Lines(title="Loss", x_label="x", y_label="y", series={"s": points}))]))
    assert ("nothing was recorded" in page.said) == (not points)


def test_a_table_of_another_width_than_its_head_is_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        Table(title="t", columns=["a", "b"], rows=[["only one"]])
    with pytest.raises(ValueError, match="labels"):
        Bars(title="b", labels=["a"], values=[])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (483, "483"), (15234234, "15,234,234"), (2103.4, "2,103"), (0.83229, "0.8323"), (1e20, "1e+20")],
)
def test_numbers_are_written_for_people(value: float, shown: str) -> None:
    assert number(value) == shown


def test_text_keeps_newlines_and_tabs() -> None:
    assert text("a\r\nb\tc") == "a\nb\tc"


@pytest.mark.slow
def test_a_report_of_a_long_run_is_small_and_quick() -> None:
    curve = [(float(step), 8 / (1 + step)) for step in range(20_000)]
    lines = [Lines(title=f"Loss {n}", x_label="step", y_label="nats", series={"a": curve, "b": curve}) for n in range(6)]
    began = time.process_time()
    html = render("long", [manifest(*lines, stage=f"stage{n}") for n in range(2)])
    assert time.process_time() - began < 5
    assert len(html) < 2_000_000


def test_a_summary_comes_first_and_its_headlines_stand_for_those_of_the_parts() -> None:
    parts = [manifest(Headline(label="part", value=1), stage=f"base {number}: a variant") for number in (1, 2)]
    summary: list[Block] = [Headline(label="whole", value=2), Table(title="Variants", columns=["name"], rows=[["a"]])]
    page = Page(render("x", parts, summary, kind="ablation"))
    assert page.said.startswith("x: ablation report pageloom · ablation report x")
    assert "whole" in page.said
    assert "part" not in page.said.split()
    assert page.said.index("Variants") < page.said.index("base 1: a variant")


def test_links_lead_to_the_sections_of_stages_whose_names_have_blanks() -> None:
    page = Page(render("x", [manifest(stage="base 1: a  variant")]))
    assert [each["id"] for each in page.having("section")] == ["base-1:-a-variant"]
    assert [each["href"] for each in page.having("a")] == ["#base-1:-a-variant"]
