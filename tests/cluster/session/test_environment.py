"""Variables for the time of a session, whatever else the process is doing."""

import subprocess
import sys
from pathlib import Path

# Another thread imports Ray and is held in the middle of its C++ part; the session's variables are set meanwhile. The one that
# lets it go on acts later than that: whoever does not wait has found half a module by then.
HALF_IMPORTED = """
import importlib.abc, os, sys, threading
from cluster.session.environment import Environment

held, go_on = threading.Event(), threading.Event()

class Hold(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if "ray._raylet" in sys.modules and not held.is_set():
            held.set()
            go_on.wait(60)

sys.meta_path.insert(0, Hold())
def begin():
    import ray
importing = threading.Thread(target=begin)
importing.start()
assert held.wait(60)
threading.Timer(0.5, go_on.set).start()
before = Environment({"RAY_AUTH_MODE": "token"})
assert go_on.is_set()
importing.join()
assert os.environ["RAY_AUTH_MODE"] == "token"
before.restore()
print("done")
"""


def test_variables_are_set_while_another_thread_is_in_the_middle_of_importing_ray() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HALF_IMPORTED],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
