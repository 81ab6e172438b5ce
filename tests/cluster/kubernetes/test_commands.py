"""`pageloom k8s check` as it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import pageloom
from cluster.kubernetes.field import below
from tests.cluster.kubernetes.objects import OBJECTS, changed
from tests.cluster.kubernetes.test_schemas import CRD, loom


@pytest.fixture(autouse=True)
def without_crds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGELOOM_CRDS", raising=False)


def written(file: Path, *values: Any) -> str:
    file.write_text("---\n".join(yaml.safe_dump(value) for value in values))
    return str(file)


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    """Exit code, and the lines of stdout and stderr."""
    code = pageloom.outcome(["k8s", "check", *words])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_right_manifests_are_one_line_and_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, written(tmp_path / "all.yaml", *OBJECTS.values()))
    assert (code, out) == (0, ["6 objects: nothing that would be refused"])
    assert err == [
        "pageloom: 6 Ray objects checked by pod schemas and the operator's rules alone; `kubectl get crd rayclusters.ray.io "
        "rayjobs.ray.io rayservices.ray.io raycronjobs.ray.io -o yaml > crds/ray.yaml`, then --crds crds",
        "pageloom: 1 RayCronJobs will do nothing while the operator's gate RayCronJob is off, its default",
    ]


def test_a_fault_is_a_line_with_file_object_place_and_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = changed("cluster", {"metadata.namespace": "team", "spec.workerGroupSpecs[1].minReplicas": -1})
    broken["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"] = 7
    file, other = written(tmp_path / "a.yaml", OBJECTS["job"], broken), tmp_path / "none.yaml"
    code, out, err = call(capsys, file, str(other))
    assert code == 2
    assert out == [
        f"{file}: RayCluster team/farm: spec.headGroupSpec.template.spec.containers[0].image: 7 is not a text (schema)",
        f"{file}: RayCluster team/farm: spec.workerGroupSpecs[1].minReplicas: -1 is negative; 0 or more (operator)",
        f"{other}: no such file; check the path (file)",
    ]
    assert err[-1] == "pageloom: 3 faults in 2 objects"


def test_names_that_a_terminal_would_obey_stay_in_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a\x1b[31m\n[b]"}, "x\ny\u202e": 1}
    _, out, _ = call(capsys, written(tmp_path / "a.yaml", hostile))
    assert len(out) == 2
    assert not any(sign in "".join(out) for sign in "\x1b\u202e")
    assert below("a", "x\ny") == 'a["x\\ny"]'


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "a.yaml", changed("job", {"spec.backoffLimit": -1}))
    code, out, _ = call(capsys, file, "--json")
    told = json.loads("\n".join(out))
    assert (code, told["objects"], len(told["remarks"])) == (2, 1, 1)
    assert told["faults"] == [
        {
            "file": file,
            "object": "RayJob train",
            "path": "spec.backoffLimit",
            "says": "-1 is negative; 0 or more",
            "layer": "operator",
        }
    ]


def test_gates_open_what_is_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "a.yaml", changed("cluster", {"spec.tlsOptions.enabled": True}))
    assert call(capsys, file)[0] == 2
    assert call(capsys, file, "--gate", "RayClusterMTLS=true")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gate", "RayClusterMTL=true"], "--gate RayClusterMTL=true: no such gate; did you mean RayClusterMTLS?"),
        (["--gate", "RayClusterMTLS"], "--gate RayClusterMTLS: say RayClusterMTLS=true or RayClusterMTLS=false"),
        (["--kubernetes", "2.0"], "--kubernetes 2.0: no schemas for this release; there are"),
        (["--crds", "nowhere"], "--crds nowhere: no such file or directory; name a folder of CRDs"),
        (["--previous", "nowhere"], "nowhere: no such file; check the path"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, written(tmp_path / "a.yaml", OBJECTS["cluster"]), *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"pageloom: {words}")


def test_crds_come_from_the_option_or_the_environment_and_changes_from_previous(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "crds"
    folder.mkdir()
    (folder / "loom.yaml").write_text(CRD)
    new, old = written(tmp_path / "new.yaml", loom(colour="red")), written(tmp_path / "old.yaml", loom(colour="blue"))
    assert call(capsys, new)[2] == ["pageloom: example.com/v1 Loom: 1 objects not judged, no schema of this kind here"]
    assert call(capsys, new, "--crds", str(folder)) == (0, ["1 objects: nothing that would be refused"], [])
    monkeypatch.setenv("PAGELOOM_CRDS", str(folder))
    code, out, _ = call(capsys, new, "--previous", old)
    assert (code, out) == (2, [f"{new}: Loom a: spec.colour: stays (cel)"])


def test_without_its_packages_the_command_names_the_remedy_and_others_do_not_load_them(tmp_path: Path) -> None:
    """The packages are hidden behind folders without anything in them."""
    for package in ("kubernetes_validate", "cel_expr_python"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not installed')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(pageloom.__file__).parent}"}
    file = written(tmp_path / "a.yaml", OBJECTS["cluster"])
    for arguments, code, words in (
        (
            ["k8s", "check", file],
            2,
            "pageloom: `k8s check` needs packages that are not installed; pip install 'pageloom[k8s]'\n",
        ),
        (["--version"], 0, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pageloom", *arguments], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (code, words)


def test_stdin_is_a_manifest(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(pageloom.__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-m", "pageloom", "k8s", "check", "-"],
        input=yaml.safe_dump(changed("guest", {"spec.backoffLimit": 1})),
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert (
        done.stdout
        == "stdin: RayJob guest: spec.backoffLimit: no retries with clusterSelector; 0, or leave it out (operator)\n"
    )
