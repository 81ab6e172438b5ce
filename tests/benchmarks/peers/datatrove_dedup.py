"""datatrove's four-stage MinHash over JSONL files, as in its examples/minhash_deduplication.py.

Runs in the peers' environment (environment.py), not in pageloom's:
    python datatrove_dedup.py DOCUMENTS OUTPUT WORKERS
DOCUMENTS: a folder of JSONL files with `id` and `text`, one a worker. OUTPUT: an empty folder.
Prints one JSON object: seconds of each stage and of all four, and the ids of the documents that stay.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def main(documents: str, output: str, workers: int) -> None:
    config, seconds = MinhashConfig(), {}
    reader = JsonlReader(documents, glob_pattern="*.jsonl")
    signatures, buckets, remove = (f"{output}/{name}" for name in ("signatures", "buckets", "remove"))
    stages = {
        "signatures": ([reader, MinhashDedupSignature(signatures, config=config)], workers),
        "buckets": ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
        "cluster": ([MinhashDedupCluster(buckets, remove, config=config)], 1),
        "filter": ([reader, MinhashDedupFilter(remove), JsonlWriter(f"{output}/kept")], workers),
    }
    for name, (pipeline, tasks) in stages.items():
        began = time.time()
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=f"{output}/logs/{name}").run()
        seconds[name] = time.time() - began
    kept = []
    for path in Path(output, "kept").glob("*.jsonl.gz"):
        with gzip.open(path, "rt") as lines:
            kept += [int(json.loads(line)["id"]) for line in lines]
    print(json.dumps({"seconds": sum(seconds.values()), "stages": seconds, "kept": sorted(kept)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
