"""Words for the instructions of a compiled tile: wide vectors, and sums that stay in registers as long as a loop lasts.

numba keeps a loop on disk until the file of that loop changes: who changes this one changes its callers' too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir

WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))  # 32 registers of 64 bytes, else 16 of 32
VECTOR = 64 if WIDE else 32  # bytes


class Writer:
    """Short words for the instructions of a tile over arrays of one floating type."""

    def __init__(self, context: Any, builder: Any, number: Any) -> None:
        self.context, self.builder, self.number = context, builder, number
        self.real = context.get_value_type(number)
        self.word = context.get_value_type(numba.types.intp)
        self.lanes = VECTOR * 8 // number.bitwidth
        self.vector = ir.VectorType(self.real, self.lanes)

    def integer(self, value: int) -> Any:
        """A constant for addresses and counts."""
        return ir.Constant(self.word, value)

    def data(self, kind: Any, array: Any, at: Any) -> Any:
        """The address of element `at` of a flat array."""
        return self.builder.gep(self.context.make_array(kind)(self.context, self.builder, array).data, [at])

    def load(self, address: Any) -> Any:
        """The vector at an address of any number."""
        return self.builder.load(self._of_vectors(address), align=self.number.bitwidth // 8)

    def store(self, value: Any, address: Any) -> None:
        """The vector to an address of any number."""
        self.builder.store(value, self._of_vectors(address), align=self.number.bitwidth // 8)

    def spread(self, address: Any) -> Any:
        """The number at the address in all lanes."""
        empty = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(empty, self.builder.load(address), ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, empty, lanes)

    def added(self, a: Any, b: Any, total: Any) -> Any:
        """a b + total, in one instruction where there is one."""
        return self.builder.call(self._of_llvm("fmuladd", self.vector, [self.vector] * 3), [a, b, total])

    def store_totals(self, vectors: list[Any], address: Any) -> None:
        """The sum of each vector's lanes, one number after another, and nothing behind the last one.

        As many vectors as there are lanes are added up at a time: two become one of half as many partial sums each, two
        of these one, until each lane is a whole sum. The vectors left over are added up one by one.
        """
        whole = len(vectors) // self.lanes * self.lanes
        for first in range(0, whole, self.lanes):
            level, piece = vectors[first : first + self.lanes], self.lanes // 2
            while piece:
                level = [self._halved(a, b, piece) for a, b in zip(level[::2], level[1::2], strict=True)]
                piece //= 2
            self.store(level[0], self.builder.gep(address, [self.integer(first)]))
        for place in range(whole, len(vectors)):
            self.builder.store(self._total(vectors[place]), self.builder.gep(address, [self.integer(place)]))

    def _halved(self, a: Any, b: Any, piece: int) -> Any:
        """The partial sums of a, then those of b: each piece of so many lanes is the sum of two neighbours."""
        lower = [at + i for at in range(0, 2 * self.lanes, 2 * piece) for i in range(piece)]
        halves = [
            self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), taken))
            for taken in (lower, [i + piece for i in lower])
        ]
        return self.builder.fadd(*halves)

    def _total(self, vector: Any) -> Any:
        """The sum of the lanes."""
        function = self._of_llvm("vector.reduce.fadd", self.real, [self.real, self.vector])
        return self.builder.call(function, [ir.Constant(self.real, 0.0), vector], fastmath=("reassoc",))

    def repeat(self, times: Any, sums: list[Any], step: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """The sums after step(i, sums) for i from 0 to times - 1, once at least; they stay in registers."""
        before = self.builder.block
        again, after = self.builder.append_basic_block("again"), self.builder.append_basic_block("after")
        self.builder.branch(again)
        self.builder.position_at_end(again)
        i = self.builder.phi(self.word)
        carried = [self.builder.phi(total.type) for total in sums]
        found = step(i, carried)
        following = self.builder.add(i, self.integer(1))
        for phi, first, last in zip([i, *carried], [self.integer(0), *sums], [following, *found], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(last, self.builder.block)
        self.builder.cbranch(self.builder.icmp_signed("<", following, times), again, after)
        self.builder.position_at_end(after)
        return found

    def _of_vectors(self, address: Any) -> Any:
        return self.builder.bitcast(address, self.vector.as_pointer())

    def _of_llvm(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """LLVM's own function of that name for vectors of these lanes."""
        full = f"llvm.{name}.v{self.lanes}f{self.number.bitwidth}"
        known = self.builder.module.globals.get(full)
        return known or ir.Function(self.builder.module, ir.FunctionType(result, arguments), full)
