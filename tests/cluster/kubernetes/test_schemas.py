"""Schemas of Kubernetes, and CRDs with their defaults and CEL rules."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.errors import RequestError
from cluster.kubernetes.cel import Rules
from cluster.kubernetes.check import Checker
from cluster.kubernetes.core import Core
from cluster.kubernetes.custom import Definitions
from cluster.kubernetes.gates import DEFAULTS
from cluster.kubernetes.manifests import Manifest
from cluster.kubernetes.structure import Structural, completed, faults, formats
from tests.cluster.kubernetes.objects import OBJECTS, changed

CORE = Core("1.36")

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: looms.example.com}
spec:
  group: example.com
  names: {kind: Loom, plural: looms}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [width]
            x-kubernetes-validations:
            - {rule: "self.width <= self.most", message: wider than the frame}
            - {rule: "!has(self.name__dash__tag) || self.name__dash__tag.startsWith('l')", message: begins with l}
            properties:
              width: {type: integer, format: int32, minimum: 1}
              most: {type: integer, default: 100}
              name-tag: {type: string}
              colour: {type: string, enum: [red, blue], x-kubernetes-validations: [{rule: self == oldSelf, message: stays}]}
              threads:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string}
                    length: {type: integer, x-kubernetes-validations: [{rule: self >= oldSelf, message: only grows}]}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              load:
                anyOf: [{type: integer}, {type: string}]
                x-kubernetes-int-or-string: true
              free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: object}}}
              texts: {type: object, additionalProperties: {type: string}}
  - name: v0
    served: false
    storage: false
    schema: {openAPIV3Schema: {type: object}}
"""


@pytest.fixture
def crds(tmp_path: Path) -> Path:
    (tmp_path / "looms.yaml").write_text(CRD)
    return tmp_path


def loom(version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"example.com/{version}", "kind": "Loom", "metadata": {"name": "a"}, "spec": {"width": 5, **spec}}


def found(place: Path, value: Any, before: Any = None) -> list[tuple[str, str, str]]:
    old = [] if before is None else [Manifest("old", "", before)]
    checker = Checker(CORE, Definitions(str(place), CORE), DEFAULTS, old)
    return [(each.layer, each.path, each.says) for each in checker.check(Manifest("new", "", value))]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"width": 0}, ("schema", "spec.width", "0 is less than the minimum of 1")),
        ({"width": 2**31}, ("schema", "spec.width", "2147483648 is no int32")),
        ({"width": "5"}, ("schema", "spec.width", '"5" is not a whole number')),
        ({"width": True}, ("schema", "spec.width", "true is not a whole number")),
        ({"width": None}, ("schema", "spec.width", "is missing")),
        ({"colour": "green"}, ("schema", "spec.colour", '"green" is none of red, blue')),
        ({"colours": "red"}, ("schema", "spec.colours", "no such field; did you mean colour?")),
        ({"threads": [{"name": "a"}, {"name": "a"}]}, ("schema", "spec.threads[1]", 'a second entry whose name is "a"')),
        ({"threads": [{"length": 1}]}, ("schema", "spec.threads[0].name", "is missing")),
        ({"tags": ["a", "b", "a"]}, ("schema", "spec.tags[2]", '"a" for the second time')),
        ({"load": [1]}, ("schema", "spec.load", "[1] is not a whole number or a text")),
        ({"texts": {"a.b": 1}}, ("schema", 'spec.texts["a.b"]', "1 is not a text")),
        ({"width": 101}, ("cel", "spec", "wider than the frame")),
        ({"width": 101, "most": 101, "name-tag": "x"}, ("cel", "spec", "begins with l")),
    ],
)
def test_a_crd_refuses_at_the_place_and_in_words(crds: Path, spec: dict[str, Any], fault: tuple[str, str, str]) -> None:
    assert found(crds, loom(**spec)) == [fault]


def test_what_a_crd_takes_passes(crds: Path) -> None:
    spec = {"most": None, "colour": None, "load": "5%", "free": {"a": {}, "b": [1]}, "texts": {"x": "y"}, "name-tag": "l"}
    assert found(crds, loom(**spec)) == []


def test_rules_about_changes_need_the_object_as_it_was(crds: Path) -> None:
    new = loom(colour="red", threads=[{"name": "a", "length": 1}, {"name": "b", "length": 2}])
    old = loom(colour="blue", threads=[{"name": "b", "length": 3}, {"name": "a", "length": 1}])
    assert found(crds, new) == []
    assert found(crds, new, old) == [("cel", "spec.colour", "stays"), ("cel", "spec.threads[1].length", "only grows")]
    assert found(crds, new, {**old, "metadata": {"name": "another"}}) == []


