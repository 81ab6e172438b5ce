"""A recipe's manifests hold what the recipe needs, and nobody edits YAML for it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import pageloom
from cluster.kubernetes.render import OVERLAYS
from cluster.resources import Node, missing
from tests.k8s.kustomize import K8S, Object, build
from tests.k8s.rules import complaints, kinds, named, quantity

pytestmark = pytest.mark.slow  # a kustomization or two a test, each of 2,000 lines

ROOT = "s3://bucket/root"
PAGES = ("--input", "s3://bucket/crawl/*.warc.gz")


def rendered(place: Path, overlay: str, *more: str, recipe: str = "web") -> list[Object]:
    asked = ["k8s", "render", recipe, "--overlay", overlay, "--root", ROOT, "-o", str(place), *more]
    assert pageloom.outcome(asked) == 0
    return build(place)


def the(objects: list[Object], name: str) -> Object:
    (found,) = [each for each in objects if named(each) == name]
    return found


def nodes(cluster: Object, replicas: str = "maxReplicas") -> list[list[Node]]:
    """The nodes of each worker group, as Ray counts what their pods may use."""
    groups = []
    for group in cluster["workerGroupSpecs"]:
        most = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        node = Node(float(most["cpu"]), float(most.get("nvidia.com/gpu", 0)), quantity(most["memory"]))
        groups.append([node] * group[replicas])
    return groups


def recipe_of(objects: list[Object], place: Path) -> Any:
    """The recipe that the jobs run."""
    file = place / "mounted.yaml"
    file.write_text(the(objects, "ConfigMap pageloom-recipe")["data"]["recipe.yaml"])
    return pageloom.line().load(str(file))


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("size", ["", "cluster.data_workers=13", "cluster.train_workers=4"])
def test_workers_hold_every_stage_and_not_one_pod_more(overlay: str, size: str, tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", overlay, *PAGES, *(("--set", size) if size else ()))
    assert complaints(objects) == []
    room = pageloom.line().needs_room(recipe_of(objects, tmp_path))
    at_training = pageloom.line().names.index("base")
    stages = {
        "RayJob pageloom-pages": pageloom.line().names[:at_training],
        "RayJob pageloom-train": pageloom.line().names[at_training:],
        "RayJob pageloom-cycle": pageloom.line().names,
    }
    for job, names in stages.items():
        needs = [room[name] for name in names if name in room]
        plain = [bundles for bundles in needs if not any(each.gpu for each in bundles)]
        *cpus, last = nodes(the(objects, job)["spec"]["rayClusterSpec"])
        for group, held in [
            *((group, plain) for group in cpus),
            (last, [each for each in needs if not cpus or each not in plain]),
        ]:
            assert not any(missing(bundles, group) for bundles in held), job
            assert not group or any(missing(bundles, group[1:]) for bundles in held), job
    service = the(objects, "RayService pageloom")["spec"]["rayClusterConfig"]
    assert missing(room["serving"], nodes(service, "minReplicas")[0]) == ""


def test_four_pods_of_four_cores_hold_fifteen_page_workers(tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", "dev-cpu", *PAGES, "--set", "cluster.data_workers=15")
    (group,) = nodes(the(objects, "RayJob pageloom-pages")["spec"]["rayClusterSpec"])
    assert group == [Node(4, 0, 16 << 30)] * 4


def test_an_aligned_model_of_two_ranks_takes_five_gpus(tmp_path: Path) -> None:
    """Two ranks, the engine, the reference and the reward model hold a GPU each; the pages take none."""
    objects = rendered(tmp_path / "out", "gpu", *PAGES)
    plain, gpus = nodes(the(objects, "RayJob pageloom-train")["spec"]["rayClusterSpec"])
    assert (len(plain), [node.gpu for node in gpus]) == (0, [1.0] * 5)
    assert all(node.gpu == 0 for node in nodes(the(objects, "RayJob pageloom-pages")["spec"]["rayClusterSpec"])[0])


def test_what_the_jobs_run_is_the_recipe_with_its_overrides_and_the_same_keys(tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", "gpu", *PAGES, "--set", "pretrain.steps=7", "--set", "cluster.address=10.0.0.1:6379")
    mounted = recipe_of(objects, tmp_path)
    asked = pageloom.line().load("web", ["pretrain.steps=7"], ROOT, [PAGES[1]])
    assert mounted.cluster.address is None  # of each job its own
    assert mounted.cluster.gpus_per_worker == 1
    for section in {stage.section for stage in pageloom.line().stages}:
        assert getattr(mounted, section) == getattr(asked, section)
    assert mounted.root_uri == ROOT


def test_the_endpoint_is_that_of_the_recipe(tmp_path: Path) -> None:
    settings = ["serve.answer_seconds=300", "serve.max_tokens=64", "serve.port=9000", "serve.replicas=3"]
    objects = rendered(tmp_path / "out", "prod", *PAGES, "--release", "stable", *(f"--set={each}" for each in settings))
    spec = the(objects, "RayService pageloom")["spec"]
    config = yaml.safe_load(spec["serveConfigV2"])
    assert config["http_options"] == {"host": "0.0.0.0", "port": 8000, "request_timeout_s": 300}
    args = config["applications"][0]["args"]
    assert args.pop("serve") == {"answer_seconds": 300, "max_tokens": 64, "replicas": 3, "kv_cache_mb": 64}
    assert args == {"root": ROOT, "release": "stable", "gpus": 1}
    (group,) = spec["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (3, 3, 4)
    assert the(objects, "PodDisruptionBudget pageloom")["spec"]["minAvailable"] == 2
    assert complaints(objects) == []


def test_a_single_engine_never_keeps_a_node_from_being_drained(tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", "prod", *PAGES, "--set", "serve.replicas=1")
    assert not kinds(objects, "PodDisruptionBudget")


def test_a_release_elsewhere_is_served_by_its_uri(tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", "dev-cpu", *PAGES, "--release", "s3://other/root/release/abc")
    args = yaml.safe_load(the(objects, "RayService pageloom")["spec"]["serveConfigV2"])["applications"][0]["args"]
    assert (args["model"], "root" in args) == ("s3://other/root/release/abc", False)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_before_there_is_a_release_nothing_serves(overlay: str, tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", overlay, *PAGES, "--no-serve")
    assert not kinds(objects, "RayService", "PodDisruptionBudget")
    assert len(kinds(objects, "RayJob")) == 3


def test_pages_of_the_runs_own_node_are_crawled_by_a_run_on_a_worker(tmp_path: Path) -> None:
    """pydoc's server answers on loopback, and the head takes no crawler; so the run has a CPU on a worker."""
    objects = rendered(tmp_path / "out", "dev-cpu", recipe="quickstart")
    job = the(objects, "RayJob pageloom-pages")["spec"]
    assert job["entrypointNumCpus"] == 1
    assert nodes(job["rayClusterSpec"]) == [[Node(3, 0, 12 << 30)]]  # two page workers and the run
    assert "entrypointNumCpus" not in the(objects, "RayJob pageloom-train")["spec"]
    assert complaints(objects) == []


