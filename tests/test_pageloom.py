"""The command line: every request that cannot be done is one line that names the thing and the remedy."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest
from pydantic import BaseModel

import cluster.recipes
from cluster.errors import RequestError
from cluster.location import Location
from cluster.lock import lock_root
from pageloom import line, outcome, run
from pipeline.corpus.settings import Kind
from pipeline.pages.settings import PagesSettings

STAGES, MODEL = line().stages, line().model


def pageloom(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pageloom", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "200"} | environment,
        timeout=120,
        check=False,
    )


def refusal(*arguments: str, cwd: Path, **environment: str) -> str:
    done = pageloom(*arguments, cwd=cwd, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--set", "pretrain.stepz=3"], "pretrain.stepz: unknown key; did you mean pretrain.steps?"),
        (["run", "--set", "pretrain.steps=many"], "pretrain.steps: input should be a valid integer"),
        (["run", "--set", "rlhf.answer_tokens=400"], "is 464, more than pretrain.model.context (256); change one of them"),
        (["run", "--set", "sft.batch=3"], "sft.batch (3) is not divisible by cluster.train_workers (2)"),
        (
            ["run", "--set", "pages.sources.books.heuristics=null"],
            "pages.sources.books: the run has no such source; there are crawl; name one of them",
        ),
        (["run", "missing.yaml"], "missing.yaml: no such recipe file, nor a shipped recipe (quickstart, web)"),
        (["run", "--input", "nothing.warc.gz"], "nothing.warc.gz: no file there; check the path"),
        (["run", "--until", "nowhere"], "--until nowhere: no such stage; there are crawl, records, classifiers, pages"),
        (["run", "--root", "ftp://x/y"], "ftp://x/y: cannot open this location"),
        (["run", "--root", "/dev/null/x"], "/dev/null/x: cannot be the root (Not a directory); choose another --root"),
        (["run", "--root", "/proc/xx"], "/proc/xx: cannot be the root (No such file or directory); choose another --root"),
        (["run", "--root", __file__], f"{__file__}: cannot be the root (File exists); choose another --root"),
        (["status", "--root", __file__], f"{__file__}: cannot be the root (a file is there); choose another --root"),
        (["forget", "--host", "h", "--root", "/dev/null/x"], "/dev/null/x: cannot be the root (Not a directory); choose"),
        (["run", "--root", "lat\udce9"], "lat\\xe9: the name of the root is not UTF-8; choose another --root"),
        (["run", "--input", "lat\udce9"], "lat\\xe9: no file there; check the path"),
        (["run", "lat\udce9.yaml"], "lat\\udce9.yaml: no such recipe file"),
        (["run", "--set", "records={"], "--set records={: not valid YAML: while parsing a flow node"),
        (
            ["plan", "--set", "records.skip_elements=[div, 'div[']"],
            "records.skip_elements.1: value error, not a CSS selector (CSS parser error: Syntax error.",
        ),
        (["plan", "--set", "crawl.exclude=['(']"], "crawl.exclude.0: value error, not a regular expression (missing ), "),
        (["run", "--nonsense"], "No such option: --nonsense"),
        (["trace", "http://x/"], "nothing crawled yet"),
        (["report"], "no finished stage to report on yet; `pageloom run` makes some"),
        (["serve"], "no release of this recipe yet; `pageloom run` makes it"),
        (["ablate", "missing.yaml"], "missing.yaml: no such file; an ablation is a YAML file with name, variants, and"),
        (["forget"], "forget: nothing named; give --url, --host or --warc-record"),
        (
            ["forget", "--url", "h/a"],
            "--url h/a: not a whole address; give it with its scheme, such as https://example.org/page",
        ),
    ],
)
def test_a_request_that_cannot_be_done_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert outcome(arguments) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert words in said


def test_a_process_of_its_own_says_the_same_line_with_the_same_code(tmp_path: Path) -> None:
    assert "pretrain.stepz: unknown key; did you mean" in refusal("run", "--set", "pretrain.stepz=3", cwd=tmp_path)
    assert "lat\\xe9: the name of the root is not UTF-8" in refusal("run", "--root", "lat\udce9", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "status", "plan"])
def test_a_bucket_that_cannot_be_reached_is_one_line_before_any_work(tmp_path: Path, free_port: int, command: str) -> None:
    s3 = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    message = refusal(command, "--root", "s3://bucket/root", cwd=tmp_path, HOME=str(tmp_path), **s3)
    assert "s3://bucket/root: cannot be the root (When getting information for " in message
    assert message.endswith("; check the address, the credentials and what they permit")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_named_before_any_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refusal("run", "--set", f"serve.port={port}", cwd=tmp_path)
    assert str(port) in message
    assert "--set serve.port=" in message
    assert not (tmp_path / "runs").exists()


def test_an_unreachable_cluster_is_named_before_any_work(tmp_path: Path, free_port: int) -> None:
    message = refusal("run", "--no-serve", cwd=tmp_path, RAY_ADDRESS=f"127.0.0.1:{free_port}")
    assert f"RAY_ADDRESS 127.0.0.1:{free_port}: no Ray cluster answers there" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_plan_lists_every_stage_in_order_without_starting_anything(tmp_path: Path) -> None:
    done = pageloom("plan", "--json", cwd=tmp_path)
    rows = json.loads(done.stdout)["stages"]
    assert [row["stage"] for row in rows] == [stage.name for stage in STAGES]
    assert {row["state"] for row in rows} == {"todo"}
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_forget_writes_the_list_once_and_a_root_without_artefacts_holds_nothing(tmp_path: Path) -> None:
    arguments = ["forget", "--url", "https://h.example/a", "--host", "x.example", "--reason", "mail of 3 May", "--root", "r"]
    first, second = (pageloom(*arguments, cwd=tmp_path) for _ in range(2))
    assert first.stdout.splitlines() == [
        "forgotten from now on  url h.example/a",
        "forgotten from now on  host x.example",
        "no artefact here holds it; later runs leave it out",
    ]
    assert second.stdout.count("on the list already") == 2
    listed = [json.loads(file.read_text()) for file in (tmp_path / "r/forget").iterdir()]
    assert {(each["value"], each["reason"]) for each in listed} == {
        ("h.example/a", "mail of 3 May"),
        ("x.example", "mail of 3 May"),
    }


def test_the_command_line_does_not_import_an_engine_to_plan(tmp_path: Path) -> None:
    engines = ("ray", "torch", "vllm", "transformers", "trafilatura", "wandb")
    code = f"import sys, pageloom; print([name for name in {engines} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["quickstart", "web"])
def test_a_shipped_recipe_prints_as_it_is_and_in_full_and_both_load_as_the_same(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "mine.yaml"
    shipped = line().load(recipe)
    plain = pageloom("recipe", "default", recipe, cwd=tmp_path).stdout
    assert plain == (Path(cluster.recipes.__file__).parent / f"{recipe}.yaml").read_text()
    file.write_text(plain)
    assert line().load(str(file)).model_dump() == shipped.model_dump()
    full = pageloom("recipe", "default", recipe, "--full", cwd=tmp_path).stdout
    file.write_text(full)
    assert line().load(str(file)).model_dump() == shipped.model_dump()
    assert full.count("#") > 150
    assert pageloom("recipe", "check", str(file), cwd=tmp_path).returncode == 0


def test_the_web_recipe_keeps_to_the_papers_and_redacts_all_that_can_be_told() -> None:
    web: Any = line().load("web")
    assert web.pages == PagesSettings()
    assert set(web.corpus.redact) == set(get_args(Kind))
    assert web.crawl.pydoc is None
    assert web.release.name == "pageloom-web"


@pytest.mark.slow
def test_pages_of_ones_own_take_the_web_recipe_which_is_said(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    said = pageloom("plan", "--input", "page.html", cwd=tmp_path).stdout
    assert f"recipe web → {tmp_path}/runs/web: 14 of 14 stages would run" in said
    assert f"recipe quickstart → {tmp_path}/runs/quickstart: " in pageloom("plan", cwd=tmp_path).stdout
    (tmp_path / "runs/web").mkdir(parents=True)
    assert f"{tmp_path}/runs/web: nothing yet" in pageloom("status", cwd=tmp_path).stdout
    assert "/runs/web: nothing crawled yet" in refusal("trace", "http://x/", "--input", "page.html", cwd=tmp_path)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_recipe_that_names_no_pages_is_refused_before_any_work(tmp_path: Path, command: str) -> None:
    message = refusal(command, "web", cwd=tmp_path)
    assert message.endswith("crawl: no pages are named; give --input FILES, or crawl.sources or crawl.seeds in the recipe")


@pytest.mark.slow
def test_a_stage_that_there_is_not_is_refused_by_run_plan_and_python(tmp_path: Path) -> None:
    for arguments in (["run", "--no-serve"], ["plan"]):
        assert "--until nonsense: no such stage; there are crawl, records" in refusal(
            *arguments, "--until", "nonsense", cwd=tmp_path
        )
    with pytest.raises(RequestError, match=r"^--until nonsense: no such stage; there are crawl, records"):
        run(root=str(tmp_path / "r"), until="nonsense")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_version_is_the_installed_one_and_an_argument_is_optional_once(tmp_path: Path) -> None:
    assert pageloom("--version", cwd=tmp_path).stdout == f"pageloom {metadata.version('pageloom')}\n"
    usage = pageloom("plan", "--help", cwd=tmp_path).stdout
    assert "Usage: pageloom plan [OPTIONS] [RECIPE]" in usage
    assert "[[RECIPE]]" not in usage
    assert "(quickstart, web)" in " ".join(usage.split())


def test_help_takes_little_processor_time(tmp_path: Path) -> None:
    before = os.times()
    assert pageloom("--help", cwd=tmp_path).returncode == 0
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2  # 0.6 to 1 s; importing Ray alone would add 1


def completed(words: str, tmp_path: Path) -> list[str]:
    """What bash, told by `pageloom --show-completion`, offers for the last of `words`."""
    command = tmp_path / "pageloom"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pageloom "$@"\n')
    command.chmod(0o755)
    script = f"""
        eval "$(pageloom --show-completion)"
        COMP_WORDS=({words}) COMP_CWORD=$(({len(words.split())} - 1)) COMP_LINE="{words}" COMP_POINT=${{#COMP_LINE}}
        $(complete -p pageloom | sed 's/.*-F \\([^ ]*\\).*/\\1/') pageloom
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}
    (tmp_path / "script").write_text(script)
    done = subprocess.run(
        ["bash", "script"], cwd=tmp_path, env=os.environ | path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("pageloom sta", ["status"]),
        ("pageloom plan w", ["web"]),
        ("pageloom plan --until to", ["tokenizer", "tokens"]),
    ],
)
def test_bash_completes_commands_recipes_and_stages(tmp_path: Path, words: str, offered: list[str]) -> None:
    assert completed(words, tmp_path) == offered


