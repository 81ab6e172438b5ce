"""datatrove's FineWeb recipe over WARC files: as many tasks and worker processes as said.

Runs in the peers' environment (environment.py), not in pageloom's:
    python datatrove_pages.py ARCHIVES OUTPUT MODEL WORKERS
ARCHIVES: a folder of WARC files. OUTPUT: an empty folder. MODEL: fastText's lid.176, which datatrove would download.
Prints one JSON object: seconds of the whole pipeline, from its first process to its last.

The steps and their settings are those of examples/fineweb.py up to the filters, but for the two that take no time here:
the URL filter's lists of adult sites, and the writers of what is rejected.
"""

from __future__ import annotations

import json
import sys
import time

import datatrove.utils.lid
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

# Its worker processes load this file anew, so it stands outside of `main`.
datatrove.utils.lid.cached_asset_path_or_download = lambda *_, **__: sys.argv[3]


def main(archives: str, output: str, workers: int) -> None:
    began = time.time()
    LocalPipelineExecutor(
        pipeline=[
            WarcReader(archives, glob_pattern="*.warc.gz", default_metadata={}),
            Trafilatura(favour_precision=True, timeout=5),
            LanguageFilter(),
            GopherRepetitionFilter(),
            GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False),
            FineWebQualityFilter(),
            JsonlWriter(f"{output}/kept"),
        ],
        tasks=workers,
        workers=workers,
        logging_dir=f"{output}/logs",
    ).run()
    print(json.dumps({"seconds": time.time() - began}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[4]))
