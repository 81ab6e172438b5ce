"""Cores and memory are those of the container, whichever version of control groups says so and from wherever it is seen."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import cgroup
from cluster.cgroup import cores, free_memory, threads_each


@pytest.fixture(autouse=True)
def sixty_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


def tree(place: Path, listing: str, files: dict[str, str]) -> tuple[Path, Path]:
    (place / "proc" / "self").mkdir(parents=True)
    (place / "proc" / "self" / "cgroup").write_text(listing)
    for name, text in files.items():
        file = place / "sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return place / "proc", place / "sys"


@pytest.mark.parametrize(
    ("listing", "files", "wanted"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/a/b\n", {"cpu.max": "max 100000", "a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/host/only\n", {"cpu.max": "400000 100000"}, 4),  # a path that this container does not show
        (
            "3:memory:/\n2:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "500000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            5,
        ),
        ("1:cpu:/gone\n0::/\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "50000"}, 4),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("1:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}, 64),
        ("", {}, 64),
    ],
)
def test_a_quota_is_found_and_the_tightest_holds(listing: str, files: dict[str, str], wanted: int, tmp_path: Path) -> None:
    assert cores(*tree(tmp_path, listing, files)) == wanted


def test_affinity_holds_where_it_is_tighter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert cores(*tree(tmp_path, "0::/\n", {"cpu.max": "400000 100000"})) == 1


def test_the_nearest_limit_of_memory_holds(tmp_path: Path) -> None:
    files = {"memory.max": "max", "a/memory.max": str(3 << 20), "a/memory.current": str(1 << 20)}
    assert free_memory(*tree(tmp_path, "0::/a\n", files)) == 2 << 20


def test_ranks_share_the_cores_and_each_has_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "cores", lambda: 5)
    assert [threads_each(ranks) for ranks in (1, 2, 5, 8)] == [5, 2, 1, 1]


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group, where this user may make one."""
    for top in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        place = top / f"quota-test-{os.getpid()}"
        try:
            place.mkdir()
        except OSError:
            continue
        if (place / "cpu.max").exists() or (place / "cpu.cfs_quota_us").exists():
            yield place
            place.rmdir()
            return
        place.rmdir()
    pytest.skip("needs the right to make a control group with a quota")


def test_a_real_quota_of_the_kernel_s_is_seen_from_inside(group: Path) -> None:
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text("100000 100000")
    else:
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text("100000")
    program = (
        f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()));"
        "from cluster.cgroup import cores; print(cores())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_nobody_counts_the_machine_s_processors_instead() -> None:
    folders = [Path(__file__).parents[2] / name for name in ("cluster", "pipeline", "actors", "serving")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    asking = [file.name for file in files if "cpu_count" in file.read_text()]
    assert len(files) > 100
    assert sorted(asking) == ["cgroup.py", "doctor.py"]  # one says why not, the other tells both
