"""The rules themselves: each kind of mistake, planted alone into the manifests of prod, is found by the rule that is for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.k8s.kustomize import K8S, Object, build
from tests.k8s.rules import RULES, named

BY_NAME = {rule.__name__: rule for rule in RULES}
GONE = object()
SERVICE, TRAIN, CYCLE = "RayService pageloom", "RayJob pageloom-train", "RayJob pageloom-cycle"
HEAD, WORKERS = "spec.rayClusterConfig.headGroupSpec", "spec.rayClusterConfig.workerGroupSpecs.0"
POD, CONTAINER = f"{WORKERS}.template.spec", f"{WORKERS}.template.spec.containers.0"
START, STARTER = "CronJob pageloom-cycle", "spec.jobTemplate.spec.template.spec"
REDIS, REDIS_POD = "StatefulSet pageloom-redis", "spec.template.spec"

MISTAKES: list[tuple[str, str, str, Any]] = [
    # the rule, the object, the path in it, what is put there (a function: of what is there)
    ("applications", SERVICE, "spec.serveConfigV2", lambda text: text.replace("app:build", "app:bild")),
    ("applications", SERVICE, "spec.serveConfigV2", lambda text: text.replace("serving.engine.app", "serving.motor.app")),
    ("applications", SERVICE, "spec.serveConfigV2", lambda text: text.replace("release: latest", "relase: latest")),
    ("applications", SERVICE, "spec.serveConfigV2", lambda text: text.replace("replicas: 2", "replicas: 0")),
    (
        "applications",
        SERVICE,
        "spec.serveConfigV2",
        lambda text: text.replace("proxy_location: EveryNode", "proxy_location: Each"),
    ),
    ("entrypoints", TRAIN, "spec.entrypoint", "pageloom train /etc/pageloom/recipe.yaml"),
    ("entrypoints", TRAIN, "spec.entrypoint", "pageloom run /etc/pageloom/recipe.yaml --no-server"),
    ("entrypoints", TRAIN, "spec.entrypoint", "pageloom run /etc/pageloom/recipe.yaml --from bass"),
    ("entrypoints", TRAIN, "spec.entrypoint", "pageloom run /etc/recipe.yaml"),
    ("modules", SERVICE, f"{CONTAINER}.lifecycle.preStop.exec.command", ["sh", "-c", "python -m cluster.drain 135; sleep 135"]),
    ("variables", SERVICE, f"{CONTAINER}.env.5.name", "PODIP"),
    ("variables", START, f"{STARTER}.containers.0.env.0.name", "NAME_OF_JOB"),
    ("variables", REDIS, f"{REDIS_POD}.containers.0.env.0.name", "REDIS_PASS"),
    ("versions", TRAIN, "spec.rayClusterSpec.rayVersion", "2.59.0"),
    ("images", SERVICE, f"{CONTAINER}.image", "pageloom:latest"),
    ("images", SERVICE, f"{CONTAINER}.image", "pageloom"),
    ("images", SERVICE, f"{CONTAINER}.image", "pageloom:0.0.9-gpu"),
    ("images", SERVICE, f"{CONTAINER}.image", "pageloom:0.1.0-tpu"),
    ("images", REDIS, f"{REDIS_POD}.containers.0.image", "redis:latest"),
    ("probes", SERVICE, f"{CONTAINER}.readinessProbe.httpGet.port", "http"),
    ("probes", SERVICE, f"{CONTAINER}.readinessProbe.httpGet.path", "/readyz"),
    ("probes", REDIS, f"{REDIS_POD}.containers.0.livenessProbe.tcpSocket.port", "redis-server"),
    ("ports", SERVICE, f"{CONTAINER}.ports.1.containerPort", 8001),
    ("ports", SERVICE, f"{CONTAINER}.ports.2.containerPort", 52366),
    ("ports", SERVICE, "spec.serveConfigV2", lambda text: text.replace("port: 8000", "port: 8001")),
    ("secrets", SERVICE, f"{CONTAINER}.env.0.valueFrom.secretKeyRef.key", "access-key"),
    ("secrets", SERVICE, f"{CONTAINER}.env.0.valueFrom.secretKeyRef.name", "pageloom-s3"),
    ("secrets", SERVICE, "spec.rayClusterConfig.authOptions.secretName", "pageloom-token"),
    ("secrets", SERVICE, "spec.rayClusterConfig.gcsFaultToleranceOptions.redisPassword.valueFrom.secretKeyRef.key", "pass"),
    ("references", SERVICE, f"{POD}.serviceAccountName", "pagelooms"),
    ("references", TRAIN, "spec.rayClusterSpec.headGroupSpec.template.spec.volumes.3.configMap.name", "recipe"),
    ("references", TRAIN, "spec.rayClusterSpec.headGroupSpec.template.spec.volumes.4.persistentVolumeClaim.claimName", "logs"),
    ("references", SERVICE, f"{CONTAINER}.volumeMounts.1.name", "temp"),
    ("references", SERVICE, "spec.rayClusterConfig.gcsFaultToleranceOptions.redisAddress", "redis://redis:6379"),
    ("references", SERVICE, "spec.rayClusterConfig.gcsFaultToleranceOptions.redisAddress", "redis://pageloom-redis:6380"),
    ("references", "RoleBinding pageloom-start", "roleRef.name", "pageloom-starter"),
    ("references", "RoleBinding pageloom-start", "subjects.0.name", "pageloom-starter"),
    ("references", "Role pageloom-start", "rules.0.resourceNames.0", "pageloom-page"),
    ("references", START, "metadata.name", "pageloom-weekly"),
    ("selectors", "NetworkPolicy pageloom", "spec.podSelector.matchLabels", {"app.kubernetes.io/part-of": "page-loom"}),
    ("selectors", "NetworkPolicy pageloom", "spec.ingress.0.from.0.podSelector.matchLabels", {"app": "pageloom"}),
    ("selectors", "NetworkPolicy pageloom-clients", "spec.ingress.0.ports.0.port", "http"),
    ("selectors", "NetworkPolicy pageloom-to-redis", "spec.egress.0.ports.0.port", "serve"),
    ("selectors", "PodDisruptionBudget pageloom", "spec.selector.matchLabels", {"ray.io/node-type": "workers"}),
    ("selectors", "PodMonitor pageloom", "spec.podMetricsEndpoints.0.port", "prometheus"),
    ("selectors", "Service pageloom-redis", "spec.selector", {"app.kubernetes.io/component": "store"}),
    ("selectors", "Service pageloom-redis", "spec.ports.0.targetPort", "client"),
    ("selectors", REDIS, "spec.selector.matchLabels", {"app.kubernetes.io/component": "store"}),
    ("selectors", SERVICE, f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels", {"ray.io/node-type": "head"}),
    ("security", SERVICE, f"{POD}.securityContext.runAsNonRoot", False),
    ("security", SERVICE, f"{POD}.securityContext.seccompProfile.type", "Unconfined"),
    ("security", SERVICE, f"{POD}.hostNetwork", True),
    ("security", SERVICE, f"{POD}.volumes.1", {"name": "tmp", "hostPath": {"path": "/tmp"}}),
    ("security", SERVICE, f"{POD}.volumes.1", {"name": "tmp", "emptyDir": {}}),
    ("security", SERVICE, f"{POD}.automountServiceAccountToken", GONE),
    ("security", SERVICE, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", GONE),
    ("security", SERVICE, f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False),
    ("security", SERVICE, f"{CONTAINER}.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_PTRACE"]}),
    ("security", SERVICE, f"{CONTAINER}.env.1", {"name": "AWS_SECRET_ACCESS_KEY", "value": "abc"}),
    ("security", CYCLE, "spec.submitterPodTemplate.spec.containers.0.securityContext", {}),
    ("resources", SERVICE, f"{CONTAINER}.resources.requests.memory", "1Gi"),
    ("resources", SERVICE, f"{CONTAINER}.resources.limits.memory", GONE),
    ("resources", START, f"{STARTER}.containers.0.resources", {}),
    ("resources", SERVICE, f"{POD}.volumes.0.emptyDir.medium", GONE),
    ("resources", SERVICE, f"{POD}.volumes.0.emptyDir.sizeLimit", "512Mi"),
    ("heads", SERVICE, f"{HEAD}.rayStartParams.num-cpus", GONE),
    ("heads", TRAIN, "spec.rayClusterSpec.authOptions.mode", "disabled"),
    ("heads", SERVICE, f"{HEAD}.headService", {"metadata": {"name": "pageloom-head"}}),
    ("heads", SERVICE, f"{HEAD}.template.spec.containers.0.ports.3.name", "http"),
    ("heads", SERVICE, "spec.excludeHeadPodFromServeSvc", GONE),
    ("endings", SERVICE, f"{POD}.restartPolicy", "Always"),
    ("endings", SERVICE, f"{CONTAINER}.lifecycle", GONE),
    ("endings", SERVICE, f"{CONTAINER}.lifecycle.preStop.exec.command", ["sh", "-c", "sleep 60"]),
    ("endings", SERVICE, f"{POD}.terminationGracePeriodSeconds", 30),
    ("endings", SERVICE, "spec.rayClusterDeletionDelaySeconds", 60),
    ("endings", SERVICE, "spec.serveConfigV2", lambda text: text.replace("answer_seconds: 120", "answer_seconds: 600")),
    ("limits", TRAIN, "spec.backoffLimit", GONE),
    ("limits", TRAIN, "spec.activeDeadlineSeconds", GONE),
    ("limits", TRAIN, "spec.preRunningDeadlineSeconds", GONE),
    ("limits", TRAIN, "spec.shutdownAfterJobFinishes", False),
    ("limits", TRAIN, "spec.submitterConfig", GONE),
    ("limits", TRAIN, "spec.suspend", False),
    ("limits", TRAIN, "metadata.name", "pageloom-" + "train" * 6),
]


@pytest.fixture(scope="module")
def prod() -> list[Object]:
    return build(K8S / "overlays" / "prod")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each[0]}: {each[1]} {each[2]}")
def test_a_planted_mistake_is_found_by_its_rule(mistake: tuple[str, str, str, Any], prod: list[Object]) -> None:
    rule, name, path, value = mistake
    objects = copy.deepcopy(prod)
    (thing,) = [each for each in objects if named(each) == name]
    put(thing, path, value)
    assert list(BY_NAME[rule](objects))


def test_a_mistake_is_planted_for_every_rule() -> None:
    assert {mistake[0] for mistake in MISTAKES} == set(BY_NAME)


def put(thing: Object, path: str, value: Any) -> None:
    """Set, or take away, what is at a path that exists up to its last step."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = thing
    for step in steps:
        place = place[step]
    if value is GONE:
        del place[last]
    elif callable(value):
        before, place[last] = place[last], value(place[last])
        assert place[last] != before
    else:
        place[last] = value
