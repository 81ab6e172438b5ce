"""Every combination that k8s/README.md names is built by kustomize, known to Kubernetes, and agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import pageloom
from tests.k8s.kustomize import K8S, Object, build, combined
from tests.k8s.rules import complaints, example_secrets, kinds, named, pods

KUBERNETES = "1.36"
OF_OTHERS = ("ray.io/", "monitoring.coreos.com/")  # API groups that Kubernetes itself does not know
COMBINATIONS = re.findall(
    r"^\| `overlays/([\w-]+)`((?: \+ `components/[\w-]+`)*) \|", (K8S / "README.md").read_text(), re.MULTILINE
)


@pytest.fixture(scope="module", params=COMBINATIONS, ids=lambda each: "".join(each))
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    overlay, components = request.param
    return combined(
        K8S / "overlays" / overlay, re.findall(r"components/([\w-]+)", components), tmp_path_factory.mktemp("built")
    )


def test_every_overlay_and_component_is_in_a_combination() -> None:
    named_there = {part for overlay, more in COMBINATIONS for part in (overlay, *re.findall(r"components/([\w-]+)", more))}
    in_prod = re.findall(r"components/([\w-]+)", (K8S / "overlays" / "prod" / "kustomization.yaml").read_text())
    there = {place.name for part in ("overlays", "components") for place in (K8S / part).iterdir()}
    assert named_there | set(in_prod) == there


def test_kubernetes_knows_every_field(objects: list[Object]) -> None:
    for each in objects:
        if not each["apiVersion"].startswith(OF_OTHERS):
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
    for pod in pods(objects):
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": pod.template.get("metadata", {}), "spec": pod.spec}
        kubernetes_validate.validate(whole, KUBERNETES, strict=True)


def test_manifests_agree_with_the_code_and_each_other(objects: list[Object]) -> None:
    assert complaints(objects) == []


def test_no_name_is_given_twice(objects: list[Object]) -> None:
    names = [named(each) for each in objects]
    assert sorted(set(names)) == sorted(names)


def test_the_example_secrets_are_secrets_and_hold_none() -> None:
    for secret in example_secrets():
        kubernetes_validate.validate(secret, KUBERNETES, strict=True)
        assert set(secret["stringData"].values()) <= {"CHANGE-ME", "us-east-1", ""}


def test_what_kubernetes_does_not_know_is_found(objects: list[Object]) -> None:
    policy = next(each for each in objects if each["kind"] == "NetworkPolicy")
    misspelt = {**policy, "spec": {**policy["spec"], "policyType": ["Ingress"]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, KUBERNETES, strict=True)


def test_an_image_is_built_from_a_digest_and_for_nobody_else() -> None:
    dockerfile = (K8S / "image" / "Dockerfile").read_text()
    assert re.findall(r"^ARG BASE_IMAGE.*$", dockerfile, re.MULTILINE) == ["ARG BASE_IMAGE"] * 2  # without a default
    assert re.findall(r"^FROM (\S+) AS base$", dockerfile, re.MULTILINE) == ["${BASE_IMAGE}"]
    for target in ("cpu", "gpu"):
        stage = dockerfile.split(f" AS {target}\n")[1].partition("\nFROM ")[0]
        assert "USER 1000:1000" in stage
        packages = dockerfile.split(f" AS {target}-packages\n")[1].partition("\nFROM ")[0]
        assert f"-c constraints-{target}.txt '.[{target}]'" in packages
    copied = (K8S / "image" / "Dockerfile.dockerignore").read_text().splitlines()
    assert copied[1] == "*"
    for pattern in (line[1:] for line in copied if line.startswith("!")):
        assert list(Path(K8S.parent).glob(pattern)), pattern


@pytest.mark.slow
def test_crds_and_operator_accept_every_ray_object(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All combinations, and prod with the upgrade strategy that the README describes. Then one of them with a mistake."""
    definitions = shared / "kuberay-crds"
    if not definitions.is_dir():
        pytest.skip("needs KubeRay's CRDs beside the real data, which are not here")
    (tmp_path / "work").mkdir()
    for number, (overlay, more) in enumerate(COMBINATIONS):
        built = combined(K8S / "overlays" / overlay, re.findall(r"components/([\w-]+)", more), tmp_path / "work")
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump_all(built))
    (service,) = kinds(build(K8S / "overlays" / "prod"), "RayService")
    service["spec"]["upgradeStrategy"] = {
        "type": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {
            "gatewayClassName": "any",
            "stepSizePercent": 10,
            "intervalSeconds": 30,
            "maxSurgePercent": 50,
        },
    }
    (tmp_path / "gradual.yaml").write_text(yaml.safe_dump(service))
    check = ["--crds", str(definitions), "--gate", "RayCronJob=true"]
    assert pageloom.outcome(["k8s", "check", *map(str, tmp_path.glob("*.yaml")), *check]) == 0
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["minReplicas"] = 7
    (tmp_path / "gradual.yaml").write_text(yaml.safe_dump(service))
    capsys.readouterr()
    assert pageloom.outcome(["k8s", "check", str(tmp_path / "gradual.yaml"), *check]) == 2
    assert "minReplicas: 7 is more than maxReplicas (3)" in capsys.readouterr().out
