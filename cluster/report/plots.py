"""Curves as small SVG that takes its colours from the page, so that light, dark and print all fit."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that stand for the page's variables: what matplotlib writes is replaced after drawing.
INK = {"#010101": "var(--soft)", "#020202": "var(--line)"}
SERIES = {f"#0{number}0{number}03": f"var(--c{number})" for number in range(1, 7)}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pageloom",
    "text.parse_math": False,
    "font.size": 9,
    "path.simplify_threshold": 0.5,
}


def curves(title: str, x_label: str, y_label: str, series: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """An inline `<svg>` of some curves. series: name -> points (x, y); gaps where y is not finite."""
    soft, line = INK
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 2.5), layout="constrained")
        axes = figure.add_subplot()
        for number, (name, points) in enumerate(series.items()):
            xs, ys = [point[0] for point in points], [point[1] for point in points]
            colour = list(SERIES)[number % len(SERIES)]
            style = "-" if number < len(SERIES) else "--"
            axes.plot(xs, ys, style, color=colour, linewidth=1.5, marker="o" if len(xs) < 3 else "", markersize=4, label=name)
        axes.set_xlabel(x_label, color=soft, labelpad=5)
        axes.set_ylabel(y_label, color=soft, labelpad=9)
        axes.tick_params(colors=soft, length=3, width=0.8)
        axes.grid(axis="y", color=line, linewidth=0.8)
        axes.margins(x=0.01)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(line)
        axes.tick_params(axis="y", length=0)
        if len(series) > 1:
            axes.legend(
                frameon=False, labelcolor=soft, fontsize=9, ncols=min(len(series), 3), loc="lower left", bbox_to_anchor=(0, 1)
            )
        for patch in (figure.patch, axes.patch):
            patch.set_visible(False)
        drawn = io.StringIO()
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return adopt(drawn.getvalue(), title)


def adopt(svg: str, title: str) -> str:
    """Make matplotlib's SVG file a part of an HTML page: no prologue, no clashing ids, the page's colours, a label."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"(?=[^>]*>)', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"(?=[^>]*>)', r"\1", svg)
    svg = re.sub(r"font: [^;]*?px [^;\"]*", lambda found: re.sub(r"px .*", "px system-ui, sans-serif", found.group()), svg)
    for stand_in, colour in (INK | SERIES).items():
        svg = svg.replace(stand_in, colour)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
