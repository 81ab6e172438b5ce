"""How many of KubeRay's verdicts on manifests `k8s check` shares, by what refuses them.

python -m tests.benchmarks.manifests DATA
"""

from __future__ import annotations

import time
from collections import Counter

from cluster.kubernetes.check import Checker
from cluster.kubernetes.core import Core
from cluster.kubernetes.custom import Definitions
from cluster.kubernetes.manifests import Manifest
from tests.cluster.kubernetes.cases import FOLDER, Case, data, gates, manifest


def refused(case: Case, core: Core, crds: Definitions | None) -> bool:
    before = [Manifest("", "", manifest(case, "previous"))] if "previous" in case else []
    return bool(Checker(core, crds, gates(case), before).check(Manifest("", "", manifest(case))))


def main() -> None:
    cases: list[Case] = data()["cases"]
    if not cases:
        print("not measured: kuberay-crds is not in the folder of real data")
        return
    core = Core("1.36")
    crds = Definitions(str(FOLDER), core)
    begun = time.perf_counter()
    total, right, alone = Counter[str](), Counter[str](), Counter[str]()
    for case in cases:
        verdict = "accepted" if case["accepted"] else f"refused by {', '.join(case['refused_by'])}"
        total[verdict] += 1
        right[verdict] += refused(case, core, crds) is not case["accepted"]
        alone[verdict] += refused(case, core, None) is not case["accepted"]
    print("| KubeRay's verdict | cases | the same here | without CRDs |\n|---|---:|---:|---:|")
    for verdict in sorted(total):
        print(f"| {verdict} | {total[verdict]} | {right[verdict]} | {alone[verdict]} |")
    print(f"| all | {total.total()} | {right.total()} | {alone.total()} |")
    print(f"\n{right.total() / total.total():.1%} in {time.perf_counter() - begun:.1f} s, with and without CRDs")


if __name__ == "__main__":
    main()
