"""The step that orbits take side by side, as vector code.

Written with scalars, picking each orbit's coefficients is a gather, or a chain of selects as long as there are maps.
Eight lanes and at most eight maps make it one permutation of a register, which numba has no word for: the intrinsic
below spells it in LLVM's target-independent vectors. x86-64 with AVX2 gets a `vpermps` a coefficient, other processors
gather with scalar loads; the arithmetic, and so every bit, is the same.
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


def _maps(builder: Any, choice: Any, shift: Any) -> list[Any]:
    """Return each lane's map, 0..7."""
    zero = ir.Constant(_LANE, 0)
    lowest = builder.insert_element(ir.Constant(_INTEGERS, ir.Undefined), shift, zero)
    choice = builder.lshr(choice, builder.shuffle_vector(lowest, lowest, ir.Constant(_INTEGERS, [0] * LANES)))
    # the mask also keeps LLVM from taking the load apart, lane by lane, before it sees a permutation
    choice = builder.and_(choice, ir.Constant(_INTEGERS, [LANES - 1] * LANES))
    return [builder.extract_element(choice, ir.Constant(_LANE, lane)) for lane in range(LANES)]


@intrinsic
def advance_lanes(
    _typing: Any, tables: Any, choice: Any, shift: Any, source: Any, target: Any, at: Any
) -> Any:
    """Write where LANES orbits are after a step, from lane `at` on.

    target[d][at + l] = sum over k of tables[d, k, m] * source[k][at + l], then + tables[d, D, m], where
    m = (choice[at + l] >> shift) mod 8; the terms are added in order.

    Args:
        tables: float32 [D, D + 1, 8], C-contiguous: coordinate, coefficient (the translation last), map.
        choice: uint32 [R], C-contiguous.
        shift: uint32.
        source: tuple of D float32 [R], C-contiguous: the coordinates before the step.
        target: tuple of D float32 [R], C-contiguous: those after it.
        at: uint64.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(argument: int, part: int | None = None) -> Any:
            kind, value = signature.args[argument], arguments[argument]
            if part is not None:
                kind, value = kind[part], builder.extract_value(value, part)
            return context.make_array(kind)(context, builder, value).data

        lane, dimensions = arguments[5], len(signature.args[3])
        lanes = _maps(builder, _load(builder, data(1), lane, _INTEGERS), arguments[2])
        coordinates = [_load(builder, data(3, part), lane, _FLOATS) for part in range(dimensions)]
        for axis in range(dimensions):
            rows = [axis * (dimensions + 1) + part for part in range(dimensions + 1)]
            entries = [_load(builder, data(0), ir.Constant(_INDEX, row * LANES), _FLOATS) for row in rows]
            *factors, translation = [_permuted(builder, entry, lanes) for entry in entries]
            terms = [builder.fmul(*pair) for pair in zip(factors, coordinates, strict=True)]
            total = terms[0]
            for term in [*terms[1:], translation]:
                total = builder.fadd(total, term)
            place = builder.gep(data(4, axis), [lane])
            builder.store(total, builder.bitcast(place, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(tables, choice, shift, source, target, at), generate
