"""The run's report: what each artefact tells of itself, as one self-contained HTML file.

Stages tell blocks (`ctx.tell`), which are data in their manifests; `render` draws them. It reads nothing else,
so it can draw any run, also of stages it has never heard of.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from pydantic import TypeAdapter

from cluster.amounts import GIB, human_count, human_seconds
from cluster.report.blocks import Bars, Block, Headline, Lines, Samples, Table

BLOCKS: TypeAdapter[list[Block]] = TypeAdapter(list[Block])

# Forbids scripts and any load, whatever a crawled page or a model's answer may hold.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(name: str, manifests: Sequence[Mapping[str, Any]], summary: Sequence[Block] = (), kind: str = "run") -> str:
    """The report of a run as an HTML page that needs no network and no script.

    manifests: what `artefact.json` holds (cluster.store.Manifest), in the order of the line; at least one.
    summary: what is said before them, for instance of several runs together; its headlines stand for theirs.
    """
    told = [(manifest, BLOCKS.validate_python(manifest["report"])) for manifest in manifests]
    blocks_told = summary or [block for _, blocks in told for block in blocks]
    headlines = [block for block in blocks_told if isinstance(block, Headline)]
    css = resources.files("cluster.report").joinpath("report.css").read_text()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{text(name)}: {text(kind)} report</title>
<style>{css}</style>
</head>
<body>
<header>
<p class="soft">pageloom · {text(kind)} report</p>
<h1>{text(name)}</h1>
<div class="soft">{opening(manifests)}</div>
{headline_list(headlines)}
</header>
<main>
{drawn(summary) if summary else ""}
{overview(manifests)}
{"".join(stage_section(manifest, blocks) for manifest, blocks in told)}
</main>
<footer>pageloom {text(manifests[-1]["pageloom"])} · every figure was measured while its stage ran
and is kept in its artefact.json</footer>
</body>
</html>
"""


def clean(value: object) -> str:
    """Any text without lone surrogates and control characters, which neither HTML nor SVG can hold."""
    whole = str(value).encode("utf-8", "replace").decode()
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", whole.replace("\r\n", "\n"))


def text(value: object) -> str:
    """Any text as HTML."""
    return escape(clean(value))


def number(value: float) -> str:
    """Whole numbers in full, others to four significant digits."""
    if not math.isfinite(value):
        return str(value)
    whole = float(value).is_integer() or abs(value) >= 1e4
    return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:,.4g}"


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shown(value: object) -> str:
    """A table's cell or a count, as HTML."""
    if value is None:
        return "–"
    return number(value) if isinstance(value, (int, float)) and is_number(value) else text(value)


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def opening(manifests: Sequence[Mapping[str, Any]]) -> str:
    hosts = ", ".join(sorted({manifest["host"] for manifest in manifests}))
    seconds = human_seconds(sum(manifest["seconds"] for manifest in manifests))
    last = moment(max(manifest["committed"] for manifest in manifests))
    return f"{len(manifests)} stages in {seconds} on {text(hosts)} · at most {peak_memory(manifests)} · {last}"


def peak_memory(manifests: Sequence[Mapping[str, Any]]) -> str:
    """The highest of stages; where it was measured of the driver alone, that is said."""
    highest = max(manifests, key=lambda manifest: manifest["peak_memory_bytes"])
    whose = " (driver)" if highest.get("peak_memory_of") == "driver" else ""
    return f"{highest['peak_memory_bytes'] / GIB:.1f} GiB{whose}"


def headline_list(headlines: Iterable[Headline]) -> str:
    items = []
    for each in headlines:
        said = isinstance(each.value, str)
        value = text(each.value) if isinstance(each.value, str) else human_count(each.value)
        note = f'<span class="note">{text(each.note)}</span>' if each.note else ""
        label = f"<span>{text(each.label)}</span>"
        inside = f"{label}<b>{value}</b>" if said else f"<b>{value}</b>{label}"
        items.append(f"<li{' class=said' if said else ''}>{inside}{note}</li>")
    return f'<ul class="headlines">{"".join(items)}</ul>' if items else ""


def overview(manifests: Sequence[Mapping[str, Any]]) -> str:
    """The table of stages, each with its time drawn to scale: work, and what was start-up and orchestration."""
    longest = max(manifest["seconds"] for manifest in manifests) or 1
    rows = "".join(overview_row(manifest, longest) for manifest in manifests)
    seconds, work = (sum(manifest[name] for manifest in manifests) for name in ("seconds", "work_seconds"))
    return f"""<div class="overview scroll" tabindex="0" role="region" aria-label="Stages">
<table><thead><tr><th>stage</th><th>time</th><th class="number">took</th><th class="number">start-up</th>
<th class="number">peak memory</th><th class="number">finished</th><th>key</th></tr></thead>
<tbody>{rows}</tbody>
<tfoot><tr><th>all</th><td></td><td class="number">{human_seconds(seconds)}</td>
<td class="number">{share(seconds - work, seconds)}</td><td class="number">{peak_memory(manifests)}</td><td></td><td></td></tr>
</tfoot></table></div>
<p class="legend"><span><i class="work"></i>work</span><span><i class="idle"></i>start-up and orchestration</span></p>"""


