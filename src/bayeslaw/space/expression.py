"""Constraints as text, read by a parser that can only do arithmetic.

Expressions arrive in YAML and over HTTP, so nothing is ever passed to ``eval``: the text is
parsed to Python's syntax tree and only numbers, known kinds of names, ``+ - * / % **``,
comparisons and four functions are carried over. Size and exponents are bounded.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayeslaw.errors import ExpressionError
from bayeslaw.space.interval import Interval

Evaluate = Callable[[Mapping[str, Any]], Any]

MAX_CHARACTERS = 500
MAX_NODES = 120
MAX_EXPONENT = 8.0

_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


def _equal(left: Any, right: Any) -> Any:
    if isinstance(left, Interval):
        return left.equals(right)
    return right.equals(left) if isinstance(right, Interval) else np.equal(left, right)


_COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.LtE: operator.le,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
    ast.Eq: _equal,
    ast.NotEq: lambda left, right: ~_equal(left, right),
}


def _log(value: Any) -> Any:
    return value.log() if isinstance(value, Interval) else np.log(value)


def _sqrt(value: Any) -> Any:
    return value.sqrt() if isinstance(value, Interval) else np.sqrt(value)


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"log": _log, "sqrt": _sqrt}


@dataclass(frozen=True)
class Expression:
    """Read one expression, such as ``n_params <= 1.05e9`` or ``0.4e6 < n_params <= 0.5e6``.

    Names may be dotted (``baseline.tpot_ms``). Values may be numbers, NumPy arrays or
    `Interval` boxes; a comparison gives booleans (or, for boxes, a `Truth`).

    Attributes:
        text: As written.

    Raises:
        ExpressionError: The text is not such an expression; the message points at the part.

    >>> limit = Expression("tpot_ms <= 0.95 * baseline.tpot_ms")
    >>> sorted(limit.names)
    ['baseline.tpot_ms', 'tpot_ms']
    >>> bool(limit.evaluate({"tpot_ms": 9.0, "baseline.tpot_ms": 10.0}))
    True
    """

    text: str

    def __post_init__(self) -> None:
        _ = self._compiled  # a bad text fails where it is written, not where it is first used

    @cached_property
    def names(self) -> frozenset[str]:
        """Names that `evaluate` needs."""
        return frozenset(self._compiled[1])

    @cached_property
    def is_comparison(self) -> bool:
        """Whether it says yes or no."""
        return self._compiled[2] is not None

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute it from values by name.

        Raises:
            ExpressionError: A name has no value.
        """
        if missing := self.names - set(values):
            raise ExpressionError(
                f"{self.text!r} mentions {sorted(missing)}, known names are {sorted(values)}"
            )
        return self._compiled[0](values)

    def margin(self, values: Mapping[str, Any]) -> Any:
        """Return by how much a single comparison holds: positive inside, negative outside.

        The unit is that of the compared quantities.

        Raises:
            ExpressionError: It is not one comparison with ``<=``, ``<``, ``>=`` or ``>``.
        """
        sides = self._compiled[2]
        if sides is None or sides[1] is None:
            raise ExpressionError(
                f"{self.text!r} must be one comparison with <=, <, >= or > to have a margin"
            )
        larger, smaller = sides[1]
        return larger(values) - smaller(values)

    @cached_property
    def _compiled(self) -> tuple[Evaluate, set[str], Any]:
        if not isinstance(self.text, str):
            raise ExpressionError(f"an expression is text, got {self.text!r}")
        if len(self.text) > MAX_CHARACTERS:
            raise ExpressionError(
                f"expression of {len(self.text)} characters; at most {MAX_CHARACTERS} are read"
            )
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ExpressionError(f"cannot read {self.text!r}: {error}") from error
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise ExpressionError(f"{self.text[:60]!r}... is too long to read")
        names: set[str] = set()
        evaluate = self._compile(tree.body, names)
        comparison = None
        if isinstance(tree.body, ast.Compare):
            comparison = (tree.body, self._sides(tree.body, names))
        return evaluate, names, comparison

    def _sides(self, node: ast.Compare, names: set[str]) -> tuple[Evaluate, Evaluate] | None:
        if len(node.ops) != 1:
            return None
        left = self._compile(node.left, names)
        right = self._compile(node.comparators[0], names)
        if isinstance(node.ops[0], ast.LtE | ast.Lt):
            return right, left
        if isinstance(node.ops[0], ast.GtE | ast.Gt):
            return left, right
        return None

    def _compile(self, node: ast.expr, names: set[str]) -> Evaluate:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                constant = float(number)
                return lambda values: constant
            case ast.Name(id=name):
                names.add(name)
                return lambda values: values[name]
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                dotted = f"{owner}.{attribute}"
                names.add(dotted)
                return lambda values: values[dotted]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._compile(operand, names)
                return lambda values: -inner(values)
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                return self._power(base, exponent, names)
            case ast.BinOp(left=left_node, op=op, right=right_node) if type(op) in _ARITHMETIC:
                apply = _ARITHMETIC[type(op)]
                left = self._compile(left_node, names)
                right = self._compile(right_node, names)
                return lambda values: apply(left(values), right(values))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in _FUNCTIONS
            ):
                function = _FUNCTIONS[name]
                inner = self._compile(argument, names)
                return lambda values: function(inner(values))
            case ast.Compare():
                return self._comparison(node, names)
        raise ExpressionError(
            f"cannot read {ast.unparse(node)!r} in {self.text!r}; numbers, names, + - * / % **, "
            f"comparisons, log() and sqrt() are allowed"
        )

    def _power(self, base: ast.expr, exponent: ast.expr, names: set[str]) -> Evaluate:
        sign = 1.0
        if isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub):
            sign, exponent = -1.0, exponent.operand
        if not (
            isinstance(exponent, ast.Constant)
            and isinstance(exponent.value, int | float)
            and abs(exponent.value) <= MAX_EXPONENT
        ):
            raise ExpressionError(
                f"in {self.text!r} an exponent must be a number between -{MAX_EXPONENT:g} and "
                f"{MAX_EXPONENT:g}, got {ast.unparse(exponent)!r}"
            )
        power = sign * float(exponent.value)
        inner = self._compile(base, names)
        return lambda values: inner(values) ** power

    def _comparison(self, node: ast.Compare, names: set[str]) -> Evaluate:
        operands = [self._compile(side, names) for side in (node.left, *node.comparators)]
        for op in node.ops:
            if type(op) not in _COMPARISONS:
                raise ExpressionError(f"cannot compare with {ast.unparse(node)!r} in {self.text!r}")
        tests = [_COMPARISONS[type(op)] for op in node.ops]

        def evaluate(values: Mapping[str, Any]) -> Any:
            sides = [operand(values) for operand in operands]
            holds = tests[0](sides[0], sides[1])
            for test, left, right in zip(tests[1:], sides[1:-1], sides[2:], strict=True):
                holds = holds & test(left, right)
            return holds

        return evaluate