def test_a_cycle_that_crawls_has_a_root_of_its_own_and_one_of_files_goes_on_in_the_same(tmp_path: Path) -> None:
    crawling = rendered(
        tmp_path / "a", "dev-cpu", "--set", 'crawl.seeds=["https://example.org/"]', "--set", "crawl.contact=a@example.org"
    )
    assert f"--root {ROOT}/cycles/@JOB_NAME@ " in the(crawling, "RayJob pageloom-cycle")["spec"]["entrypoint"]
    assert complaints(crawling) == []
    odd = rendered(tmp_path / "odd", "dev-cpu", "--root", "s3://b/r;id>x", recipe="quickstart")
    words = shlex.split(the(odd, "RayJob pageloom-cycle")["spec"]["entrypoint"])
    assert words[words.index("--root") + 1] == "s3://b/r;id>x/cycles/@JOB_NAME@"
    files = rendered(tmp_path / "b", "dev-cpu", *PAGES)
    assert "--root" not in the(files, "RayJob pageloom-cycle")["spec"]["entrypoint"]


def test_a_schedule_starts_the_cycle_and_no_schedule_does_not(tmp_path: Path) -> None:
    scheduled = the(rendered(tmp_path / "a", "dev-cpu", *PAGES, "--schedule", "30 2 * * 6"), "CronJob pageloom-cycle")["spec"]
    assert (scheduled["schedule"], scheduled["suspend"]) == ("30 2 * * 6", False)
    assert the(rendered(tmp_path / "b", "dev-cpu", *PAGES), "CronJob pageloom-cycle")["spec"]["suspend"] is True


