"""What runs and refs of a root name, with all that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cluster.attempts import BEGUN, attempts_in
from cluster.errors import RequestError, WorkError
from cluster.runs import REFS, RUNS, RunRecord, read_ref, read_run, ref_names, run_ids
from cluster.store import MANIFEST, Artefact, Store
from cluster.verify import Fault

Name = tuple[str, str]  # stage, key


def readable(store: Store) -> tuple[list[RunRecord], dict[str, dict[str, str]], list[Fault]]:
    """Records of runs, oldest first, and refs by name; and those of both that cannot be read."""
    runs: list[RunRecord] = []
    named: dict[str, dict[str, str]] = {}
    unreadable: list[Fault] = []
    for run in run_ids(store.root):
        try:
            runs.append(read_run(store.root, run))
        except WorkError:
            unreadable.append(Fault(RUNS, run, store.root / RUNS, f"{run}.json", "no record of a run"))
    for name in ref_names(store.root):
        try:
            named[name] = read_ref(store.root, name)
        except WorkError:
            unreadable.append(Fault(REFS, name, store.root / REFS, f"{name}.json", "names no release"))
    return runs, named, unreadable


def named_artefacts(store: Store) -> set[Name] | None:
    """Every artefact that a run or ref names, with all that they were made from; None for a root without records of runs.

    Raises WorkError for a record, ref or manifest that cannot be read: what it names would not be known.
    """
    runs, named_by, unreadable = readable(store)
    if unreadable:
        raise WorkError(
            f"{unreadable[0]}; correct it, or put back a copy; nothing was deleted, for what it alone names would have gone"
        )
    if not runs:
        return None
    pending = [name for run in runs for name in run.stages.items()]
    pending += [(ref["stage"], ref["key"]) for ref in named_by.values()]
    named: set[Name] = set()
    while pending:
        if (each := pending.pop()) in named:
            continue
        named.add(each)
        if artefact := store.artefact(*each):
            pending += artefact.manifest["parents"].items()
        refuse_half(store, each, artefact)
    return named


def refuse_half(store: Store, name: Name, artefact: Artefact | None) -> None:
    """Raises WorkError for files of something committed without its manifest, or the other way round: of a root that is being
    copied, say. What it was made from, and which of its attempts counts, is not known then.
    """
    place = store.place(*name)
    attempts = {each: (place / each).sizes() for each in attempts_in(place)}
    if artefact is None:
        half = any(attempts.values()) and not any(BEGUN in sizes for sizes in attempts.values())
    else:
        wanted = bool(artefact.manifest["files"]) and artefact.location != artefact.place
        half = wanted and any(attempts.values()) and not attempts.get(artefact.location.name)
    if half:
        raise WorkError(
            f"{place}: files without the manifest that names them, as of a copy that is not whole; "
            "bring the rest, or delete the directory; nothing was deleted"
        )


def absent(store: Store, artefacts: Iterable[Artefact]) -> Iterator[Fault]:
    """Records and refs that cannot be read; and artefacts that were committed and are not there: of runs that ended well, of
    refs, of what others were made from.
    """
    runs, named_by, unreadable = readable(store)
    yield from unreadable
    there = {(each.stage, each.key) for each in artefacts}
    who: dict[Name, str] = {}
    for artefact in artefacts:
        for name in artefact.manifest["parents"].items():
            who.setdefault(name, f"{artefact.stage} {artefact.key} was made from it")
    for run in runs:
        if run.outcome == "done":
            who |= {name: f"run {run.id} made it" for name in run.stages.items()}
    who |= {(ref["stage"], ref["key"]): f"the ref {name} names it" for name, ref in named_by.items()}
    for (stage, key), says in sorted(who.items()):
        if (stage, key) not in there:
            yield Fault(stage, key, store.place(stage, key), MANIFEST, f"missing, and {says}")


def made_by(store: Store, stage: str, key: str) -> RunRecord | None:
    """The newest run that was to make an artefact."""
    runs, _, _ = readable(store)
    return next((run for run in reversed(runs) if run.stages.get(stage) == key), None)


def committed(store: Store, names: Iterable[Name]) -> tuple[list[Artefact], list[Fault]]:
    """Those of `names` that are committed, oldest first, and those whose manifest cannot be read."""
    found: list[Artefact] = []
    unreadable: list[Fault] = []
    for stage, key in names:
        try:
            artefact = store.artefact(stage, key)
        except WorkError:
            unreadable.append(Fault(stage, key, store.place(stage, key), MANIFEST, "cannot be read"))
        else:
            found += [artefact] if artefact else []
    return sorted(found, key=lambda each: float(each.manifest["committed"])), unreadable


def refuse_nothing(store: Store, names: Iterable[Name]) -> None:
    """Raises RequestError for a root in which nothing was ever made: a slip in its name more often than not."""
    if not list(names) and not run_ids(store.root):
        raise RequestError(f"{store.root}: nothing was made there; `pageloom run` does, --root names another place")
