"""The stages from web pages to tokens."""

from __future__ import annotations

from cluster.stage import Context, Stage
from pipeline.classifiers.settings import ClassifiersSettings, external_files
from pipeline.corpus.settings import CorpusSettings
from pipeline.crawl.settings import CrawlSettings
from pipeline.dedup.settings import DedupSettings
from pipeline.pages.settings import PagesSettings
from pipeline.records.settings import RecordsSettings
from pipeline.rights.forget import FORGET
from pipeline.tokens.settings import TokensSettings
from pipeline.tokens.tokenizer_settings import TokenizerSettings


def crawl(ctx: Context) -> None:
    """Web pages as WARC files, or the list of files the user gives."""
    from pipeline.crawl.stage import run_crawl

    run_crawl(ctx)


def records(ctx: Context) -> None:
    """A row a record: its text and all that can be measured of it, or why it has none."""
    from pipeline.records.stage import run_records

    run_records(ctx)


def classifiers(ctx: Context) -> None:
    """Quality and toxicity, trained on files that the recipe names, and the scores of all texts."""
    from pipeline.classifiers.stage import run_classifiers

    run_classifiers(ctx)


def pages(ctx: Context) -> None:
    """Which records are pages to keep, by thresholds, and the reason why the others are not."""
    from pipeline.pages.stage import run_pages

    run_pages(ctx)


def dedup(ctx: Context) -> None:
    """For each kept page, the page that stands for it."""
    from pipeline.dedup.stage import run_dedup

    run_dedup(ctx)


def corpus(ctx: Context) -> None:
    """Documents without personal data, for training and held out."""
    from pipeline.corpus.stage import run_corpus

    run_corpus(ctx)


def tokenizer(ctx: Context) -> None:
    """Byte-level BPE and the chat template."""
    from pipeline.tokens.tokenizer import run_tokenizer

    run_tokenizer(ctx)


def tokens(ctx: Context) -> None:
    """Packed sequences of token ids."""
    from pipeline.tokens.stage import run_tokens

    run_tokens(ctx)


STAGES = (
    Stage("crawl", "crawl", CrawlSettings, "2", crawl, external=lambda settings: settings.patterns(), deterministic=False),
    Stage(
        "records", "records", RecordsSettings, "4", records, needs=("crawl",), external=lambda settings: settings.rights.files()
    ),
    Stage("classifiers", "classifiers", ClassifiersSettings, "2", classifiers, needs=("records",), external=external_files),
    Stage("pages", "pages", PagesSettings, "3", pages, needs=("records", "classifiers"), root_lists=(FORGET,)),
    Stage("dedup", "dedup", DedupSettings, "5", dedup, needs=("pages",)),
    Stage(
        "corpus",
        "corpus",
        CorpusSettings,
        "4",
        corpus,
        needs=("pages", "dedup"),
        external=lambda settings: settings.benchmarks,
    ),
    Stage("tokenizer", "tokenizer", TokenizerSettings, "1", tokenizer, needs=("corpus",)),
    Stage("tokens", "tokens", TokensSettings, "2", tokens, needs=("crawl", "corpus", "tokenizer")),
)
