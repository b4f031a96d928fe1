"""What the words of `memory` become in machine code; numba is imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from detectors.early import memory

Made = Mapping[FunctionType, Callable[..., Any]]


def words() -> Made:
    """What to call instead of the plain words."""
    return {memory.lent: _lent(), memory.soon: _soon()}  # type: ignore[dict-item]  # functions are FunctionType


def _builder_words() -> Any:  # noqa: ANN401 - a module without types
    from numba.core import cgutils

    return cgutils


def _lent() -> Any:  # noqa: ANN401 - numba's own kind of function
    from numba.extending import intrinsic

    cgutils = _builder_words()

    @intrinsic
    def lent(_typing: Any, array: Any) -> Any:  # noqa: ANN401 - numba has no types of its own for these
        def build(context: Any, builder: Any, _signature: Any, given: Any) -> Any:  # noqa: ANN401
            made = context.make_array(array)(context, builder, given[0])
            made.meminfo = cgutils.get_null_value(made.meminfo.type)  # nobody to tell when it is let go
            made.parent = cgutils.get_null_value(made.parent.type)
            return made._getvalue()

        return array(array), build

    return lent


def _soon() -> Any:  # noqa: ANN401 - numba's own kind of function
    from numba.core import types
    from numba.extending import intrinsic

    cgutils = _builder_words()
    ir = cgutils.ir

    @intrinsic
    def soon(_typing: Any, array: Any, at: Any, offset: Any) -> Any:  # noqa: ANN401 - see above
        def build(context: Any, builder: Any, _signature: Any, given: Any) -> Any:  # noqa: ANN401
            made = context.make_array(array)(context, builder, given[0])
            step = builder.mul(builder.extract_value(made.strides, 0), given[1])
            place = cgutils.pointer_add(builder, made.data, builder.add(step, given[2]), cgutils.voidptr_t)
            word = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
            fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(fetch, [place, word(0), word(3), word(1)])  # to read, keep it near, data
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp), build

    return soon
