"""A module's source with one small change each: what its own tests must notice. Pure.

A change has a stable name, made of the function it is in, the text before and the text after it, so that a change which
alters nothing (`equivalents.py`) can be named. Changes that no program shows are not made: docstrings, annotations,
imports, messages.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TypeAlias

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Pow: ast.Mult,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_ROUNDINGS = {"ROUND_FLOOR": "ROUND_CEILING", "ROUND_CEILING": "ROUND_FLOOR"}


Change: TypeAlias = Callable[[ast.AST], None]
"""Changes a node where it is."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change; `place` is its number in the order in which changes are found."""

    name: str
    line: int
    place: int


def find_mutants(source: str) -> list[Mutant]:
    """Every change of the module, in order of its lines; of changes with one name all but the first are numbered."""
    mutants: list[Mutant] = []
    seen: dict[str, int] = {}
    for place, (where, statement, node, change) in enumerate(_changes(ast.parse(source))):
        before = _head(statement)
        fields = copy.copy(node.__dict__)
        change(node)
        name = f"{where}: {before} -> {_head(statement)}"
        node.__dict__.clear()
        node.__dict__.update(fields)
        seen[name] = seen.get(name, 0) + 1
        line = getattr(node, "lineno", 0)
        mutants.append(Mutant(name if seen[name] == 1 else f"{name} #{seen[name]}", line, place))
    return sorted(mutants, key=lambda mutant: (mutant.line, mutant.name))


def apply(source: str, mutant: Mutant) -> str:
    """The source with this change in it."""
    tree = ast.parse(source)
    _, _, node, change = next(islice(_changes(tree), mutant.place, None))
    change(node)
    return ast.unparse(tree)


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.AST, Change]]:
    for where, statement, node in _walk(tree, "module", tree):
        for change in _changes_of(node):
            yield where, statement, node, change


def _walk(node: ast.AST, where: str, statement: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Every node below, with the function that it is in and the statement that it is part of."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _says_nothing(child):
                continue
            inside = where
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inside = child.name if where == "module" else f"{where}.{child.name}"
            innermost = child if isinstance(child, ast.stmt) else statement
            yield inside, innermost, child
            yield from _walk(child, inside, innermost)


def _says_nothing(node: ast.AST) -> bool:
    """Docstrings, imports, what the interpreter alone reads."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in ("__slots__", "__all__") for target in node.targets)
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"


def _changes_of(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                yield _set("ops", [*node.ops[:place], other(), *node.ops[place + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for place in range(len(node.values)):
            yield _set("values", [*node.values[:place], *node.values[place + 1 :]])
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _ARITHMETIC:
        yield _set("op", _ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _set("operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield _set("op", ast.UAdd())
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield _set("test", ast.Constant(value=False))
        if not isinstance(node, ast.While):
            yield _set("test", ast.Constant(value=True))
    elif isinstance(node, ast.Constant):
        yield from _changed_constants(node)
    elif isinstance(node, ast.Name) and node.id in _ROUNDINGS:
        yield _set("id", _ROUNDINGS[node.id])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield _set("func", ast.Name(id=_CALLS[node.func.id], ctx=ast.Load()))
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield _set("value", ast.Constant(value=None))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield _set("ifs", [])
    elif isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield)):
        yield _set("value", ast.Constant(value=None))


def _changed_constants(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield _set("value", not value)
    elif isinstance(value, (int, float)):
        yield _set("value", value + 1)
        if value:
            yield _set("value", value / 2 if isinstance(value, float) else value - 1)
    elif isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return
        if number.is_finite():
            yield _set("value", str(number + 1))
            yield _set("value", str(number * 2 if number else number - 1))


def _set(field: str, value: object) -> Change:
    def change(node: ast.AST) -> None:
        node.__dict__[field] = value

    return change


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _head(statement: ast.AST) -> str:
    """The first line of a statement that has others in it, the whole of any other."""
    if not hasattr(statement, "body"):
        return ast.unparse(statement)
    hollow = copy.copy(statement)
    hollow.__dict__.update(body=[ast.Pass()])
    return ast.unparse(hollow).partition("\n")[0]
