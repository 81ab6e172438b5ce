"""The ground floor: recipe, store, stages, Ray session, tracking, report.

Ray reads its environment while it is imported, so what it must know is said here, before any module of
this project can import it. What the caller has set stays.
"""

import os
import secrets

for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",  # 60 is too short when every core is importing torch
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}.items():
    os.environ.setdefault(_name, _value)

if "RAY_ADDRESS" not in os.environ and "RAY_AUTH_MODE" not in os.environ:
    # Parts of Ray listen on every interface even when told 127.0.0.1: an embedded Ray answers only to
    # processes that hold this token, which are those that it starts.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Nobody announces the preemption of a laptop, and the watcher is one more process at the start of every job.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