def overview_row(manifest: Mapping[str, Any], longest: float) -> str:
    stage, seconds, work = manifest["stage"], manifest["seconds"], manifest["work_seconds"]
    return f"""<tr><th scope="row"><a href="#{anchor(stage)}">{text(stage)}</a></th>
<td class="time"><div class="track" aria-hidden="true"><i class="work" style="width:{100 * work / longest:.2f}%"></i>
<i class="idle" style="width:{100 * (seconds - work) / longest:.2f}%"></i></div></td>
<td class="number">{human_seconds(seconds)}</td><td class="number">{share(seconds - work, seconds)}</td>
<td class="number">{peak_memory([manifest])}</td>
<td class="number soft">{moment(manifest["committed"])}</td><td class="key soft">{text(manifest["key"])}</td></tr>"""


def anchor(stage: str) -> str:
    """An HTML id, which holds no blanks."""
    return text("-".join(stage.split()))


def share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def stage_section(manifest: Mapping[str, Any], blocks: Iterable[Block]) -> str:
    counts = "".join(
        f"<div><dt>{text(name.replace('_', ' '))}</dt><dd>{shown(value)}</dd></div>"
        for name, value in manifest["counts"].items()
        if not isinstance(value, (dict, list))
    )
    settings = json.dumps(manifest["settings"], indent=1, ensure_ascii=False)
    parents = ", ".join(f"{name} {key}" for name, key in manifest["parents"].items())
    size = sum(file["bytes"] for file in manifest["files"])
    return f"""<section id="{anchor(manifest["stage"])}">
<h2>{text(manifest["stage"])}</h2>
<p class="about soft">{human_seconds(manifest["seconds"])} · {len(manifest["files"])} files, {size / 1e6:,.1f} MB ·
<span class="key">{text(manifest["key"])}</span></p>
{f'<dl class="counts">{counts}</dl>' if counts else ""}
{drawn(blocks)}
<details><summary>Settings and origin</summary><pre>{text(settings)}</pre>
<p class="note">version {text(manifest["version"])}{text("; from " + parents) if parents else ""}</p></details>
</section>
"""


def drawn(blocks: Iterable[Block]) -> str:
    return f'<div class="blocks">{"".join(DRAW[block.kind](block) for block in blocks if block.kind in DRAW)}</div>'


def block_figure(block: Table | Lines | Bars | Samples, inside: str, wide: bool = False, unit: str = "") -> str:
    note = f'<p class="note">{text(block.note)}</p>' if block.note else ""
    shape = ' class="wide"' if wide else ""
    title = text(block.title) + (f' <span class="soft">{text(unit)}</span>' if unit else "")
    return f'<figure{shape} aria-label="{text(block.title)}"><h3>{title}</h3>{inside}{note}</figure>'


def draw_table(block: Table) -> str:
    columns = range(len(block.columns))
    numeric = [all(is_number(row[i]) or row[i] is None for row in block.rows) and bool(block.rows) for i in columns]
    css = [' class="number"' if right else "" for right in numeric]
    head = "".join(f"<th scope=col{css[i]}>{text(block.columns[i])}</th>" for i in columns)
    body = "".join("<tr>" + "".join(f"<td{css[i]}>{shown(row[i])}</td>" for i in columns) + "</tr>" for row in block.rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    long = any(isinstance(cell, str) and len(cell) > 60 for row in block.rows for cell in row)
    return block_figure(block, f'<div class="scroll" tabindex="0">{table}</div>', wide=long or len(block.columns) > 3)


def draw_lines(block: Lines) -> str:
    series = {clean(name): points for name, points in block.series.items() if points}
    if not series:
        return block_figure(block, '<p class="soft">nothing was recorded</p>')
    from cluster.report.plots import curves

    return block_figure(block, curves(clean(block.title), clean(block.x_label), clean(block.y_label), series))


def draw_bars(block: Bars) -> str:
    finite = [abs(value) for value in block.values if math.isfinite(value)]
    longest = max(finite, default=0) or 1
    rows = "".join(
        f'<tr><th scope="row">{text(label).replace("_", "_<wbr>")}</th><td><i{" class=below" if value < 0 else ""} '
        f'style="width:{100 * min(abs(value) / longest, 1) if math.isfinite(value) else 0:.2f}%"></i></td>'
        f'<td class="number">{number(value)}</td></tr>'
        for label, value in zip(block.labels, block.values, strict=True)
    )
    return block_figure(block, f'<table class="bars"><tbody>{rows}</tbody></table>', unit=block.unit)


def draw_samples(block: Samples) -> str:
    # A column's share of the width follows its longest text, within limits: models side by side get the same.
    lengths = [max(map(len, column)) for column in zip(block.columns, *block.rows, strict=True)]
    weights = [min(max(length, 12), 60) for length in lengths]
    columns = "".join(f'<col style="width:{100 * weight / sum(weights):.1f}%">' for weight in weights)
    head = "".join(f"<th scope=col>{text(column)}</th>" for column in block.columns)
    body = "".join("<tr>" + "".join(f"<td><div>{text(cell)}</div></td>" for cell in row) + "</tr>" for row in block.rows)
    table = f'<table class="samples">{columns}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return block_figure(block, f'<div class="scroll" tabindex="0">{table}</div>', wide=True)


DRAW: Mapping[str, Any] = {"table": draw_table, "lines": draw_lines, "bars": draw_bars, "samples": draw_samples}