def test_a_version_that_is_not_served_is_refused(crds: Path) -> None:
    assert found(crds, loom("v0")) == [("schema", "apiVersion", "example.com/v0 is not served; there is v1")]


def test_defaults_go_into_nulls_and_into_what_defaults_made() -> None:
    inner = {"type": "object", "properties": {"b": {"default": 2}, "c": {"nullable": True, "default": 3}}}
    schema = {"properties": {"a": {**inner, "default": {}}, "list": {"items": inner}}}
    assert completed({"a": None, "list": [{"b": None, "c": None}]}, schema) == {
        "a": {"b": 2, "c": 3},
        "list": [{"b": 2, "c": None}],
    }


def test_exactly_one_of_one_of() -> None:
    schema = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
    words = [fault.says for fault in faults(Structural(schema).iter_errors(1))]
    assert words == ["1 is not a whole number or a number"]
    assert Structural(schema).is_valid(1.5)


def test_nothing_is_silent_about_rules_that_cannot_be_judged_or_evaluated() -> None:
    rules = Rules()
    schema = {"x-kubernetes-validations": [{"rule": "isURL(self)"}, {"rule": "self.a > 1", "message": "small"}]}
    said = list(rules.check({"b": 1}, schema))
    assert rules.unjudged == {"isURL(self)"}
    assert [fault.says[:6] for fault in said] == ["small "]
    assert 'Key not found in map : "a"' in said[0].says


@pytest.mark.parametrize(
    ("value", "format", "right"),
    [
        ("1.5Gi", "quantity", True),
        (".5", "quantity", True),
        ("1e-3", "quantity", True),
        ("100m", "quantity", True),
        ("1Gib", "quantity", False),
        ("1 Gi", "quantity", False),
        ("", "quantity", False),
        ("1Gi\n", "quantity", False),
        ("aGk=", "byte", True),
        ("aGk", "byte", False),
        ("é", "byte", False),
        ("2024-01-01T00:00:00Z", "date-time", True),
        ("2024-01-01", "date-time", False),
        ("now", "date-time", False),
        (-(2**63), "int64", True),
        (-(2**63) - 1, "int64", False),
        (-(2**31), "int32", True),
        (2**31 - 1, "int32", True),
        (2**63, "int64", False),
    ],
)
def test_formats_are_checked(value: Any, format: str, right: bool) -> None:
    assert formats.conforms(value, format) is right


def check_core(value: dict[str, Any], release: str = "1.36") -> list[tuple[str, str, str]]:
    return [
        (each.layer, each.path, each.says) for each in Checker(Core(release), None, DEFAULTS).check(Manifest("", "", value))
    ]


def deployment(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "creationTimestamp": None},
                "spec": {"containers": [{"name": "web", "image": "nginx", **container}]},
            },
        },
    }


def test_a_right_object_of_kubernetes_passes() -> None:
    assert check_core(deployment(resources={"limits": {"cpu": 2, "memory": "1Gi"}}, ports=[{"containerPort": 80}])) == []


@pytest.mark.parametrize(
    ("container", "path", "words"),
    [
        ({"env": [{"name": "A", "value": 1}]}, ".env[0].value", "1 is not a text"),
        ({"command": "run"}, ".command", '"run" is not a list'),
        ({"imagePullPolcy": "Never"}, ".imagePullPolcy", "no such field; did you mean imagePullPolicy?"),
        ({"resources": {"limits": {"memory": "1GB"}}}, ".resources.limits.memory", '"1GB" is no quantity'),
        ({"ports": [{"containerPort": "80"}]}, ".ports[0].containerPort", '"80" is not a whole number'),
        ({"name": None}, ".name", "is missing"),
    ],
)
def test_an_object_of_kubernetes_is_judged_strictly(container: dict[str, Any], path: str, words: str) -> None:
    assert check_core(deployment(**container)) == [("schema", f"spec.template.spec.containers[0]{path}", words)]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"apiVersion": "apps/v1beta1", "kind": "Deployment"}, "apps/v1beta1 Deployment is no kind of Kubernetes 1.36"),
        ({"apiVersion": "v1", "kind": "pod"}, "v1 pod is no kind of Kubernetes 1.36"),
        ({"kind": "Pod"}, "no object of Kubernetes: apiVersion missing"),
        ([], "no object of Kubernetes: apiVersion and kind missing"),
        ({"apiVersion": "ray.io/v1", "kind": "RayFarm"}, "RayFarm is no kind of ray.io; there are RayCluster, RayJob, "),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "is missing"),
    ],
)
def test_what_is_no_kind_is_said(value: Any, fault: str) -> None:
    ((_, _, says),) = check_core(value)
    assert says.startswith(fault)


