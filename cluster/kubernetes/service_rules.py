"""The operator's rules for a RayService."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.cluster_rules import negative
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.go_values import duration, integer
from cluster.kubernetes.job_rules import no_kubernetes_token
from cluster.kubernetes.ray_objects import RayObject, Rule

TIMEOUT = "ray.io/initializing-timeout"
GRADUAL = "NewClusterWithIncrementalUpgrade"
WHOLE = 100  # percent; also the schema's default for maxSurgePercent


def initializing_timeout(ray: RayObject) -> Iterator[Fault]:
    """The time that a service has to come up is positive, as Go writes durations or in whole seconds."""
    text = ray.annotations[TIMEOUT]
    time = duration(text.text)
    time = integer(text.text) if time is None else time
    if text.text and (time is None or time <= 0):
        yield text.fault(f"{text.text!r} is no time above zero; `45m`, `1h30m`, or whole seconds")


def kubernetes_token(ray: RayObject) -> Iterator[Fault]:
    """The operator deploys with a token of its own, which Kubernetes does not know."""
    yield from no_kubernetes_token(ray.spec["rayClusterConfig"], "RayService")


def head_service_name(ray: RayObject) -> Iterator[Fault]:
    """The head service of a RayService moves from cluster to cluster, so the operator names it."""
    name = ray.spec["rayClusterConfig"]["headGroupSpec"]["headService"]["metadata"]["name"]
    if name.text:
        yield name.fault("leave it to the operator")


def upgrade_type(ray: RayObject) -> Iterator[Fault]:
    """A service is upgraded by a new cluster, at once or gradually, or not at all."""
    chosen = ray.spec["upgradeStrategy"]["type"]
    if chosen.present and chosen.value not in ("NewCluster", GRADUAL, "None"):
        yield chosen.fault(f"{chosen.value!r} is not for a RayService; NewCluster, {GRADUAL} or None")


def deletion_delay(ray: RayObject) -> Iterator[Fault]:
    """The old cluster stays for zero seconds or more."""
    yield from negative(ray.spec["rayClusterDeletionDelaySeconds"])


def gradual(ray: RayObject) -> bool:
    """With the gate off the operator takes the type and looks at nothing else."""
    return ray.spec["upgradeStrategy"]["type"].text == GRADUAL and ray.gates["RayServiceIncrementalUpgrade"]


def options(ray: RayObject) -> Field:
    """Options of a gradual upgrade; absent for any other."""
    found = ray.spec["upgradeStrategy"]["clusterUpgradeOptions"]
    return found if gradual(ray) else Field(None, found.path)


def gradual_autoscaling(ray: RayObject) -> Iterator[Fault]:
    """While traffic moves both clusters change their size."""
    if gradual(ray) and not ray.spec["rayClusterConfig"]["enableInTreeAutoscaling"].on:
        yield ray.spec["rayClusterConfig"]["enableInTreeAutoscaling"].fault(f"{GRADUAL} needs it to be true")


def gradual_options(ray: RayObject) -> Iterator[Fault]:
    """A gradual upgrade says how."""
    if gradual(ray) and not options(ray).present:
        yield options(ray).fault(f"is missing, which {GRADUAL} needs")


def gradual_surge(ray: RayObject) -> Iterator[Fault]:
    """What may be added of the new cluster is a percentage."""
    surge = options(ray)["maxSurgePercent"]
    if surge.number is not None and not 0 <= surge.number <= WHOLE:
        yield surge.fault(f"{surge.number} is no percentage from 0 to {WHOLE}")


def gradual_step(ray: RayObject) -> Iterator[Fault]:
    """What traffic moves in a step is a percentage, and stated."""
    step = options(ray)["stepSizePercent"]
    if options(ray).present and (step.number is None or not 0 <= step.number <= WHOLE):
        yield step.fault(f"{step.number if step.present else 'nothing'} is no percentage from 0 to {WHOLE}")


def gradual_step_within_surge(ray: RayObject) -> Iterator[Fault]:
    """A step is no longer than what may be added."""
    step, surge = options(ray)["stepSizePercent"], options(ray)["maxSurgePercent"].number
    if (step.number or 0) > (surge := WHOLE if surge is None else surge):
        yield step.fault(f"{step.number} is more than maxSurgePercent ({surge})")


def gradual_interval(ray: RayObject) -> Iterator[Fault]:
    """Steps are some time apart."""
    interval = options(ray)["intervalSeconds"]
    if options(ray).present and (interval.number or 0) <= 0:
        yield interval.fault("a gradual upgrade needs 1 or more")


def gradual_gateway(ray: RayObject) -> Iterator[Fault]:
    """A gateway of a named class divides the traffic."""
    if options(ray).present and not options(ray)["gatewayClassName"].text:
        yield options(ray)["gatewayClassName"].fault("is missing; it names the class of the gateway that divides the traffic")


RULES: tuple[Rule, ...] = (
    initializing_timeout,
    kubernetes_token,
    head_service_name,
    upgrade_type,
    deletion_delay,
    gradual_autoscaling,
    gradual_options,
    gradual_surge,
    gradual_step,
    gradual_step_within_surge,
    gradual_interval,
    gradual_gateway,
)
