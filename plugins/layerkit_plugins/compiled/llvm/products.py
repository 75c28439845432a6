"""Matrix products: of batches by NumPy's own BLAS, called by its address, of one row by a loop.

All arguments of the Fortran interface are pointers, so it is the same for libraries with 32-bit and
64-bit integers, as long as the machine is little-endian.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from layerkit.execution.engine import blas_symbol
from layerkit_plugins.compiled.llvm.emit import SUM, Function, Value

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
        from scipy.linalg import cython_blas
    except ImportError:
        return None
    capsule = cython_blas.__pyx_capi__["sgemm"]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address: int | None = pointer(capsule, name(capsule))
    return address


def _product() -> str:
    """C := op(A) op(B) + beta C, columns first; a column starts ``ld`` elements after another."""
    matrices = "".join(f", ptr %{m}, i64 %ld{m}, i8 %t{m}" for m in "abc")
    f = Function(
        "define internal void @product(ptr %gemm, i64 %m, i64 %n, i64 %k, float %beta"
        f"{matrices}) noinline"
    )

    def room(kind: str, value: str) -> str:
        return "ptr " + f.room(kind, value)

    def apart(of: str, rows: Value) -> str:
        # A matrix of one column, or of no rows, has any distance: the library wants a valid one.
        distance = Value(f, f"%ld{of}", "i64")
        distance = distance.compare("slt", rows).choose(rows, distance)
        return room("i64", distance.compare("slt", 1).choose(1, distance).text)

    m, n, k = (Value(f, name, "i64") for name in ("%m", "%n", "%k"))
    turned_a, turned_b = (Value(f, t, "i8").compare("eq", ord("T")) for t in ("%ta", "%tb"))
    one, beta = room("float", "1.0"), room("float", "%beta")
    flags = room("i8", "%ta"), room("i8", "%tb")
    sizes = [room("i64", name) for name in ("%m", "%n", "%k")]
    a = "ptr %a", apart("a", turned_a.choose(k, m))
    b = "ptr %b", apart("b", turned_b.choose(n, k))
    c = "ptr %c", apart("c", m)
    f.do(f"call void %gemm({', '.join([*flags, *sizes, one, *a, *b, beta, *c])})")
    return f.text()


def _affine() -> str:
    """Z := x W, or z + x W, eight rows of W at a time: z is read and written an eighth as often."""
    f = Function(
        "define internal void @affine(ptr noalias %x, i64 %i, ptr noalias %w, i64 %ld, i64 %o,"
        " ptr noalias %z, i1 %adds) noinline"
    )
    f.flags = SUM
    i, ld = Value(f, "%i", "i64"), Value(f, "%ld", "i64")
    keep = Value(f, "%adds", "i1")
    with f.loop("%o") as j:
        f.store(keep.choose(f.load("float", "%z", j), 0.0), "%z", j)
    whole = i & -8
    for start, stop, step in (("0", whole.text, 8), (whole.text, "%i", 1)):
        with f.loop(stop, start=start, step=step) as k:
            rows = [Value(f, k, "i64") + part for part in range(step)]
            x = [f.load("float", "%x", row.text) for row in rows]
            w = [f.at("float", "%w", (row * ld).text) for row in rows]
            with f.loop("%o") as j:
                total = f.load("float", "%z", j)
                for factor, row in zip(x, w, strict=True):
                    total = total + factor * f.load("float", row, j)
                f.store(total, "%z", j)
    return f.text()


PRODUCT, AFFINE = _product(), _affine()
