import subprocess
import sys

from cluster.temporary import abandoned, directory, remove_abandoned

LEAVE_ONE = "import os, cluster.temporary as t; print(t.make_directory('test'), flush=True); os.kill(os.getpid(), 9)"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays() -> None:
    killed = subprocess.run([sys.executable, "-c", LEAVE_ONE], capture_output=True, text=True, check=False)
    left = killed.stdout.strip()
    with directory("test") as mine:
        assert left in map(str, abandoned())
        assert mine not in map(str, abandoned())
        remove_abandoned()
        assert left not in map(str, abandoned())
