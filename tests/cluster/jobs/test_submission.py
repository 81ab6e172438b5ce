"""A run as a job: the same id for the same work, nothing secret that is not needed, nothing that only this machine has."""

import shlex
from pathlib import Path

import pytest
from ray.job_submission import JobDetails

from cluster.errors import RequestError
from cluster.jobs.client import chosen_address, connected
from cluster.jobs.follow import own_part
from cluster.jobs.submission import SENT, attempt, next_id, refuse_local, submission
from cluster.location import Location
from cluster.recipe import recipe_text
from cluster.store import Store
from pageloom import line, outcome

S3 = "s3://bucket/root"


def prepared(root: Path, settings: tuple[str, ...] = (), until: str = "records", recipe: str = "quickstart"):  # type: ignore[no-untyped-def]
    chosen = line().load(recipe, settings, str(root))
    store = Store(chosen.root_uri)
    return submission(chosen, store, line().plan(chosen, store, until), until, False)


def test_the_id_follows_from_root_and_keys_alone(tmp_path: Path) -> None:
    same = {prepared(tmp_path, settings).base for settings in ((), ("serve.port=9000",), ("cluster.data_workers=3",))}
    assert len(same) == 1
    others = [prepared(tmp_path / "b"), prepared(tmp_path, ("crawl.max_pages=7",)), prepared(tmp_path, until="pages")]
    assert len({*same, *(each.base for each in others)}) == 4


def test_further_attempts_have_numbers_and_those_of_other_work_do_not_count() -> None:
    jobs = [
        JobDetails(type="SUBMISSION", submission_id=name, status="FAILED", entrypoint="")
        for name in ("pageloom-a", "pageloom-a-9", "pageloom-a-10", "pageloom-ab-77")
    ]
    assert next_id("pageloom-a", []) == "pageloom-a"
    assert next_id("pageloom-a", jobs[:1]) == "pageloom-a-2"
    assert next_id("pageloom-a", jobs) == "pageloom-a-11"
    assert [attempt(name, "pageloom-a") for name in ("pageloom-a", "pageloom-a-2", "pageloom-ab", "xpageloom-a")] == [
        1,
        2,
        0,
        0,
    ]


def test_of_the_environment_only_what_reaches_the_store_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "WANDB_API_KEY", "HF_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "hush-hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the store")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    what = prepared(tmp_path)
    assert what.variables["AWS_SECRET_ACCESS_KEY"] == "of the store"
    assert "AWS_SESSION_TOKEN" not in what.variables
    assert set(what.variables) <= {*SENT, "PAGELOOM_COMMIT", "RAY_JOB_STOP_WAIT_TIME_S"}
    told = [what.command, *what.variables.values(), *what.metadata.values()]
    assert not any("hush-hush" in each for each in told)
    assert not any("of the store" in each for each in (what.command, *what.metadata.values()))


def test_the_command_survives_a_shell(tmp_path: Path) -> None:
    recipe = tmp_path / "my $(touch owned) recipe.yaml"
    recipe.write_bytes(recipe_text("quickstart"))
    what = prepared(tmp_path, ("serve.question=what's `that`; ok?",), recipe=str(recipe))
    words = shlex.split(what.command)
    assert words[:6] == ["python", "-P", "-m", "pageloom", "run", "recipe/my $(touch owned) recipe.yaml"]
    assert "serve.question=what's `that`; ok?" in words
    assert words[-2:] == ["--until", "records"]


def test_an_address_of_the_recipe_s_own_gives_way_to_the_job_s_cluster(tmp_path: Path) -> None:
    assert "cluster.address=null" in shlex.split(prepared(tmp_path, ("cluster.address=head:6379",)).command)
    assert "cluster.address=null" not in shlex.split(prepared(tmp_path).command)


def test_a_local_root_and_a_local_input_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["submit", "--root", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pageloom: root {tmp_path}: a path on this machine; give --root s3://")
    assert said.count("\n") == 1
    pages = tmp_path / "pages.html"
    pages.write_text("<p>x</p>")
    assert outcome(["submit", "--root", S3, "--input", str(pages)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pageloom: crawl: {pages} is a path on this machine; copy it into the object store")
    assert outcome(["submit", "--root", S3, "--input", f"file://{pages}"]) == 2
    assert "is a path on this machine" in capsys.readouterr().err


def test_paths_are_taken_where_they_are_said_to_be_shared(tmp_path: Path) -> None:
    chosen = line().load("quickstart", ["cluster.shared_paths=true"], str(tmp_path), [str(tmp_path)])
    refuse_local(chosen, line().stages, Location.of(chosen.root_uri))
    refused = line().load("quickstart", [], str(tmp_path), [str(tmp_path)])
    with pytest.raises(RequestError, match=r"cluster\.shared_paths=true"):
        refuse_local(refused, line().stages, Location.of(refused.root_uri))


def test_the_address_is_the_option_s_then_ray_s_variables_then_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert chosen_address(None)[0] == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "198.18.0.9:6379")
    assert chosen_address(None)[0] == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "http://there:1")
    assert chosen_address(None) == ("http://there:1", "RAY_ADDRESS http://there:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://nearer:2")
    assert chosen_address(None)[0] == "http://nearer:2"
    assert chosen_address("http://named:3/") == ("http://named:3", "--address http://named:3/")


@pytest.mark.parametrize("address", ["head:6379", "ray://head:10001", "auto", "http://"])
def test_what_is_no_dashboard_s_url_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(RequestError, match=rf"^--address {address}: .*write its URL, http://HOST:8265"):
        chosen_address(address)


def test_an_address_at_which_nobody_answers_is_one_line(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    said = rf"^--address {url}: nobody answers there \(.*refused\); start the cluster"
    with pytest.raises(RequestError, match=said), connected(url):
        pass


def test_what_ray_writes_above_a_run_s_words_is_not_shown() -> None:
    log = "INFO job_manager.py -- Runtime env is setting up.\nRunning entrypoint for job x: python -m pageloom\nours\nmo"
    assert own_part(log) == "ours\nmo"
    assert own_part(log[:70]) == ""
    assert own_part("") == ""
