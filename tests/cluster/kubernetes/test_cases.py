"""KubeRay's verdict on every manifest of the folder of real data is ours, and each of our rules is needed for that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cluster.kubernetes.check import Checker
from cluster.kubernetes.core import Core
from cluster.kubernetes.custom import Definitions
from cluster.kubernetes.field import Field
from cluster.kubernetes.gates import DEFAULTS
from cluster.kubernetes.manifests import Manifest
from cluster.kubernetes.operator_rules import every_rule, judged
from cluster.kubernetes.ray_objects import Rule
from cluster.kubernetes.structure import completed
from tests.cluster.kubernetes.cases import FOLDER, Case, data, gates, manifest

CORE = Core("1.36")
CASES: list[Case] = data()["cases"]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    if not CASES:
        pytest.skip("needs kuberay-crds in the folder of real data, which is not there")
    return FOLDER


@pytest.fixture(scope="module")
def crds(folder: Path) -> Definitions:
    return Definitions(str(folder), CORE)


def layers_that_refuse(case: Case, crds: Definitions | None) -> list[str]:
    before = [Manifest("before", "", manifest(case, "previous"))] if "previous" in case else []
    checker = Checker(CORE, crds, gates(case), before)
    return [finding.layer for finding in checker.check(Manifest("case", "", manifest(case)))]


@pytest.mark.parametrize("case", CASES or [{}], ids=[case["id"] for case in CASES] or ["none"])
def test_a_manifest_is_taken_or_refused_as_kuberay_does(case: Case, crds: Definitions) -> None:
    refused = layers_that_refuse(case, crds)
    assert (not refused) is case["accepted"], (case["rule"], refused)


def test_without_crds_everything_that_the_operator_refuses_is_still_refused(folder: Path) -> None:
    """What only the CRDs' schemas and CEL refuse then passes; nothing that is right is refused."""
    wrong = [
        case["id"]
        for case in CASES
        if bool(layers_that_refuse(case, None)) is not bool({"operator", "webhook"} & {*case.get("refused_by", ())})
    ]
    assert wrong == []


def rules_that_refuse(case: Case) -> set[Rule]:
    return {rule for rule, _ in judged(Field(completed(manifest(case), {})), gates(case))}


def test_every_rule_alone_stands_between_some_case_and_a_wrong_verdict(folder: Path) -> None:
    alone = Counter(rules.pop() for case in CASES if len(rules := rules_that_refuse(case)) == 1)
    assert [rule.__name__ for rule in every_rule() if not alone[rule]] == []


def test_gates_are_as_the_operator_starts(folder: Path) -> None:
    assert data()["gate_defaults"] == DEFAULTS
