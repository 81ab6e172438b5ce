"""The two ways a command can fail, each one line for the reader: the thing and the remedy."""

import errno

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class RequestError(Exception):
    """What was asked for cannot be done as asked: a wrong recipe, a missing file. Exit code 2."""


class WorkError(Exception):
    """The request was right but the work failed. Exit code 1; committed artefacts stay."""


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