@pytest.mark.parametrize("image", ["registry.example:5000/team/pageloom:1.2-cpu", "team/pageloom@sha256:" + "a" * 64])
def test_the_image_is_the_one_that_is_named_everywhere(image: str, tmp_path: Path) -> None:
    objects = rendered(tmp_path / "out", "dev-cpu", *PAGES, "--image", image)
    text = yaml.safe_dump_all(objects, width=1000)
    assert set(re.findall(r"image: (\S+)", text)) == {image}


def test_rendering_again_replaces_what_was_rendered_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "out"
    rendered(place, "prod", *PAGES)
    (place / "mine.yaml").write_text("kept")
    (place / "base" / "network.yaml").write_text("broken")
    rendered(place, "dev-cpu", *PAGES)
    assert (place / "mine.yaml").read_text() == "kept"
    assert (place / "base" / "network.yaml").read_text() == (K8S / "base" / "network.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--overlay", "big"], "--overlay big: no such overlay; there are dev-cpu, gpu, prod"),
        (["--overlay", "gpu", "--root", "runs/web"], "root runs/web: a directory of this machine, .*; give --root s3://"),
        (["--overlay", "gpu", "--input", "pages/a.warc.gz"], r"crawl: .*pages/a.warc.gz.*(file|path).*"),
        (["--overlay", "gpu", "--set", "sft.files=[chats.jsonl]"], "sft: chats.jsonl is a file of this machine; put it"),
        (["--overlay", "gpu", "--image", "pageloom"], "--image pageloom: says not which; give NAME:TAG"),
        (["--overlay", "gpu", "--image", "pageloom:latest"], "--image pageloom:latest: says not which"),
        (["--overlay", "gpu", "--image", "host:5000/pageloom"], "--image host:5000/pageloom: says not which"),
        (["--overlay", "gpu", "--schedule", "weekly"], r"--schedule weekly: no cron line \(1 fields, not the five"),
        (["--overlay", "gpu", "--schedule", "61 3 * * 0"], r"--schedule 61 3 \* \* 0: no cron line \("),
        (["--overlay", "gpu", "--root", "s3://"], r"s3://: cannot open this location \(it names no bucket\)"),
        (["--overlay", "gpu", "--set", "cluster.train_workers=4000", "--set", "pretrain.batch=4000"], ".*4000"),
    ],
)
def test_what_cannot_be_rendered_is_one_line_and_nothing_is_written(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = [] if "--root" in arguments else ["--root", ROOT]
    usual += [] if "--input" in arguments else list(PAGES)
    assert pageloom.outcome(["k8s", "render", "web", "-o", "out", *usual, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(says, line), line
    assert not (tmp_path / "out").exists()


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "mine.yaml").write_text("mine")
    asked = ["k8s", "render", "web", "--overlay", "gpu", "--root", ROOT, *PAGES, "-o", str(tmp_path)]
    assert pageloom.outcome(asked) == 2
    assert "something else is there" in capsys.readouterr().err
    assert (tmp_path / "base" / "mine.yaml").read_text() == "mine"
