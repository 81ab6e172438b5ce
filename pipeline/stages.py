"""The stages from web pages to tokens."""

from __future__ import annotations

from cluster.errors import RequestError
from cluster.stage import Stage
from pipeline.classifiers.settings import ClassifiersSettings, external_files
from pipeline.corpus.settings import CorpusSettings
from pipeline.crawl.settings import CrawlSettings
from pipeline.dedup.settings import DedupSettings
from pipeline.pages.settings import PagesSettings
from pipeline.records.settings import RecordsSettings
from pipeline.rights.forget import FORGET
from pipeline.room import crawlers, workers
from pipeline.tokens.settings import TokensSettings
from pipeline.tokens.tokenizer_settings import TokenizerSettings


def pages_named(settings: CrawlSettings) -> list[str]:
    """The files to take. Raises RequestError, before any work, where there is neither a file nor a site to crawl."""
    if not (settings.all_sources() or settings.seeds or settings.pydoc):
        raise RequestError("crawl: no pages are named; give --input FILES, or crawl.sources or crawl.seeds in the recipe")
    return settings.patterns()


STAGES = (
    Stage(
        "crawl",
        "crawl",
        CrawlSettings,
        "3",
        "pipeline.crawl.stage:run_crawl",
        needs_room=crawlers,
        external=pages_named,
        placed=True,
        deterministic=False,
    ),
    Stage(
        "records",
        "records",
        RecordsSettings,
        "5",
        "pipeline.records.stage:run_records",
        needs_room=workers,
        needs=("crawl",),
        external=lambda settings: settings.rights.files(),
    ),
    Stage(
        "classifiers",
        "classifiers",
        ClassifiersSettings,
        "2",
        "pipeline.classifiers.stage:run_classifiers",
        needs_room=workers,
        needs=("records",),
        external=external_files,
    ),
    Stage(
        "pages",
        "pages",
        PagesSettings,
        "3",
        "pipeline.pages.stage:run_pages",
        needs_room=workers,
        needs=("records", "classifiers"),
        root_lists=(FORGET,),
    ),
    Stage("dedup", "dedup", DedupSettings, "5", "pipeline.dedup.stage:run_dedup", needs=("pages",), needs_room=workers),
    Stage(
        "corpus",
        "corpus",
        CorpusSettings,
        "4",
        "pipeline.corpus.stage:run_corpus",
        needs_room=workers,
        needs=("pages", "dedup"),
        external=lambda settings: settings.benchmarks,
    ),
    Stage("tokenizer", "tokenizer", TokenizerSettings, "1", "pipeline.tokens.tokenizer:run_tokenizer", needs=("corpus",)),
    Stage(
        "tokens",
        "tokens",
        TokensSettings,
        "2",
        "pipeline.tokens.stage:run_tokens",
        needs=("crawl", "corpus", "tokenizer"),
        needs_room=workers,
    ),
)
