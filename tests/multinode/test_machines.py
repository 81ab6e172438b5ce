"""The machines are as apart as machines are, or what other tests say of a cluster would be worth nothing."""

import pytest

from tests.multinode.cluster import DEAD_SECONDS, Cluster, wait_until
from tests.multinode.namespaces import PYTHON, places_of_code

pytestmark = [pytest.mark.slow, pytest.mark.multinode]


def test_a_node_has_ray_but_neither_this_code_nor_the_others_disk_nor_credentials(cluster: Cluster) -> None:
    for name, machine in cluster.machines.items():
        assert machine.run(["hostname"]).stdout.strip() == name
        bare = machine.run([PYTHON, "-c", "import ray; print(ray.__version__); import pageloom"])
        assert bare.stdout.startswith("2."), bare.stderr
        assert "ModuleNotFoundError: No module named 'pageloom'" in bare.stderr
        for place in places_of_code():
            assert machine.run(["ls", "-A", str(place)]).stdout.split() in ([], [".venv"])
        (machine.disk / "mark").write_text(name)
        assert machine.run(["cat", "/tmp/mark"]).stdout == name
        assert "AWS" not in machine.run(["sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"]).stdout
    assert not any(
        str(cluster.network.disks) in machine.run(["find", "/tmp", "-maxdepth", "2"]).stdout
        for machine in cluster.machines.values()
    )


def test_a_node_that_is_killed_is_dead_to_ray_and_one_in_its_place_is_another(cluster: Cluster) -> None:
    before = cluster.ids["w1"]
    cluster.kill("w1")
    cluster.start("w1")
    assert cluster.ids["w1"] != before
    assert cluster.state(before) == "DEAD"
    assert cluster.state(cluster.ids["w2"]) == "ALIVE"


@pytest.mark.long
def test_a_node_whose_cable_is_pulled_is_declared_dead_and_ends_itself_when_it_is_back(cluster: Cluster) -> None:
    machine, identity = cluster.machines["w2"], cluster.ids["w2"]
    machine.cut()
    wait_until(lambda: cluster.state(identity) == "DEAD", "w2 is not declared dead", DEAD_SECONDS)
    assert machine.process is not None
    assert machine.process.poll() is None
    machine.mend()
    wait_until(lambda: machine.process is None or machine.process.poll() is not None, "w2 goes on", DEAD_SECONDS)
