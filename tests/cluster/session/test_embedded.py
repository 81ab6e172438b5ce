import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import ray

from cluster.errors import RequestError
from cluster.session import Embedded
from cluster.session.embedded import NICENESS, longest_socket_path, own_variables
from cluster.settings import ClusterSettings


def test_a_ray_that_does_not_start_is_one_line_whatever_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.setattr(ray, "init", init)
    session = Embedded(ClusterSettings())
    words = (
        r"^Ray did not start: The current node timed out during startup; `pageloom doctor` says what is wrong here; its logs: "
    )
    with pytest.raises(RequestError, match=words):
        session.start()
    assert session.logs is not None
    assert session.logs.is_dir()  # the line names it
    shutil.rmtree(session.logs)
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_gpus_are_those_that_ray_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager

    monkeypatch.setattr(NvidiaGPUAcceleratorManager, "get_current_node_num_accelerators", staticmethod(lambda: 4))
    session = Embedded(ClusterSettings(gpus_per_worker=1))
    assert [node.gpu for node in session.nodes()] == [4]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert [node.gpu for node in session.nodes()] == [2]


@pytest.mark.slow
def test_what_sigterm_does_is_left_to_the_program() -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    session = Embedded(ClusterSettings(dashboard=False, object_store_mb=100))
    try:
        session.start()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        session.stop()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_a_session_ends_what_it_started_and_no_other_child_of_its_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        session = Embedded(ClusterSettings(dashboard=False, object_store_mb=100))
        session.start()
        mine = [each for process in session.processes for each in (process, *process.children(recursive=True))]
        session.stop()
        assert len(mine) > 2
        assert not any(process.is_running() for process in mine)
        assert other.poll() is None
        other.kill()


@pytest.mark.slow
def test_a_module_of_the_user_s_takes_no_library_s_place_in_the_workers(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("colorsys", "random", "numpy"):  # a worker's, the dashboard's, everybody's
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user runs this, not we')")
    monkeypatch.chdir(tmp_path)
    session = Embedded(ClusterSettings(object_store_mb=100, dashboard_port=free_port))

    def path_and_place() -> tuple[list[str], str]:
        import colorsys

        import cluster

        return sys.path, f"{colorsys.__file__} {cluster.__file__}"

    try:
        session.start()
        path, place = ray.get(ray.remote(max_retries=0)(path_and_place).remote())
    finally:
        session.stop()
    assert str(tmp_path) not in path
    assert str(tmp_path) not in place
    assert "PYTHONSAFEPATH" not in os.environ


NOTEBOOK = """
import os
import ray  # as notebooks do, before all of ours

from cluster.errors import RequestError
from cluster.session import Embedded
from cluster.session.embedded import NICENESS, longest_socket_path, own_variables
from cluster.settings import ClusterSettings


def begin_and_end():
    session = Embedded(ClusterSettings(dashboard=False, object_store_mb=100, cpus=4))
    session.start()
    token = os.environ["RAY_AUTH_TOKEN"]
    modes = [oct(place.stat().st_mode)[-3:] for place in (session.logs, session.token_file)]
    said = ray.get(ray.remote(lambda: os.environ["RAY_AUTH_TOKEN"]).remote()) == token
    session.stop()
    left = [name for name in os.environ if name.startswith(("RAY_AUTH", "RAY_worker", "RAY_TRAIN_ENABLE"))]
    print("session", said, modes, left, session.logs.exists())
    return token


first, second = begin_and_end(), begin_and_end()
print("tokens differ", first != second)
ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=100 << 20)
print("the user's", ray.get(ray.remote(lambda: 42).remote()))
try:
    begin_and_end()
except RequestError as error:
    print("refused", error)
print("the user's", ray.get(ray.remote(lambda: 43).remote()))
ray.shutdown()
begin_and_end()
"""


@pytest.mark.slow
def test_a_notebook_may_import_ray_first_and_have_its_own_before_between_and_after(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[3],
        env=environment | {"HOME": str(tmp_path)},  # where Ray keeps the token of the user's own
    )
    assert done.returncode == 0, done.stderr
    ended = "session True ['700', '600'] [] False"
    refused = (
        "refused Ray is already running in this program and a process holds one; call ray.shutdown() first, "
        "or run `pageloom` as a process of its own"
    )
    assert done.stdout.splitlines() == [
        *[ended, ended, "tokens differ True", "the user's 42", refused, "the user's 43"],
        ended.replace("[]", "['RAY_AUTH_MODE']"),  # Ray's own doing, in the user's ray.init
    ]


@pytest.mark.slow
def test_another_user_of_the_machine_sees_nothing_of_a_running_session(free_port: int) -> None:
    session = Embedded(ClusterSettings(object_store_mb=100, dashboard_port=free_port))
    try:
        session.start()
        assert session.logs is not None
        assert ray.get(ray.remote(lambda: os.nice(0)).remote()) == NICENESS
        ray_s_own = [place for place in session.logs.rglob("*") if place.is_socket()]
        assert len(ray_s_own) >= 2
        assert session.logs.stat().st_mode & 0o077 == 0  # whatever Ray does to what is inside
        assert max(map(len, map(str, ray_s_own))) <= len(longest_socket_path(tempfile.gettempdir()))
    finally:
        session.stop()


def test_what_the_caller_says_of_authentication_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(own_variables()["RAY_AUTH_TOKEN"]) == 64
    assert own_variables()["RAY_AUTH_TOKEN"] != own_variables()["RAY_AUTH_TOKEN"]
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    assert own_variables()["RAY_AUTH_TOKEN"] == "mine"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    found = own_variables()
    assert found["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN" not in found


def test_an_embedded_ray_knows_its_room_without_being_started() -> None:
    [node] = Embedded(ClusterSettings(cpus=6)).nodes()
    assert (node.cpu, node.gpu, node.more) == (6, 0, "cluster.cpus")
