"""What Ray is told of a run as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.job_config import JobConfig

CODE = str(Path(__file__).resolve().parents[2])  # where this project's packages are


class Job(JobConfig):
    """Keeps the directory that the user stands in out of the workers' module path.

    Ray puts it, and the script's, in front of all else there: a file of the user's called rich.py would be imported in place
    of the library, and the workers die. Of the two only our own may stay, for a checkout that is not installed.
    """

    def _get_proto_job_config(self) -> Any:
        self._py_driver_sys_path = [path for path in self._py_driver_sys_path if path == CODE]
        return super()._get_proto_job_config()