@pytest.mark.parametrize(
    ("kind", "api", "name", "right"),
    [
        ("ConfigMap", "v1", "a.b", True),
        ("ConfigMap", "v1", "a_b", False),
        ("Namespace", "v1", "a.b", False),
        ("Service", "v1", "7a", False),
        ("ClusterRole", "rbac.authorization.k8s.io/v1", "system:node", True),
        ("ClusterRole", "rbac.authorization.k8s.io/v1", "a/b", False),
    ],
)
def test_names_follow_their_kind(kind: str, api: str, name: str, right: bool) -> None:
    said = check_core({"apiVersion": api, "kind": kind, "metadata": {"name": name}, **({"rules": []} if "/" in api else {})})
    assert [path for _, path, _ in said] == ([] if right else ["metadata.name"])


def test_labels_annotations_and_namespaces_are_looked_at() -> None:
    metadata = {"name": "a", "namespace": "A", "labels": {"a/b/c": "d e"}, "annotations": {"X": "any é", "-": ""}}
    said = check_core({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert [path for _, path, _ in said] == [
        "metadata.namespace",
        'metadata.labels["a/b/c"]',
        'metadata.labels["a/b/c"]',
        'metadata.annotations["-"]',
    ]


def test_a_kind_of_another_release_is_judged_by_it() -> None:
    value = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1beta3", "kind": "FlowSchema", "metadata": {"name": "a"}}
    assert check_core(value)[0][2].endswith("is no kind of Kubernetes 1.36")
    assert [path for _, path, _ in check_core(value, "1.28")] == []
    with pytest.raises(RequestError, match=r"--kubernetes 1\.2: no schemas for this release; there are 1\.25, "):
        Core("1.2")


def test_a_kind_with_the_name_of_another_groups_kind_is_not_taken_for_it() -> None:
    checker = Checker(CORE, None, DEFAULTS)
    other = {"apiVersion": "apps.example.com/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": 7}
    assert checker.check(Manifest("", "", other)) == []
    assert checker.remarks() == [
        "apps.example.com/v1 Deployment: 1 objects not judged, no schema of this kind here",
    ]


def test_pods_within_ray_objects_are_judged_as_kubernetes_judges_pods() -> None:
    container = "spec.rayClusterSpec.workerGroupSpecs[0].template.spec.containers[0]"
    broken = changed(
        "job",
        {
            f"{container}.env": [{"name": "A", "value": 1}],
            f"{container}.resources.limits.cpu": "2 cores",
            "spec.submitterPodTemplate.spec.contaners": [],
        },
    )
    assert {(path, says) for _, path, says in check_core(broken)} == {
        (f"{container}.env[0].value", "1 is not a text"),
        (f"{container}.resources.limits.cpu", '"2 cores" is no quantity'),
        ("spec.submitterPodTemplate.spec.contaners", "no such field; did you mean containers?"),
        ("spec.submitterPodTemplate.spec.containers", "is missing"),
    }


def test_what_an_earlier_layer_refuses_at_a_place_is_said_once() -> None:
    containers = "spec.headGroupSpec.template.spec.containers"
    assert check_core(changed("cluster", {containers: ...})) == [("schema", containers, "is missing")]
    assert [layer for layer, _, _ in check_core(changed("cluster", {containers: []}))] == ["operator"]


@pytest.mark.parametrize("base", OBJECTS)
def test_right_ray_objects_pass_without_crds(base: str) -> None:
    assert check_core(OBJECTS[base]) == []


def test_a_folder_of_crds_is_read_packed_or_as_a_list_and_only_where_it_is_needed(tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(CRD)]}
    (tmp_path / "all.yaml.gz").write_bytes(gzip.compress(yaml.safe_dump(listed).encode()))
    (tmp_path / "broken.yaml").write_text("a: [")  # mentions no kind that is asked for
    (tmp_path / "notes.txt").write_text("a: [")
    assert found(tmp_path, loom(width=0)) == [("schema", "spec.width", "0 is less than the minimum of 1")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.yaml", b"kind: Loom\na: [", "x.yaml: not valid YAML"),
        ("x.yaml", CRD.replace("type: integer", "type: [integer]").encode(), "x.yaml: no CRD that Kubernetes takes: spec."),
        ("x.yaml.gz", b"kind: Loom", "x.yaml.gz: cannot be unpacked"),
        ("x.yaml.gz", gzip.compress(b"kind: Loom", mtime=0)[:-5], "x.yaml.gz: cannot be unpacked"),
        ("x.yaml.gz", gzip.compress(bytes(1 << 25)), "x.yaml.gz: more than 16.8 MB"),
        ("x.txt", b"", "no *.yaml or *.yaml.gz there"),
    ],
)
def test_a_folder_that_is_no_use_is_one_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as refused:
        found(tmp_path, loom())
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RequestError, match=r"--crds /nowhere: no such file or directory; name a folder of CRDs"):
        Definitions("/nowhere", CORE)
