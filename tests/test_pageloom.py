"""The command line: every request that cannot be done is one line that names the thing and the remedy."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from pageloom import line

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
def test_a_request_that_cannot_be_done_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in refusal(*arguments, cwd=tmp_path)


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


def test_plan_lists_every_stage_in_order_without_starting_anything(tmp_path: Path) -> None:
    done = pageloom("plan", "--json", cwd=tmp_path)
    rows = json.loads(done.stdout)["stages"]
    assert [row["stage"] for row in rows] == [stage.name for stage in STAGES]
    assert {row["state"] for row in rows} == {"todo"}
    assert not (tmp_path / "runs").exists()


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


def test_the_shipped_recipe_is_valid_and_prints_as_a_recipe_that_loads(tmp_path: Path) -> None:
    for arguments in (["recipe", "default"], ["recipe", "default", "--full"]):
        file = tmp_path / "mine.yaml"
        file.write_text(pageloom(*arguments, cwd=tmp_path).stdout)
        done = pageloom("recipe", "check", str(file), cwd=tmp_path)
        assert done.returncode == 0, done.stderr


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
