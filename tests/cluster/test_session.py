import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from cluster.errors import RequestError
from cluster.session import Session
from cluster.settings import ClusterSettings


def test_a_ray_that_does_not_start_is_one_line_whatever_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        RequestError, match=r"^Ray did not start: The current node timed out during startup\.; `pageloom doctor`"
    ):
        Session(ClusterSettings()).start()


@pytest.mark.slow
def test_what_sigterm_does_is_left_to_the_program() -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    session = Session(ClusterSettings(dashboard=False, object_store_mb=100))
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
        session = Session(ClusterSettings(dashboard=False, object_store_mb=100))
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
    session = Session(ClusterSettings(object_store_mb=100, dashboard_port=free_port))

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
