"""What a pickle would do, read without doing it."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

Node = Any
"""A number, a text, bytes, None, a tuple or list of nodes, :class:`Pairs`, :class:`Name` or :class:`Made`."""

_MOST_STEPS = 2_000_000
_VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8 UNICODE "
    "SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Node]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": lambda: Pairs(),
    "EMPTY_SET": lambda: Made(Name("builtins", "set")),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class Name(NamedTuple):
    """What the pickle asks to import: nobody does."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


PERSISTENT = Name("", "what is stored outside of the pickle")


@dataclass(eq=False)
class Pairs:
    """A dictionary, whose keys may be anything."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(eq=False)
class Made:
    """An object that the pickle asks to make, by calling something or as an instance of a class."""

    of: Node
    args: Node = ()
    kwargs: Node = None
    state: Node = None
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


def read_pickle(content: bytes | BinaryIO) -> Node:
    """
    Read a pickle as a tree of what it asks for. Nothing is imported, called or made.

    Nodes may be shared, and a hostile pickle may hold circles.

    :param content: The bytes, or a stream, which is then read up to the end of the pickle.
    :raises ValueError: If it is no whole pickle, or asks for what no model of SB3 needs.
    """
    machine = _Machine()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step > _MOST_STEPS:
                raise ValueError(f"it has more than {_MOST_STEPS:,} steps")
            machine.do(opcode.name, argument)
        return machine.stack[-1]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError, MemoryError) as error:
        raise ValueError(f"is no pickle of a model ({' '.join(str(error).split())[:120]})") from error


class _Machine:
    """The stack machine of pickles, whose values are nodes."""

    def __init__(self) -> None:
        self.stack: list[Node] = []
        self._memo: dict[int, Node] = {}

    def do(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        stack, pop = self.stack, self.stack.pop
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                stack.append(_MARK)
            case "POP":
                pop()
            case "POP_MARK":
                self._to_mark()
            case "DUP":
                stack.append(stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                stack.append(Name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                names = pop(-2), pop()
                if not all(isinstance(part, str) for part in names):
                    raise ValueError("a name is no text")
                stack.append(Name(*names))
            case "REDUCE" | "NEWOBJ":
                self._make(pop(-2), pop(), None)
            case "NEWOBJ_EX":
                self._make(pop(-3), pop(-2), pop())
            case "BINPERSID":
                self._make(PERSISTENT, (pop(),), None)
            case "BUILD":
                state = pop()
                if type(stack[-1]) is not Made or stack[-1].state is not None:
                    raise ValueError("it changes what it has not made")
                stack[-1].state = state
            case _ if name in _VALUES:
                stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case _ if name in _EMPTY:
                stack.append(_EMPTY[name]())
            case _ if name in _TUPLES:
                parts = tuple(stack[-_TUPLES[name] :])
                if len(parts) != _TUPLES[name]:
                    raise ValueError("its stack is empty")
                del stack[-len(parts) :]
                stack.append(parts)
            case _:
                self._collect(name)

    def _make(self, of: Node, args: Node, kwargs: Node) -> None:
        if not isinstance(args, tuple):
            raise ValueError("arguments are no tuple")
        self.stack.append(Made(of, args, kwargs))

    def _collect(self, name: str) -> None:
        """Execute what takes the top of the stack, or all down to the mark, into a container."""
        stack = self.stack
        match name:
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "LIST":
                stack.append(self._to_mark())
            case "DICT":
                stack.append(Pairs(_pairs(self._to_mark())))
            case "FROZENSET":
                stack.append(Made(Name("builtins", "frozenset"), items=self._to_mark()))
            case "APPEND":
                item = stack.pop()
                _items_of(stack[-1]).append(item)
            case "APPENDS" | "ADDITEMS":
                items = self._to_mark()
                _items_of(stack[-1]).extend(items)
            case "SETITEM":
                pair = stack.pop(-2), stack.pop()
                stack[-1].pairs.append(pair)
            case "SETITEMS":
                pairs = _pairs(self._to_mark())
                stack[-1].pairs.extend(pairs)
            case _:
                raise ValueError(f"it uses the instruction {name}")

    def _to_mark(self) -> list[Node]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise ValueError("a mark is missing")


def _items_of(owner: Node) -> list[Node]:
    return owner if isinstance(owner, list) else owner.items


def _pairs(flat: list[Node]) -> list[tuple[Node, Node]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
