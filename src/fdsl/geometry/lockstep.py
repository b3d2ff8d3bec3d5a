"""The step that orbits take side by side, as vector code.

Written with scalars, picking each orbit's coefficients is a gather, or a chain of selects as long as there are maps. Eight
lanes and at most eight maps make it one permutation of a register, which numba has no word for: the intrinsic below spells
it in LLVM's target-independent vectors. x86-64 with AVX2 gets a `vpermps` a coefficient, other processors gather with
scalar loads; the arithmetic, and so every bit, is the same.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
_LANE, _INDEX = ir.IntType(32), ir.IntType(64)
_FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_LANE, LANES)


def _load(builder: Any, pointer: Any, offset: Any, kind: Any) -> Any:
    vector = builder.load(builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer()))
    vector.align = 4
    return vector


def _permuted(builder: Any, entries: Any, lanes: list[Any]) -> Any:
    chosen = ir.Constant(_FLOATS, ir.Undefined)
    for lane, source in enumerate(lanes):
        entry = builder.extract_element(entries, source)
        chosen = builder.insert_element(chosen, entry, ir.Constant(_LANE, lane))
    return chosen


@intrinsic
def advance_lanes(_typing: Any, table: Any, choice: Any, source: Any, target: Any, at: Any) -> Any:
    """Write one coordinate of LANES orbits after a step, from lane `at` on.

    target[at + l] = sum over k of table[k, m] * source[k][at + l], then + table[K, m], where m = choice[at + l] mod 8;
    the terms are added in order.

    Args:
        table: float32 [K + 1, 8], C-contiguous: a coefficient a row, a map a column, the translation last.
        choice: uint32 [R], C-contiguous; only the low three bits count.
        source: tuple of K float32 [R], C-contiguous: the coordinates before the step.
        target: float32 [R], C-contiguous.
        at: uint64.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(kind: Any, value: Any) -> Any:
            return context.make_array(kind)(context, builder, value).data

        rows, maps, _, written, lane = arguments
        maps = _load(builder, data(signature.args[1], maps), lane, _INTEGERS)
        # the mask also keeps LLVM from taking the load apart, lane by lane, before it sees a permutation
        maps = builder.and_(maps, ir.Constant(_INTEGERS, [LANES - 1] * LANES))
        lanes = [builder.extract_element(maps, ir.Constant(_LANE, k)) for k in range(LANES)]
        rows = data(signature.args[0], rows)

        def coefficient(row: int) -> Any:
            entries = _load(builder, rows, ir.Constant(_INDEX, row * LANES), _FLOATS)
            return _permuted(builder, entries, lanes)

        total = None
        for row, kind in enumerate(signature.args[2]):
            coordinate = _load(builder, data(kind, builder.extract_value(arguments[2], row)), lane, _FLOATS)
            term = builder.fmul(coefficient(row), coordinate)
            total = term if total is None else builder.fadd(total, term)
        total = builder.fadd(total, coefficient(len(signature.args[2])))
        place = builder.gep(data(signature.args[3], written), [lane])
        builder.store(total, builder.bitcast(place, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(table, choice, source, target, at), generate
