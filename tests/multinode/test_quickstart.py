"""The whole line on three machines that have none of our code, to an answer over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.multinode.cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.multinode]

# As .ci/quickstart shortens it.
SHORT = {
    "tracking.wandb": "disabled",
    "crawl.max_pages": "60",
    "pretrain.steps": "30",
    "sft.steps": "10",
    "reward.steps": "10",
    "rlhf.steps": "2",
}
QUESTION = {
    "model": "pageloom-quickstart",
    "messages": [{"role": "user", "content": "What does the json module do?"}],
    "max_tokens": 16,
}


def test_a_submitted_quickstart_answers_until_its_job_is_stopped(cluster: Cluster) -> None:
    root = cluster.bucket("quickstart") + "/root"
    settings = [part for key, value in SHORT.items() for part in ("--set", f"{key}={value}")]
    process = cluster.begin("submit", "--serve", "--address", cluster.url, "--root", root, *settings)
    said = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("answered"):
                break
        assert process.poll() is None, "".join(said)
        url = "http://127.0.0.1:8000/v1/chat/completions"
        asking = ["curl", "--fail", "--silent", url, "-H", "Content-Type: application/json", "-d", json.dumps(QUESTION)]
        answer = cluster.head.run(asking)
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["choices"][0]["message"]["role"] == "assistant"
        job = said[0].partition(":")[0]
        code, told = cluster.pageloom("jobs", "stop", job, "--address", cluster.url)
        assert code == 0, told
        process.communicate(timeout=60)
        assert process.returncode == 130
    finally:
        process.kill()
        process.wait()
