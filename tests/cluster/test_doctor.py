import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import doctor, temporary
from cluster.doctor import Check, run_checks
from cluster.resources import Bundle, Node, missing
from cluster.settings import ClusterSettings
from cluster.temporary import HOLD, PREFIX


def look(root: str, ports: Mapping[str, int] | None = None, **needs: Sequence[Bundle]) -> list[Check]:
    return run_checks(root, ports or {}, ClusterSettings(), needs)


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
    checks = look(str(tmp_path / "new" / "root"), {"serve.port": free_port})
    assert [check for check in checks if check.state == "fail"] == []
    assert named(checks, "serve.port").value == f"port {free_port} is free"
    assert named(checks, "ray").value == "2.60.0"


def test_every_check_that_is_not_ok_has_a_remedy(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("CORES", "MEMORY", "DISK_WARN", "SHARED_MEMORY"):
        monkeypatch.setattr(doctor, limit, 1 << 60)
    checks = look(str(tmp_path), {"serve.port": free_port})
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


def test_a_cluster_that_does_not_answer_is_named_wherever_its_address_stands(
    free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{free_port}"
    [check] = doctor.ray_and_room(ClusterSettings(address=address), str(tmp_path), {})
    assert (check.name, check.state) == ("Ray", "fail")
    assert check.value.startswith(f"cluster.address {address}: no Ray cluster answers there")
    assert "correct cluster.address" in check.remedy
    monkeypatch.setenv("RAY_ADDRESS", address)
    [check] = doctor.ray_and_room(ClusterSettings(), str(tmp_path), {})
    assert check.value.startswith(f"RAY_ADDRESS {address}: ")
    assert "unset RAY_ADDRESS" in check.remedy


def test_a_ray_that_cannot_be_imported_ends_no_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray._private.accelerators", None)
    [check] = doctor.ray_and_room(ClusterSettings(gpus_per_worker=1), str(tmp_path), {})
    assert (check.state, check.remedy) == ("fail", "`make install`")


def test_a_stage_without_room_is_named_with_what_to_lower(tmp_path: Path) -> None:
    worker = Bundle(1, holder="page worker", lower=("cluster.data_workers",))
    assert named(look(str(tmp_path), pages=[worker] * 8), "room").state == "ok"
    check = named(look(str(tmp_path), pages=[worker] * 9), "room")
    assert check.state == "fail"
    assert check.value.startswith("pages: no room for 1 x page worker (1 CPU), of 9 x page worker (1 CPU), on 1 node (8 CPU)")
    assert check.remedy == "raise cluster.cpus or lower cluster.data_workers"


@pytest.mark.parametrize("gpus", [1, 2, 3, 4, 5, 8])
def test_what_is_advised_for_gpus_has_room_for_every_stage(gpus: int) -> None:
    advised = doctor.gpu_settings(gpus)
    ranks, share = int(advised["cluster.train_workers"]), advised["cluster.gpus_per_worker"]
    held = [Bundle(1, share)] * ranks + [Bundle(0.5, share)] * 3  # RLHF's: no stage holds more
    assert missing(held, [Node(8, gpus)]) == ""
    assert ranks == 1 or share == 1  # two ranks never share a GPU


def test_a_quota_of_the_container_counts_not_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(doctor.cgroup, "cores", lambda: 1)
    check = doctor.cores()
    assert check.state == "warn"
    assert check.value == "1 of the machine's 64: the container's quota or affinity"


def test_a_bucket_that_does_not_exist_fails(s3_root: str) -> None:
    check = named(look("s3://no-such-bucket-here/root"), "object store")
    assert check.state == "fail"
    assert check.value.endswith("there is no bucket no-such-bucket-here")
    assert check.remedy == "create it, or choose another --root"


def test_a_tmpdir_that_cannot_be_used_is_named_with_what_is_used_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent/place")
    monkeypatch.setattr(tempfile, "tempdir", None)
    check = doctor.temporary_directory()
    assert check.state == "fail"
    assert check.value.startswith("/nonexistent/place cannot be written to; ")


def test_a_disk_for_temporary_files_that_ray_would_not_write_to_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=100 << 30, used=96 << 30, free=4 << 30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    check = doctor.temporary_directory()
    assert check.state == "fail"
    assert check.value.startswith("4.0 GiB free at ")


def test_a_tmpdir_too_long_for_sockets_is_measured_where_no_short_one_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp" + "x" * 100)
    assert doctor.sockets().state == "ok"  # Ray's directory is made in another one
    monkeypatch.setattr(temporary, "SHORT", ())
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    fits = doctor.sockets()
    assert fits.state == "ok"
    used = int(fits.value.split()[2])
    monkeypatch.setattr(tempfile, "tempdir", "/tmp" + "x" * (107 - used))
    assert doctor.sockets().state == "ok"
    monkeypatch.setattr(tempfile, "tempdir", "/tmp" + "x" * (108 - used))
    check = doctor.sockets()
    assert check.state == "fail"
    assert check.value == "paths below TMPDIR would be 1 bytes too long for the kernel"


def test_shared_memory_smaller_than_ray_s_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20))
    check = doctor.shared_memory(512 << 20)
    assert check.state == "warn"
    assert "0.06 GiB free, less than cluster.object_store_mb (512)" in check.value


def test_a_root_that_may_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write anywhere, so permissions would not do
    assert named(list(doctor.disk(str(tmp_path / "x"))), "root").state == "fail"


@pytest.mark.slow
def test_an_object_store_that_answers_passes_and_one_that_does_not_fails(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(look(s3_root), "object store").state == "ok"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    check = named(look(s3_root), "object store")
    assert check.state == "fail"
    assert "AWS_ENDPOINT_URL" in check.remedy


def test_directories_of_killed_runs_are_noticed() -> None:
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}test-"))
    (directory / HOLD).touch()  # which nobody has locked
    try:
        assert "directories of killed runs" in doctor.leftovers().value
    finally:
        shutil.rmtree(directory)


def test_the_doctor_imports_nothing_that_may_be_broken() -> None:
    import subprocess

    code = (
        "import cluster.doctor, sys; print([name for name in ('torch', 'transformers', 'vllm', 'ray') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
