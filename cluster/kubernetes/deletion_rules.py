"""The operator's rules for what a RayJob deletes when it has ended: a list of rules, or the older pair of policies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from cluster.kubernetes.cluster_rules import negative
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.ray_objects import JobSpec, Rule

PAIR = ("onSuccess", "onFailure")
STATUSES = ("jobStatus", "jobDeploymentStatus")
ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")  # each deletes what the one before it does, and more


def strategy(job: JobSpec) -> Field:
    return job.spec["deletionStrategy"]


def listed(job: JobSpec) -> Field:
    return strategy(job)["deletionRules"]


def pair(job: JobSpec) -> list[Field]:
    """Those of the older policies that are there."""
    return [strategy(job)[name] for name in PAIR if strategy(job)[name].present]


def policies(job: JobSpec) -> list[Field]:
    """Every policy of the strategy, in whichever form."""
    return [place["policy"] for place in (*pair(job), *listed(job))]


def condition_status(rule: Field) -> tuple[str, str]:
    """The kind of status that a rule waits for, and which."""
    kind = next((name for name in STATUSES if rule["condition"][name].present), "")
    return kind, rule["condition"][kind].text


def gate(job: JobSpec) -> Iterator[Fault]:
    """Strategies of deletion have a gate."""
    if strategy(job).present and not job.gates["RayJobDeletionPolicy"]:
        yield strategy(job).fault("needs the gate RayJobDeletionPolicy, which is off")


def shutdown_and_rules(job: JobSpec) -> Iterator[Fault]:
    """Either rules say what goes, or everything does."""
    if listed(job).filled and job.spec["shutdownAfterJobFinishes"].on:
        yield listed(job).fault("not with shutdownAfterJobFinishes; leave one of them out")


def pair_and_rules(job: JobSpec) -> Iterator[Fault]:
    """A strategy has one form."""
    if listed(job).filled and pair(job):
        yield strategy(job).fault("deletionRules beside onSuccess or onFailure; keep one form")


def empty(job: JobSpec) -> Iterator[Fault]:
    """A strategy says something."""
    if strategy(job).present and not listed(job).filled and not pair(job):
        yield strategy(job).fault("is empty; it takes deletionRules, or onSuccess with onFailure")


def half_a_pair(job: JobSpec) -> Iterator[Fault]:
    """The older policies come as a pair."""
    if len(pair(job)) == 1:
        yield strategy(job).fault("onSuccess and onFailure come together")


def pair_policy(job: JobSpec) -> Iterator[Fault]:
    """Each of the older policies says which it is."""
    for place in pair(job):
        if not place["policy"].present:
            yield place["policy"].fault(f"is missing; one of {', '.join(ORDER)}, DeleteNone")


def one_status(job: JobSpec) -> Iterator[Fault]:
    """A rule waits for one status: the job's or its deployment's."""
    for rule in listed(job):
        if len([name for name in STATUSES if rule["condition"][name].present]) != 1:
            yield rule["condition"].fault("takes one of jobStatus and jobDeploymentStatus")


def rule_time(job: JobSpec) -> Iterator[Fault]:
    """A rule waits for zero seconds or more."""
    for rule in listed(job):
        yield from negative(rule["condition"]["ttlSeconds"])


def selected_cluster(job: JobSpec) -> Iterator[Fault]:
    """A cluster that others use is not deleted, nor are its workers."""
    for policy in policies(job):
        if job.selects and policy.text in ("DeleteCluster", "DeleteWorkers"):
            yield policy.fault(f"{policy.text} does not go with clusterSelector")


def autoscaled_workers(job: JobSpec) -> Iterator[Fault]:
    """The autoscaler would bring deleted workers back."""
    for policy in policies(job):
        if job.autoscaling and policy.text == "DeleteWorkers":
            yield policy.fault("DeleteWorkers does not go with enableInTreeAutoscaling")


def shutdown_and_none(job: JobSpec) -> Iterator[Fault]:
    """A cluster that is shut down does not also stay."""
    for place in pair(job):
        if job.spec["shutdownAfterJobFinishes"].on and place["policy"].text == "DeleteNone":
            yield place["policy"].fault("DeleteNone does not go with shutdownAfterJobFinishes")


def rules_differ(job: JobSpec) -> Iterator[Fault]:
    """One status has one rule of a policy."""
    seen = set()
    for rule in listed(job):
        kind, status = condition_status(rule)
        what = (kind, status, rule["policy"].text)
        if kind and what in seen:
            yield rule.fault(f"a second {rule['policy'].text} for {kind} {status}")
        seen.add(what)


def rules_in_order(job: JobSpec) -> Iterator[Fault]:
    """After one status workers go before the cluster, and that before the job, or together with it."""
    times: dict[tuple[str, str], dict[str, Field]] = {}
    for rule in listed(job):
        if condition_status(rule)[0]:
            times.setdefault(condition_status(rule), {}).setdefault(rule["policy"].text, rule["condition"]["ttlSeconds"])
    for of_one in times.values():
        for earlier, later in pairwise(name for name in ORDER if name in of_one):
            if (of_one[later].number or 0) < (first := of_one[earlier].number or 0):
                yield of_one[later].fault(f"{later} before {earlier}, which waits for {first} s")


RULES: tuple[Rule, ...] = (
    gate,
    shutdown_and_rules,
    pair_and_rules,
    empty,
    half_a_pair,
    pair_policy,
    one_status,
    rule_time,
    selected_cluster,
    autoscaled_workers,
    shutdown_and_none,
    rules_differ,
    rules_in_order,
)
