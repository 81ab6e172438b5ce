"""Which rows are source code. It is judged where it is read (pipeline.read.code.files); what is for prose leaves it alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def is_code(table: pa.Table) -> np.ndarray:
    """By the column `code_language`, which says nothing of other texts: bool [rows]."""
    return pc.fill_null(pc.not_equal(table["code_language"], ""), False).to_numpy()
