"""The operator's rules for a RayCronJob beside those for the job in it."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.cluster_rules import too_long
from cluster.kubernetes.cron import check_schedule, is_time_zone
from cluster.kubernetes.field import Fault
from cluster.kubernetes.ray_objects import RayObject, Rule

LONGEST_NAME = 36  # its jobs' names have eleven more


def name_length(ray: RayObject) -> Iterator[Fault]:
    """The name of a RayCronJob is short enough for the names of its jobs."""
    yield from too_long(ray.name, LONGEST_NAME)


def zone_in_schedule(ray: RayObject) -> Iterator[Fault]:
    """A schedule does not begin with a time zone, though the library would read one."""
    if "TZ" in ray.spec["schedule"].text:
        yield ray.spec["schedule"].fault("no time zone here; the field timeZone has it")


def schedule(ray: RayObject) -> Iterator[Fault]:
    """A schedule is a line of cron, or a word for one."""
    text = ray.spec["schedule"]
    try:
        if "TZ" not in text.text:
            check_schedule(text.text)
    except ValueError as error:
        yield text.fault(str(error))


def zone(ray: RayObject) -> Iterator[Fault]:
    """A time zone is one that the IANA database names; the operator's own is what leaving it out means."""
    name = ray.spec["timeZone"]
    if name.present and not is_time_zone(name.text):
        yield name.fault(f"{name.text!r} is no time zone, such as Europe/Berlin; leave it out for the operator's own")


RULES: tuple[Rule, ...] = (name_length, zone_in_schedule, schedule, zone)
