"""The two ways a command can fail, each one line for the reader: the thing and the remedy."""

from __future__ import annotations

import errno
import tempfile
import traceback

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class RequestError(Exception):
    """What was asked for cannot be done as asked: a wrong recipe, a missing file. Exit code 2."""


class WorkError(Exception):
    """The request was right but the work failed. Exit code 1; committed artefacts stay."""


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def in_words(error: OSError) -> str:
    """What the system refused, of what, and what to do: for errors that no command expected."""
    what = (error.strerror or first_line(error)).lower()
    names = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    if error.errno in FULL_DISK:
        remedy = "free some space, then run again: finished stages stay"
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        remedy = "change who may use it, or choose another --root"
    else:
        remedy = "`pageloom doctor` says what will not work here"
    return f"{names + ': ' if names else ''}{what}; {remedy}"


def unexpected(error: Exception) -> str:
    """One line for an error that should not have come so far. The traceback goes to a file of its own, named in the line."""
    words = f"{type(error).__name__}: {first_line(error)}; this is a fault of pageloom"
    try:
        descriptor, place = tempfile.mkstemp(prefix="pageloom-traceback-", suffix=".log")
        with open(descriptor, "w", errors="backslashreplace") as log:
            log.writelines(traceback.format_exception(error))
    except OSError as full:
        return f"{words} (its traceback could not be kept: {first_line(full)})"
    return f"{words}; please report it with {place}"
