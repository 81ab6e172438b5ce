"""What others wrote is shown, never obeyed."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from rich.table import Table
from rich.text import Text

from cluster.terminal import Screen, say_json, tell, visible

HOSTILE = {
    "escape": "\x1b[31m",
    "title": "\x1b]0;owned\x07",
    "one-byte escape": "\x9b31m",
    "carriage return": "real\rfake",
    "backspace": "ab\b\bxy",
    "override": "\u202etxt.exe",
    "isolate": "\u2066x\u2069",
    "delete": "\x7f",
    "shift out": "\x0e",
}


def printed(*things: object, **options: object) -> str:
    file = io.StringIO()
    screen = Screen(file=file, width=100, force_terminal=True, color_system=None)
    for thing in things:
        screen.print(thing, **options)  # type: ignore[arg-type]
    return file.getvalue()


def test_exactly_controls_bidirectional_formats_separators_and_surrogates_are_replaced_each_by_one_sign() -> None:
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for code in range(0x110000):
        sign = chr(code)
        category = unicodedata.category(sign)
        obeyed = (category in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t") or unicodedata.bidirectional(
            sign
        ) in bidirectional
        assert (visible(sign) != sign) == obeyed, hex(code)
        assert len(visible(sign)) == 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_wherever_it_stands_a_terminal_sees_a_picture(text: str) -> None:
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    table.add_row(Text(text, style="bold"))
    for shown in (text, Text(text), Text.assemble(("x", "red"), text), table):
        said = printed(shown)
        assert set(said) <= set(visible(said)) | {"\x1b"}
        assert said.count("\x1b") == printed(visible(text) if isinstance(shown, str) else shown).count("\x1b")
        assert text not in said
    assert visible(text) in printed(text)


def test_markup_and_emoji_codes_are_words() -> None:
    table = Table("[b]", box=None)
    table.add_row("[bold]x[/bold] [/] [link=http://x]y[/link] :smile:")
    assert "[bold]x[/bold] [/] [link=http://x]y[/link] :smile:" in printed(table)
    assert printed("/runs/a[/b] [x]") == "/runs/a[/b] [x]\n"


def test_style_stays_where_it_was_beside_what_is_replaced() -> None:
    text = Text("ab\x1bcd")
    text.stylize("bold", 3, 5)
    file = io.StringIO()
    Screen(file=file, force_terminal=True, color_system="standard").print(text)
    assert file.getvalue() == "ab␛\x1b[1mcd\x1b[0m\n"


def test_line_breaks_and_tabs_stay_in_results_and_not_in_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("a\nb") == "a\nb\n"
    tell("first\n\tsecond\r\x1b[2J \udce9 \u2028")
    assert capsys.readouterr().err == "pageloom: first␊␉second␍␛[2J \\udce9 \N{REPLACEMENT CHARACTER}\n"


def test_json_for_programs_has_nothing_to_obey_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"x": "".join(HOSTILE.values()) + "ü\udce9"}
    say_json(said)
    text = capsys.readouterr().out
    assert visible(text) == text
    assert text.isascii()
    assert json.loads(text) == said
