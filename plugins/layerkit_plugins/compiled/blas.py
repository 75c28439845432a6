"""Matrix products inside compiled code: NumPy's own BLAS, called by its address.

Between two products numba's code need not return to the interpreter, so a whole pass runs without
its lock. All arguments of the Fortran interface are pointers, so it is the same for libraries with
32-bit and 64-bit integers, as long as the machine is little-endian.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from layerkit.execution.runner import blas_symbol

__all__ = ["address_of_sgemm", "product"]

_SYMBOLS = ("scipy_sgemm_64_", "sgemm_64_", "sgemm_")


@cache
def address_of_sgemm() -> int | None:
    """The address of the product of float32 matrices, NumPy's or else SciPy's; None without one."""
    if sys.byteorder != "little":
        return None
    for symbol in _SYMBOLS:
        found = blas_symbol(symbol)
        if found is not None:
            return ctypes.cast(found, ctypes.c_void_p).value
    try:
        address: int = get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
    except (ImportError, ValueError):
        return None
    return address


def _make_sgemm(_typing: Any, address: Any, ta: Any, tb: Any, sizes: Any, beta: Any) -> Any:
    """Call sgemm; ``sizes`` are m, n, k, then address and columns of a, of b and of c."""

    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        byte, real = ir.IntType(8), ir.FloatType()

        def pointer(value: Any) -> Any:
            return cgutils.alloca_once_value(builder, value)  # type: ignore[no-untyped-call]

        def letter(flag: Any) -> Any:
            code = (ir.Constant(byte, ord(word)) for word in "TN")
            return pointer(builder.select(flag, *code))

        def floats(at: Any) -> Any:
            return builder.inttoptr(at, real.as_pointer())

        address, ta, tb, sizes, beta = args
        m, n, k, a, lda, b, ldb, c, ldc = cgutils.unpack_tuple(builder, sizes, 9)  # type: ignore[no-untyped-call]
        one = pointer(ir.Constant(real, 1))
        called = [letter(ta), letter(tb), pointer(m), pointer(n), pointer(k), one]
        called += [floats(a), pointer(lda), floats(b), pointer(ldb), pointer(beta)]
        called += [floats(c), pointer(ldc)]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in called])
        builder.call(builder.inttoptr(address, kind.as_pointer()), called)
        return context.get_dummy_value()

    wanted = types.UniTuple(types.int64, 9)  # type: ignore[no-untyped-call]
    flag = types.boolean
    return types.void(types.int64, flag, flag, wanted, types.float32), codegen


_sgemm: Any = intrinsic(_make_sgemm)


@njit(inline="always")
def product(sgemm: int, ta: bool, tb: bool, m: int, n: int, k: int, a: Any, b: Any, c: Any) -> None:
    """C (m, n) := op(A) op(B) + beta C in C order; op transposes where ``ta``, ``tb``.

    ``a`` and ``b`` are (address, columns as they lie in memory), ``c`` is (address, columns, beta).
    """
    # The library stores columns first, so it computes C^T = op(B)^T op(A)^T.
    _sgemm(sgemm, tb, ta, (n, m, k, b[0], b[1], a[0], a[1], c[0], c[1]), c[2])
