import os
import socket
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from cluster import doctor
from cluster.doctor import Check, run_checks
from cluster.temporary import PREFIX


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a package look installed, in the form that pip leaves it."""

    def install(name: str, version: str) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    monkeypatch.syspath_prepend(tmp_path)
    return install


def test_a_machine_on_which_the_project_runs_has_no_failing_check(tmp_path: Path, free_port: int) -> None:
    checks = run_checks(str(tmp_path / "new" / "root"), {"serve.port": free_port})
    assert [check for check in checks if check.state == "fail"] == []
    assert named(checks, "serve.port").value == f"port {free_port} is free"
    assert named(checks, "ray").value == "2.60.0"


def test_every_check_that_is_not_ok_has_a_remedy(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("CORES", "MEMORY", "DISK_WARN", "SHARED_MEMORY"):
        monkeypatch.setattr(doctor, limit, 1 << 60)
    checks = run_checks(str(tmp_path), {"serve.port": free_port})
    assert {check.name for check in checks if check.state == "warn"} >= {"cores", "memory", "disk", "/dev/shm"}
    assert [check for check in checks if check.state != "ok" and not check.remedy] == []


def test_a_taken_port_is_named_with_its_holder_and_the_key_to_change() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        number = holder.getsockname()[1]
        check = doctor.port("serve.port", number)
        assert check.state == "fail"
        assert check.value.startswith(f"port {number}: address already in use (process {os.getpid()}, ")
        assert f"--set serve.port={number + 1}" in check.remedy
        assert doctor.port("cluster.dashboard_port", number).state == "warn"


def test_torchvision_beside_a_cpu_torch_fails_with_the_line_that_helps(distribution) -> None:
    assert doctor.torch_companions().state == "ok"
    distribution("torchvision", "0.28.0")
    distribution("torchcodec", "0.9.0")
    check = doctor.torch_companions()
    assert check.state == "fail"
    assert check.remedy == "`pip uninstall -y torchvision torchcodec`"


def test_a_cpu_build_of_torchvision_does_no_harm(distribution) -> None:
    distribution("torchvision", "0.28.0+cpu")
    assert doctor.torch_companions() == Check("torch companions", "ok", "torchvision")


def test_a_version_the_project_was_not_made_for_fails_with_the_one_that_it_was(distribution) -> None:
    distribution("ray", "2.9.0")
    check = named(list(doctor.versions()), "ray")
    assert (check.state, check.value) == ("fail", "2.9.0, made for ==2.60.0")
    assert "ray==2.60.0" in check.remedy


def test_a_missing_engine_names_both_installations(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda name: None if name.startswith("vllm") else real(name))
    check = named(list(doctor.versions()), "vllm")
    assert check.state == "fail"
    assert "make install" in check.remedy
    assert "DEVICE=gpu" in check.remedy


def test_an_unreachable_ray_address_is_named(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port}")
    check = doctor.ray_address()
    assert check.state == "fail"
    assert f"127.0.0.1:{free_port}" in check.value
    assert "unset RAY_ADDRESS" in check.remedy


def test_a_root_that_may_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write anywhere, so permissions would not do
    assert named(list(doctor.disk(str(tmp_path / "x"))), "root").state == "fail"


def test_an_object_store_that_answers_passes_and_one_that_does_not_fails(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(run_checks(s3_root, {}), "object store").state == "ok"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    check = named(run_checks(s3_root, {}), "object store")
    assert check.state == "fail"
    assert "AWS_ENDPOINT_URL" in check.remedy


def test_directories_of_killed_runs_are_noticed() -> None:
    dead = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    directory = Path(tempfile.gettempdir(), f"{PREFIX}{dead}-test-x")
    directory.mkdir()
    try:
        assert "directories of killed runs" in doctor.leftovers().value
    finally:
        directory.rmdir()


def test_the_doctor_imports_nothing_that_may_be_broken() -> None:
    import subprocess

    code = (
        "import cluster.doctor, sys; print([name for name in ('torch', 'transformers', 'vllm', 'ray') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
