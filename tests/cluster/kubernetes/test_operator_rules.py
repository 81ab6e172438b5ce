"""Each of the operator's rules alone, by a case of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.kubernetes import (
    autoscaler_rules,
    cluster_rules,
    cronjob_rules,
    deletion_rules,
    fault_tolerance_rules,
    history_rules,
    job_rules,
    security_rules,
    service_rules,
)
from cluster.kubernetes.field import Field
from cluster.kubernetes.gates import DEFAULTS
from cluster.kubernetes.operator_rules import every_rule, judged
from cluster.kubernetes.ray_objects import Rule
from tests.cluster.kubernetes.objects import OBJECTS, changed

EVERY_GATE = {name: True for name in DEFAULTS}
HEAD, WORKER = "spec.headGroupSpec", "spec.workerGroupSpecs[1]"
HEAD_CONTAINER, WORKER_CONTAINER = f"{HEAD}.template.spec.containers[0]", f"{WORKER}.template.spec.containers[0]"
JOB_HEAD = "spec.rayClusterSpec.headGroupSpec"
FT, HISTORY, OPTIONS = (
    "spec.gcsFaultToleranceOptions",
    "spec.historyServerOptions",
    "spec.upgradeStrategy.clusterUpgradeOptions",
)
V2 = {"spec.enableInTreeAutoscaling": True, "spec.autoscalerOptions": {"version": "v2"}}
REDIS = {"redisAddress": "redis:6379"}
ROCKSDB = {"backend": "rocksdb"}
TOKEN = {"mode": "token", "enableK8sTokenAuth": True}


def env(*names: str, value: str = "x") -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name in names]


def waits(policy: str, seconds: int = 0, **status: str) -> dict[str, Any]:
    return {"policy": policy, "condition": {**(status or {"jobStatus": "FAILED"}), "ttlSeconds": seconds}}


def collector(*entries: dict[str, str], image: str = "collector:1") -> dict[str, Any]:
    return {"collectorOptions": {"image": image, "env": list(entries)}}


def stores(name: str, *more: str) -> dict[str, Any]:
    return collector(*env("STORAGE_BACKEND", value=name), *env(*more))


# The rule, the object and what is changed of it, where the fault is, and the gates that are off.
BROKEN: list[tuple[Rule, str, dict[str, Any], str, tuple[str, ...]]] = [
    (cluster_rules.name_length, "cluster", {"metadata.name": "a" * 54}, "metadata.name", ()),
    (cluster_rules.name_syntax, "service", {"metadata.name": "chat.v2"}, "metadata.name", ()),
    (cluster_rules.upgrade_type, "cluster", {"spec.upgradeStrategy.type": "Never"}, "spec.upgradeStrategy.type", ()),
    (
        cluster_rules.upgrade_by_owner,
        "cluster",
        {'metadata.labels["ray.io/originated-from-crd"]': "RayService", "spec.upgradeStrategy.type": "Recreate"},
        "spec.upgradeStrategy.type",
        (),
    ),
    (cluster_rules.group_names, "cluster", {f"{WORKER}.groupName": "cpu"}, f"{WORKER}.groupName", ()),
    (
        cluster_rules.containers,
        "cluster",
        {f"{WORKER}.template.spec.containers": []},
        f"{WORKER}.template.spec.containers",
        (),
    ),
    (
        cluster_rules.resources_once,
        "cluster",
        {f"{WORKER}.rayStartParams.memory": "1", f"{WORKER}.resources.GPU": "1"},
        f"{WORKER}.resources",
        (),
    ),
    (
        cluster_rules.labels_parameter,
        "cluster",
        {f"{HEAD}.rayStartParams.labels": "a=b"},
        f"{HEAD}.rayStartParams.labels",
        (),
    ),
    (cluster_rules.label_syntax, "cluster", {f"{HEAD}.labels.zone": "a b"}, f"{HEAD}.labels.zone", ()),
    (cluster_rules.replicas, "cluster", {f"{WORKER}.minReplicas": -4}, f"{WORKER}.minReplicas", ()),
    (
        cluster_rules.replicas_in_order,
        "cluster",
        {f"{WORKER}.minReplicas": 10, f"{WORKER}.maxReplicas": 9},
        f"{WORKER}.minReplicas",
        (),
    ),
    (cluster_rules.suspend_gate, "cluster", {f"{WORKER}.suspend": True}, f"{WORKER}.suspend", ("RayJobDeletionPolicy",)),
    (autoscaler_rules.suspended_group, "cluster", {**V2, f"{WORKER}.suspend": True}, f"{WORKER}.suspend", ()),
    (
        autoscaler_rules.v2_without_autoscaling,
        "cluster",
        {f"{HEAD_CONTAINER}.env": env("A", "RAY_enable_autoscaler_v2", value="1")},
        f"{HEAD_CONTAINER}.env[1]",
        (),
    ),
    (
        autoscaler_rules.v2_twice,
        "cluster",
        {**V2, f"{HEAD_CONTAINER}.env": env("RAY_enable_autoscaler_v2")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        autoscaler_rules.v2_restart_policy,
        "cluster",
        {**V2, f"{WORKER}.template.spec.restartPolicy": "Always"},
        f"{WORKER}.template.spec.restartPolicy",
        (),
    ),
    (
        autoscaler_rules.idle_timeout,
        "cluster",
        {"spec.autoscalerOptions.idleTimeoutSeconds": -1},
        "spec.autoscalerOptions.idleTimeoutSeconds",
        (),
    ),
    (
        autoscaler_rules.start_command,
        "cluster",
        {"spec.autoscalerOptions.env": env("KUBERAY_GEN_AUTOSCALER_START_CMD")},
        "spec.autoscalerOptions.env[0]",
        (),
    ),
    (
        autoscaler_rules.group_idle_timeout,
        "cluster",
        {**V2, f"{WORKER}.idleTimeoutSeconds": -1},
        f"{WORKER}.idleTimeoutSeconds",
        (),
    ),
    (
        autoscaler_rules.group_idle_timeout_v2,
        "cluster",
        {f"{WORKER}.idleTimeoutSeconds": 60},
        f"{WORKER}.idleTimeoutSeconds",
        (),
    ),
    (
        autoscaler_rules.priority_version,
        "cluster",
        {**V2, f"{WORKER}.priority": 1, "spec.rayVersion": "2.9"},
        f"{WORKER}.priority",
        (),
    ),
    (autoscaler_rules.priority_v2, "cluster", {f"{WORKER}.priority": 1}, f"{WORKER}.priority", ()),
    (
        fault_tolerance_rules.enabled_twice,
        "job",
        {"spec.rayClusterSpec.gcsFaultToleranceOptions": REDIS, 'metadata.annotations["ray.io/ft-enabled"]': "no"},
        'metadata.annotations["ray.io/ft-enabled"]',
        (),
    ),
    (
        fault_tolerance_rules.address_without_tolerance,
        "cluster",
        {f"{HEAD_CONTAINER}.env": env("RAY_REDIS_ADDRESS")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        fault_tolerance_rules.address_twice,
        "cluster",
        {FT: REDIS, f"{HEAD_CONTAINER}.env": env("RAY_REDIS_ADDRESS")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        fault_tolerance_rules.password_parameter,
        "cluster",
        {FT: REDIS, f"{HEAD}.rayStartParams.redis-password": "x"},
        f"{HEAD}.rayStartParams.redis-password",
        (),
    ),
    (
        fault_tolerance_rules.password_variable,
        "cluster",
        {FT: REDIS, f"{HEAD_CONTAINER}.env": env("REDIS_PASSWORD")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        fault_tolerance_rules.namespace_twice,
        "cluster",
        {FT: REDIS, 'metadata.annotations["ray.io/external-storage-namespace"]': "x"},
        'metadata.annotations["ray.io/external-storage-namespace"]',
        (),
    ),
    (
        fault_tolerance_rules.username,
        "cluster",
        {f"{HEAD_CONTAINER}.env": env("REDIS_USERNAME")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        fault_tolerance_rules.rocksdb_gate,
        "cluster",
        {FT: ROCKSDB},
        f"{FT}.backend",
        ("GCSFaultToleranceEmbeddedStorage",),
    ),
    (
        fault_tolerance_rules.rocksdb_without_redis,
        "cluster",
        {FT: {**ROCKSDB, "redisPassword": {}}},
        f"{FT}.redisPassword",
        (),
    ),
    (
        fault_tolerance_rules.own_claim,
        "cluster",
        {FT: {**ROCKSDB, "storage": {"claimName": "mine", "size": "1Gi"}}},
        f"{FT}.storage.claimName",
        (),
    ),
    (
        fault_tolerance_rules.rocksdb_variables,
        "cluster",
        {FT: ROCKSDB, f"{HEAD_CONTAINER}.env": env("RAY_gcs_storage_path")},
        f"{HEAD_CONTAINER}.env[0]",
        (),
    ),
    (
        fault_tolerance_rules.rocksdb_mount,
        "cluster",
        {FT: ROCKSDB, f"{HEAD_CONTAINER}.volumeMounts": [{"name": "a", "mountPath": "/data/gcs"}]},
        f"{HEAD_CONTAINER}.volumeMounts[0]",
        (),
    ),
    (
        fault_tolerance_rules.rocksdb_volume,
        "cluster",
        {FT: ROCKSDB, f"{HEAD}.template.spec.volumes": [{"name": "gcs-storage"}]},
        f"{HEAD}.template.spec.volumes[0].name",
        (),
    ),
    (fault_tolerance_rules.storage_without_rocksdb, "cluster", {FT: {**REDIS, "storage": {}}}, f"{FT}.storage", ()),
    (
        history_rules.gate,
        "cluster",
        {HISTORY: stores("s3", "S3_REGION")},
        HISTORY,
        ("RayClusterHistoryServer",),
    ),
    (history_rules.collector_options, "cluster", {HISTORY: {}}, f"{HISTORY}.collectorOptions", ()),
    (
        history_rules.container_name,
        "cluster",
        {HISTORY: stores("local"), f"{WORKER_CONTAINER}.name": "ray-history-collector"},
        f"{WORKER_CONTAINER}.name",
        (),
    ),
    (
        history_rules.image,
        "cluster",
        {HISTORY: collector(*env("STORAGE_BACKEND"), image="")},
        f"{HISTORY}.collectorOptions.image",
        (),
    ),
    (
        history_rules.own_variables,
        "cluster",
        {HISTORY: stores("local", "RAY_ROLE")},
        f"{HISTORY}.collectorOptions.env[1]",
        (),
    ),
    (history_rules.store, "cluster", {HISTORY: collector(*env("A"))}, f"{HISTORY}.collectorOptions.env", ()),
    (
        history_rules.store_variables,
        "cluster",
        {HISTORY: stores("AliyunOSS", "OSS_BUCKET", "OSS_REGION")},
        f"{HISTORY}.collectorOptions.env",
        (),
    ),
    (history_rules.azure_variables, "cluster", {HISTORY: stores("AzureBlob")}, f"{HISTORY}.collectorOptions.env", ()),
    (
        security_rules.token_version,
        "cluster",
        {"spec.authOptions.mode": "token", "spec.rayVersion": "2.51"},
        "spec.rayVersion",
        (),
    ),
    (
        security_rules.kubernetes_token_version,
        "cluster",
        {"spec.authOptions": TOKEN, "spec.rayVersion": "2.54.9"},
        "spec.authOptions.enableK8sTokenAuth",
        (),
    ),
    (
        security_rules.kubernetes_token_secret,
        "cluster",
        {"spec.authOptions": {**TOKEN, "secretName": "x"}},
        "spec.authOptions.secretName",
        (),
    ),
    (
        security_rules.kubernetes_token_mode,
        "cluster",
        {"spec.authOptions.enableK8sTokenAuth": True},
        "spec.authOptions.enableK8sTokenAuth",
        (),
    ),
    (security_rules.network_gate, "cluster", {"spec.networkPolicy": {}}, "spec.networkPolicy", ("RayClusterNetworkPolicy",)),
    (
        security_rules.network_direction,
        "cluster",
        {"spec.networkPolicy": {"mode": "DenyAllIngress", "workerGroups": [{"groupName": "gpu", "egressRules": [{}]}]}},
        "spec.networkPolicy.workerGroups[0].egressRules",
        (),
    ),
    (
        security_rules.network_group_names,
        "cluster",
        {"spec.networkPolicy": {}, f"{WORKER}.groupName": "a.b"},
        f"{WORKER}.groupName",
        (),
    ),
    (
        security_rules.network_groups,
        "cluster",
        {"spec.networkPolicy.workerGroups": [{"groupName": "tpu"}]},
        "spec.networkPolicy.workerGroups[0].groupName",
        (),
    ),
    (security_rules.tls_gate, "cluster", {"spec.tlsOptions.enabled": False}, "spec.tlsOptions", ("RayClusterMTLS",)),
    (
        security_rules.tls_variables,
        "cluster",
        {"spec.tlsOptions.enabled": True, f"{WORKER_CONTAINER}.env": env("RAY_TLS_CA_CERT")},
        f"{WORKER_CONTAINER}.env[0]",
        (),
    ),
    (
        security_rules.tls_mounts,
        "cluster",
        {"spec.tlsOptions.enabled": True, "spec.autoscalerOptions.volumeMounts": [{"name": "ray-tls", "mountPath": "/a"}]},
        "spec.autoscalerOptions.volumeMounts[0]",
        (),
    ),
    (job_rules.name_length, "service", {"metadata.name": "a" * 48}, "metadata.name", ()),
    (job_rules.suspended, "job", {"spec.suspend": True}, "spec.suspend", ()),
    (job_rules.time_to_live, "job", {"spec.ttlSecondsAfterFinished": -9}, "spec.ttlSecondsAfterFinished", ()),
    (job_rules.time_to_live_without_end, "job", {"spec.ttlSecondsAfterFinished": 9}, "spec.ttlSecondsAfterFinished", ()),
    (
        job_rules.selected_suspended,
        "guest",
        {"spec.suspend": True, "spec.shutdownAfterJobFinishes": True},
        "spec.suspend",
        (),
    ),
    (job_rules.somewhere_to_run, "cron", {"spec.jobTemplate.rayClusterSpec": ...}, "spec.jobTemplate", ()),
    (job_rules.selected_name, "guest", {"spec.clusterSelector": {"app": "farm"}}, "spec.clusterSelector", ()),
    (job_rules.selected_sidecar, "guest", {"spec.submissionMode": "SidecarMode"}, "spec.submissionMode", ()),
    (job_rules.selected_retries, "guest", {"spec.backoffLimit": 2}, "spec.backoffLimit", ()),
    (
        job_rules.interactive_retries,
        "job",
        {"spec.submissionMode": "InteractiveMode", "spec.backoffLimit": 1},
        "spec.backoffLimit",
        (),
    ),
    (job_rules.retries, "job", {"spec.backoffLimit": -1}, "spec.backoffLimit", ()),
    (
        job_rules.sidecar_submitter,
        "job",
        {"spec.submissionMode": "SidecarMode", "spec.submitterConfig": {}},
        "spec.submitterConfig",
        (),
    ),
    (
        job_rules.sidecar_restart_policy,
        "job",
        {"spec.submissionMode": "SidecarMode", f"{JOB_HEAD}.template.spec.restartPolicy": "OnFailure"},
        f"{JOB_HEAD}.template.spec.restartPolicy",
        (),
    ),
    (
        job_rules.kubernetes_token,
        "job",
        {"spec.rayClusterSpec.authOptions": TOKEN},
        "spec.rayClusterSpec.authOptions.enableK8sTokenAuth",
        (),
    ),
    (job_rules.runtime_environment, "job", {"spec.runtimeEnvYAML": "[pip]"}, "spec.runtimeEnvYAML", ()),
    (job_rules.deadlines, "job", {"spec.preRunningDeadlineSeconds": 0}, "spec.preRunningDeadlineSeconds", ()),
    (
        deletion_rules.gate,
        "job",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteSelf")]},
        "spec.deletionStrategy",
        ("RayJobDeletionPolicy",),
    ),
    (
        deletion_rules.shutdown_and_rules,
        "job",
        {"spec.shutdownAfterJobFinishes": True, "spec.deletionStrategy.deletionRules": [waits("DeleteSelf")]},
        "spec.deletionStrategy.deletionRules",
        (),
    ),
    (
        deletion_rules.pair_and_rules,
        "job",
        {
            "spec.deletionStrategy": {
                "onSuccess": {"policy": "DeleteSelf"},
                "onFailure": {"policy": "DeleteSelf"},
                "deletionRules": [waits("DeleteSelf")],
            }
        },
        "spec.deletionStrategy",
        (),
    ),
    (deletion_rules.empty, "job", {"spec.deletionStrategy": {}}, "spec.deletionStrategy", ()),
    (
        deletion_rules.half_a_pair,
        "job",
        {"spec.deletionStrategy.onFailure.policy": "DeleteSelf"},
        "spec.deletionStrategy",
        (),
    ),
    (
        deletion_rules.pair_policy,
        "job",
        {"spec.deletionStrategy": {"onSuccess": {}, "onFailure": {"policy": "DeleteSelf"}}},
        "spec.deletionStrategy.onSuccess.policy",
        (),
    ),
    (
        deletion_rules.one_status,
        "job",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteSelf", jobStatus="FAILED", jobDeploymentStatus="Failed")]},
        "spec.deletionStrategy.deletionRules[0].condition",
        (),
    ),
    (
        deletion_rules.rule_time,
        "job",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteSelf", -1)]},
        "spec.deletionStrategy.deletionRules[0].condition.ttlSeconds",
        (),
    ),
    (
        deletion_rules.selected_cluster,
        "guest",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteWorkers")]},
        "spec.deletionStrategy.deletionRules[0].policy",
        (),
    ),
    (
        deletion_rules.autoscaled_workers,
        "job",
        {
            "spec.rayClusterSpec.enableInTreeAutoscaling": True,
            "spec.deletionStrategy.deletionRules": [waits("DeleteWorkers")],
        },
        "spec.deletionStrategy.deletionRules[0].policy",
        (),
    ),
    (
        deletion_rules.shutdown_and_none,
        "job",
        {
            "spec.shutdownAfterJobFinishes": True,
            "spec.deletionStrategy": {"onSuccess": {"policy": "DeleteSelf"}, "onFailure": {"policy": "DeleteNone"}},
        },
        "spec.deletionStrategy.onFailure.policy",
        (),
    ),
    (
        deletion_rules.rules_differ,
        "job",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteNone", 1), waits("DeleteNone", 2)]},
        "spec.deletionStrategy.deletionRules[1]",
        (),
    ),
    (
        deletion_rules.rules_in_order,
        "job",
        {"spec.deletionStrategy.deletionRules": [waits("DeleteSelf", 5), waits("DeleteWorkers", 6)]},
        "spec.deletionStrategy.deletionRules[0].condition.ttlSeconds",
        (),
    ),
    (
        service_rules.initializing_timeout,
        "service",
        {'metadata.annotations["ray.io/initializing-timeout"]': "1d"},
        'metadata.annotations["ray.io/initializing-timeout"]',
        (),
    ),
    (
        service_rules.kubernetes_token,
        "service",
        {"spec.rayClusterConfig.authOptions": TOKEN},
        "spec.rayClusterConfig.authOptions.enableK8sTokenAuth",
        (),
    ),
    (
        service_rules.head_service_name,
        "service",
        {"spec.rayClusterConfig.headGroupSpec.headService.metadata.name": "x"},
        "spec.rayClusterConfig.headGroupSpec.headService.metadata.name",
        (),
    ),
    (service_rules.upgrade_type, "service", {"spec.upgradeStrategy.type": "Recreate"}, "spec.upgradeStrategy.type", ()),
    (
        service_rules.deletion_delay,
        "service",
        {"spec.rayClusterDeletionDelaySeconds": -5},
        "spec.rayClusterDeletionDelaySeconds",
        (),
    ),
    (
        service_rules.gradual_autoscaling,
        "gradual",
        {"spec.rayClusterConfig.enableInTreeAutoscaling": ...},
        "spec.rayClusterConfig.enableInTreeAutoscaling",
        (),
    ),
    (service_rules.gradual_options, "gradual", {OPTIONS: ...}, OPTIONS, ()),
    (service_rules.gradual_surge, "gradual", {f"{OPTIONS}.maxSurgePercent": 101}, f"{OPTIONS}.maxSurgePercent", ()),
    (service_rules.gradual_step, "gradual", {f"{OPTIONS}.stepSizePercent": -1}, f"{OPTIONS}.stepSizePercent", ()),
    (
        service_rules.gradual_step_within_surge,
        "gradual",
        {f"{OPTIONS}.maxSurgePercent": 9},
        f"{OPTIONS}.stepSizePercent",
        (),
    ),
    (service_rules.gradual_interval, "gradual", {f"{OPTIONS}.intervalSeconds": 0}, f"{OPTIONS}.intervalSeconds", ()),
    (service_rules.gradual_gateway, "gradual", {f"{OPTIONS}.gatewayClassName": ""}, f"{OPTIONS}.gatewayClassName", ()),
    (cronjob_rules.name_length, "cron", {"metadata.name": "a" * 37}, "metadata.name", ()),
    (cronjob_rules.zone_in_schedule, "cron", {"spec.schedule": "TZ=UTC 0 3 * * *"}, "spec.schedule", ()),
    (cronjob_rules.schedule, "cron", {"spec.schedule": "0 3 * * 7"}, "spec.schedule", ()),
    (cronjob_rules.zone, "cron", {"spec.timeZone": "Berlin"}, "spec.timeZone", ()),
]


@pytest.mark.parametrize(
    ("rule", "base", "changes", "path", "off"),
    BROKEN,
    ids=[f"{case[0].__module__.rpartition('.')[2]}.{case[0].__name__}" for case in BROKEN],
)
def test_a_rule_alone_refuses_what_breaks_it_and_names_the_place(
    rule: Rule, base: str, changes: dict[str, Any], path: str, off: tuple[str, ...]
) -> None:
    gates = EVERY_GATE | dict.fromkeys(off, False)
    found = list(judged(Field(changed(base, changes)), gates))
    assert [(by.__name__, fault.path) for by, fault in found] == [(rule.__name__, path)]
    assert found[0][0] is rule
    assert "\n" not in found[0][1].says


def test_every_rule_has_a_sentence_and_a_case_here() -> None:
    assert {case[0] for case in BROKEN} == set(every_rule())
    assert all(rule.__doc__ and rule.__doc__.splitlines()[0].endswith(".") for rule in every_rule())


@pytest.mark.parametrize("base", OBJECTS)
def test_nothing_is_said_of_objects_that_are_right(base: str) -> None:
    assert list(judged(Field(OBJECTS[base]), DEFAULTS)) == []


@pytest.mark.parametrize("nonsense", [None, 7, "x", [], [1], {"a": 1}, True])
@pytest.mark.parametrize("base", OBJECTS)
def test_values_of_any_other_type_are_no_error_of_a_rule(base: str, nonsense: Any) -> None:
    """Without CRDs nobody has looked at types before the rules do."""
    for way in ways(OBJECTS[base]):
        broken = place = copy.deepcopy(OBJECTS[base])
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = nonsense
        list(judged(Field(broken), EVERY_GATE))


def ways(value: Any) -> Iterator[tuple[Any, ...]]:
    """Keys and indexes that lead to every value within a value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (key,)
        yield from ((key, *way) for way in ways(value[key]))


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        ("cluster", {"metadata": {"generateName": "a" * 48}}),  # 53 with what the API server appends
        ("cluster", {f"{HEAD_CONTAINER}.env": env("RAY_enable_autoscaler_v2", value="TRUE")}),
        ("cluster", {f"{WORKER}.replicas": 9, f"{WORKER}.maxReplicas": 2}),
        ("cluster", {"spec.tlsOptions.enabled": True, f"{HEAD_CONTAINER}.volumeMounts": [{"mountPath": "/etc/ray/tls/x"}]}),
        ("job", {"spec.runtimeEnvYAML": "a: 1\na: 2"}),
        ("job", {"spec.deletionStrategy.deletionRules": [waits("DeleteSelf", 1), waits("DeleteWorkers", 1)]}),
        ("cron", {"spec.schedule": "@every 1h30m", "spec.timeZone": "America/Argentina/Buenos_Aires"}),
    ],
)
def test_what_only_looks_like_a_fault_passes(base: str, changes: dict[str, Any]) -> None:
    assert list(judged(Field(changed(base, changes)), EVERY_GATE)) == []