@pytest.mark.parametrize(
    ("shell", "code", "words"),
    [
        ("{} recipe schema | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}", 1, ""),
        (
            "{} recipe schema >/dev/full",
            1,
            "pageloom: no space left on device; free some space, then run again: finished stages stay\n",
        ),
        (
            "{} status --json >/dev/full",
            1,
            "pageloom: no space left on device; free some space, then run again: finished stages stay\n",
        ),
        ("{} recipe schema >&-", 0, ""),
    ],
    ids=["whoever reads stops", "the disk is full", "it is full at the end", "stdout is closed"],
)
def test_output_that_cannot_go_anywhere_ends_it_without_a_traceback(tmp_path: Path, shell: str, code: int, words: str) -> None:
    done = subprocess.run(
        ["bash", "-c", shell.format(f"{sys.executable} -m pageloom")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, words)


def test_the_schema_names_every_section_and_forbids_others(tmp_path: Path) -> None:
    schema = json.loads(pageloom("recipe", "schema", cwd=tmp_path).stdout)
    assert schema["additionalProperties"] is False
    assert {stage.section for stage in STAGES} <= set(schema["properties"])


def silent_settings(model: type[BaseModel], path: str = "") -> list[str]:
    """Settings that say nothing: values by their description, groups of values by their docstring."""
    silent = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            silent += [] if field.annotation.__doc__ else [path + name]
            silent += silent_settings(field.annotation, f"{path}{name}.")
        elif path and not field.description:
            silent.append(path + name)
    return silent


def test_every_setting_of_every_section_says_what_it_is() -> None:
    assert silent_settings(MODEL) == []


def test_stages_need_only_what_comes_before_them() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.needs) <= seen, stage.name
        seen.add(stage.name)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_ray_starts_it_is_130_and_one_line_and_nothing_is_left(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    started = subprocess.Popen(
        [sys.executable, "-m", "pageloom", "run", "--input", "page.html", "--until", "crawl", "--root", "r"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process, deadline, children = psutil.Process(started.pid), time.monotonic() + 120, []
    while not children:
        assert started.poll() is None
        assert time.monotonic() < deadline
        children = process.children(recursive=True)  # Ray's: nothing else is started before it
        time.sleep(0.02)
    started.send_signal(sent)
    said, failed = started.communicate(timeout=120)
    assert (started.returncode, failed.count("\n")) == (130, 1), said + failed
    assert failed.startswith("pageloom: stopped; finished stages stay")
    _, left = psutil.wait_procs(children, timeout=30)
    assert left == []


def test_forget_says_that_a_run_under_way_will_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with lock_root(Location.of(tmp_path / "r")):
        assert outcome(["forget", "--url", "https://h.example/a", "--root", "r"]) == 0
    said = capfd.readouterr().out
    assert (
        f"a run is under way here (pid {os.getpid()} on {socket.gethostname()}): it began without this and stops"
        in " ".join(said.split())
    )
    assert outcome(["forget", "--url", "https://h.example/b", "--root", "r"]) == 0
    assert "under way" not in capfd.readouterr().out
