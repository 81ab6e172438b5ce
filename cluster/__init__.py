"""The ground floor: recipe, store, stages, Ray session, tracking, report.

What libraries read of the environment while they are imported is said here, before any module of this project can import
them. What the caller has set stays. What only a session needs, its token for one, is set when it starts (cluster.session).
"""

import os

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
