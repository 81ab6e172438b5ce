"""Whatever is typed, and whatever is in the files that are named: an exit code, one line of failure, nothing to be obeyed."""

from __future__ import annotations

import io
import itertools
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pageloom import outcome

pytestmark = pytest.mark.slow

# What a terminal obeys beside a line break and a tab, written down independently of cluster.terminal.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NOBODY = "http://127.0.0.1:9/v1"

ROOTS = [
    "r",
    "with blank",
    "a[/b]",
    "[x]",
    "[bold red]",
    ":smile:",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[31mb",
    "a\x1b]0;title\x07b",
    "a\x9b31mb",
    "a\u202eb",
    "a\u2066b",
    "%41",
    "#x",
    "?y",
    "{a}",
    "~nobody9/x",
    "lat\udce9",
    "/proc/xx",
    "/sys/xx",
    "/dev/null/x",
    "/dev/full",
    "/dev/full/x",
    "fifo",
    "file",
    "file/below",
    "damaged",
    "",
    "x" * 300,
    "y/" * 3000,
    "ftp://x/y",
    "://",
    "s3:/x",
    "nothing://[/b]",
    "http://[",
]

RECIPES = {
    "empty": b"",
    "binary": bytes(range(256)),
    "latin": b"name: caf\xe9",
    "utf16": "name: x".encode("utf-16"),
    "escape": b'"a\\e[31m": 1',
    "markup": b'"[/b]": 1',
    "value": b'name: "a\\e[31m[/b]"',
    "listed": b"- 1\n- 2",
    "text": b"hello",
    "twice": b"name: a\nname: b",
    "nested": b"pretrain: " + b"[" * 700,
    "bomb": b"a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 8)) for i in range(20)),
    "itself": b"crawl: &a {sources: [*a]}",
    "object": b"name: !!python/object/apply:os.system [ls]",
    "digits": b"pretrain: {steps: " + b"9" * 5000 + b"}",
    "date": b"name: 2020-13-01",
    "perhaps": b"name: !!bool perhaps",
    "stamp": b"name: !!timestamp x",
    "nul": b'root: "a\\0b"',
    "surrogate": b'root: "a\\ud800b"',
    "keys": b"1: 2\nnull: 3\ntrue: 4",
    "mapping": b"? [a]\n: b",
    "sections": b"crawl:\nrecords:\npages:\n",
    "endless": b"pretrain: {optimiser: {learning_rate: .nan}}\ncluster: {checkpoint_seconds: .inf}",
    "seeds": b'crawl: {seeds: ["http://[/b]", "\\e[2J"], contact: "\\x9b"}',
    "input": b'crawl: {input: ["a\\nb[/b]", "**/[", "\\e"]}',
    "two": b"name: a\n---\nname: b",
}

SETS = [
    "",
    "=",
    "name",
    "=1",
    ".=1",
    "a..b=1",
    ".a=1",
    "'=1",
    '"a',
    '"a"b=1',
    "[/b]=1",
    "\x1b[31m=1",
    "name=\x1b[31m",
    "name=[/b]",
    "name={",
    "name='a\nb'",
    "pretrain=",
    "pretrain=3",
    "pretrain.steps=",
    "pretrain.steps.x=1",
    "pretrain.steps=[/b]",
    "pretrain.steps=\x9b",
    "pretrain.steps=.inf",
    "pretrain.steps=" + "9" * 5000,
    "pretrain.optimiser.betas.0=0.5",
    "pretrain.optimiser.betas.2=0.5",
    "crawl.sources.0=1",
    "crawl.sources.0.weight=1",
    "pages.language.keep.-1=x",
    "pages.language.keep.0=",
    "pages.language.keep.99999999999=x",
    "pages.language.keep.²=x",
    'pages.sources."a.b".heuristics=null',
    "pages.sources.'[/b]'.heuristics=null",
    "name=&a [*a]",
    "root=x[/b]",
    "root=3",
    "serve.host='\x07'",
    "lat\udce9=1",
    "name=lat\udce9",
]

RECIPE_LAST = [["plan"], ["status"], ["report"], ["serve"], ["run"], ["doctor"], ["recipe", "check"], ["recipe", "default"]]
ROOTED = [
    ["plan"],
    ["plan", "--json"],
    ["status"],
    ["status", "--json"],
    ["report"],
    ["serve"],
    ["run", "--no-serve"],
    ["trace", "http://x/\x1b[31m[/b]"],
    ["trace", "http://x/\x1b[31m[/b]", "--json"],
    ["show", "pages"],
    ["show", "dedup"],
    ["forget", "--url", "http://x/\x1b[31m\u202e", "--reason", "[/b]"],
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory that requests are made from, with things of wrong kinds in it, far from any Ray."""
    place = tmp_path_factory.mktemp("hostile")
    os.mkfifo(place / "fifo")
    (place / "file").write_text("a file")
    for stage in ("crawl", "records", "pages", "release"):
        (place / "damaged" / stage / "0123456789abcdef").mkdir(parents=True)
    (place / "damaged" / "forget").mkdir()
    (place / "damaged" / "forget" / "x.json").write_text("{")
    for name, content in RECIPES.items():
        (place / f"{name}.yaml").write_bytes(content)
    before = Path.cwd()
    with socket.socket() as closed, pytest.MonkeyPatch.context() as environment:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens: a run that gets as far as Ray is refused there
        environment.setenv("RAY_ADDRESS", f"127.0.0.1:{closed.getsockname()[1]}")
        environment.setenv("TMPDIR", str(place))
        environment.setattr(tempfile, "tempdir", None)
        os.chdir(place)
        yield place
        os.chdir(before)


def answer(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a request, held to what every request is held to."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = outcome(list(arguments))
    said, failed = out.getvalue(), err.getvalue()
    shown = f"{arguments!r}\n{code}\n{said[-2000:]}\n{failed[-2000:]}"
    assert code in (0, 1, 2), shown
    assert "Traceback" not in said + failed, shown
    assert "a fault of pageloom" not in failed, shown
    assert not OBEYED.search(said + failed), shown
    told = code in (1, 2) and said and not failed  # doctor's table; the help where all that is missing is a command
    assert told or failed.count("\n") == (code != 0), shown
    return code, said, failed


def share_of(commands: list[list[str]], number: int) -> list[list[str]]:
    """A third of the commands, another one for the next number; all together: the long test."""
    return commands[number % 3 :: 3]


@pytest.mark.parametrize("root", ROOTS, ids=ascii)
def test_no_root_is_obeyed_or_ends_in_a_traceback(place: Path, root: str) -> None:
    for command in share_of(ROOTED, ROOTS.index(root)):
        answer([*command, "--root", root])


def test_doctor_looks_at_any_root(place: Path) -> None:
    for root in ROOTS:
        answer(["doctor", "--root", root])


@pytest.mark.parametrize(
    "recipe", [*RECIPES, "missing", "fifo", "damaged", "file", "[/b]", "a\x1b[31m", "", "x" * 5000], ids=ascii
)
def test_no_recipe_is_obeyed_or_ends_in_a_traceback(place: Path, recipe: str) -> None:
    name = f"{recipe}.yaml" if recipe in RECIPES else recipe
    for command in [*RECIPE_LAST, ["ablate"]]:
        answer([*command, name])


@pytest.mark.parametrize("override", SETS, ids=ascii)
def test_no_override_is_obeyed_or_ends_in_a_traceback(place: Path, override: str) -> None:
    commands = [["plan"], ["recipe", "check"], ["run"], ["status"], ["chat", "--url", NOBODY], ["serve"]]
    for command in share_of(commands, SETS.index(override)):
        answer([*command, "--set", override])


def test_options_at_their_limits(place: Path) -> None:
    for arguments in (
        [],
        ["--version"],
        ["-h"],
        ["run", "-h"],
        ["\x1b[31m"],
        ["--\x1b[31m[/b]"],
        ["run", "--until", "\x1b[31m[/b]"],
        ["run", "a", "b"],
        ["plan", "--until"],
        ["run", "--input", ""],
        ["run", "--input", "[/b]"],
        ["plan", "--input", "\x1b[31m**/["],
        ["plan", "--input", "/proc/self/mem"],
        ["plan", "--input", "fifo"],
        ["plan", "--input", "lat\udce9"],
        ["show", "pages", "--limit", "0"],
        ["show", "dedup", "--cluster", "x"],
        ["chat", "--url", "http://[/b]"],
        ["chat", "--url", "\x1b[31m"],
        ["chat", "--url", ""],
        ["forget", "--url", "http://[::1/x"],
        ["forget", "--host", "\x1b[31m"],
        ["forget", "--warc-record", "@"],
        ["trace", ""],
        ["recipe", "schema"],
        ["recipe", "default", "--full"],
        ["ablate", "\x1b[31m"],
    ):
        answer(arguments)


COMMANDS = [
    "run",
    "plan",
    "status",
    "report",
    "serve",
    "trace",
    "show",
    "pages",
    "dedup",
    "forget",
    "recipe",
    "check",
    "default",
]
OPTIONS = ["--root", "--set", "--until", "--input", "--json", "--url", "--full", "--wait", "--", "-", "="]
WORDS = st.sampled_from([*COMMANDS, *OPTIONS, "web", "quickstart", *SETS, *ROOTS])
TEXT = st.text(st.characters(exclude_characters="\x00"), max_size=12)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(arguments=st.lists(WORDS | TEXT, max_size=6))
def test_no_line_of_arguments_is_obeyed_or_ends_in_a_traceback(place: Path, arguments: list[str]) -> None:
    answer(arguments)


@pytest.mark.long
def test_every_command_bears_every_root_and_every_recipe_beside_overrides(place: Path) -> None:
    overrides = itertools.cycle(SETS)
    for command, root, _ in itertools.product(ROOTED, ROOTS, range(3)):
        answer([*command, "--root", root, *([] if command[0] == "forget" else ["--set", next(overrides)])])
    for command, recipe, _ in itertools.product(RECIPE_LAST, RECIPES, range(3)):
        answer([*command, f"{recipe}.yaml", *([] if command[-1] == "default" else ["--set", next(overrides)])])
