"""Models in another precision, as .sutra files."""
from __future__ import annotations

import os
from typing import Any, Literal, Sequence

from . import hub, runtime
from ._native import ffi, lib
from .exceptions import fail
from .inputs import Texts, as_strings, one_of

COMPUTES = {"int8": lib.SUTRA_COMPUTE_INT8, "bf16": lib.SUTRA_COMPUTE_BF16, "fp16": lib.SUTRA_COMPUTE_FP16}
SCALES = {"dynamic": lib.SUTRA_SCALES_DYNAMIC, "minmax": lib.SUTRA_SCALES_MIN_MAX,
          "percentile": lib.SUTRA_SCALES_PERCENTILE, "mse": lib.SUTRA_SCALES_MSE, "entropy": lib.SUTRA_SCALES_ENTROPY}


def quantize(name_or_path: str | os.PathLike[str], output: str | os.PathLike[str], *,
             precision: Literal["int8", "bf16", "fp16"] = "int8", texts: Sequence[str] = (),
             scales: Literal["dynamic", "minmax", "percentile", "mse", "entropy"] = "dynamic", smooth: float = 0.0,
             keep: float = 0.0, num_threads: int = 0) -> list[dict[str, Any]]:
    """Writes a model's folder as a .sutra file with its linears in another precision; returns what each became.

    texts   for calibration: all scales but "dynamic", and smooth, need some
    smooth  alpha of SmoothQuant, 0 … 1
    keep    least quality, percent: linears stay in bf16 until it holds
    """
    strings, _ = as_strings(list(texts), "quantize")
    inputs = Texts(strings, ffi.new("char[]", b""))
    options, err, made = ffi.new("SutraQuantizeOptions *"), ffi.new("SutraError *"), ffi.new("SutraBenchReport **")
    options.struct_size = ffi.sizeof("SutraQuantizeOptions")
    options.compute = one_of(COMPUTES, precision, "precision")
    options.scales = one_of(SCALES, scales, "scales")
    options.inputs, options.num_inputs = inputs.inputs if inputs.n else ffi.NULL, inputs.n
    options.smooth, options.keep, options.num_threads = smooth, keep, num_threads
    path = hub.find(os.fspath(name_or_path), None, None, False)
    status = lib.sutra_quantize(os.fsencode(path), os.fsencode(output), options, made, err)
    runtime.pass_on_log()
    if status:
        fail(status, err)
    report = ffi.gc(made[0], lib.sutra_bench_report_free)
    for i in range(lib.sutra_bench_num_tables(report)):
        table = lib.sutra_bench_table(report, i)
        if ffi.string(table.name) == b"linears":
            return _rows(table)
    return []


def _rows(table: Any) -> list[dict[str, Any]]:
    columns = [ffi.string(table.columns[i]).decode() for i in range(table.num_columns)]
    cells = [table.cells[i] for i in range(table.num_columns * table.num_rows)]
    values = [ffi.string(cell.text).decode() if cell.is_text else cell.number for cell in cells]
    return [dict(zip(columns, values[i:i + len(columns)])) for i in range(0, len(values), len(columns))]
