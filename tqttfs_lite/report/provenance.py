"""Which files stand behind the output of a notebook's cell, for the marks beside it in the book.

`mark_cells` follows a notebook statement by statement.  A statement draws on the files that are noted while it runs
(`sources`) and on those behind the names that it reads; what it assigns or changes has them from then on.  A cell's
output has those of all its statements, and says so in an output of its own, of the type `MIME`, which no front end
shows: their names, and sums by which a file that changes afterwards is found out.  A cell without it draws on no file.

Where in doubt, a name has more files behind it than were needed.  Two things are not followed: an object that is
changed under another name, and one that a call changes in passing, where it is the call's value that is used.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from IPython.core.getipython import get_ipython

from tqttfs_lite.experiments import sources
from tqttfs_lite.experiments.sources import MIME

HOOK = "__tracker__"  # among the notebook's names
REPLACING = ast.Assign | ast.AnnAssign | ast.ClassDef | ast.Import | ast.ImportFrom
# What takes part in a call without being changed.
VALUES = (str, bytes, int, float, complex, tuple, frozenset, type(None), sources.Record)
UNCHANGEABLE = (*VALUES, ModuleType, FunctionType, BuiltinFunctionType, type)


def mark_cells() -> None:
    """Follow the notebook from its next cell on; outside of a notebook, and called once more, it does nothing.

    Call it at the end of a cell, before anything is read.
    """
    shell = get_ipython()
    if shell is None or HOOK in shell.user_ns:
        return
    tracker = shell.user_ns[HOOK] = Tracker(shell.user_ns)

    def publish(execution: Any) -> None:
        if (found := tracker.finish_cell(execution.result is not None)) and execution.success:
            shell.display_pub.publish({MIME: {file: sources.digest(file) for file in found}})

    shell.ast_transformers.append(tracker)
    shell.events.register("post_run_cell", publish)


class Names(NamedTuple):
    """What one statement does to the names of a notebook."""

    reads: set[str]  # while it runs, as they were before
    binds: set[str]
    changes: set[str]  # perhaps: an item or attribute is assigned, or they take part in a call for its effect
    later_reads: set[str]  # by the functions that it makes, when these are called
    later_changes: set[str]
    later_binds: set[str]
    replaces: bool  # whether nothing is left of what it binds


def names(statement: ast.stmt) -> Names:
    """Take a statement from the top level of a cell apart.

    >>> found = names(ast.parse("rows.append([scale * x for x in table])").body[0])
    >>> sorted(found.reads), sorted(found.changes)
    (['rows', 'scale', 'table'], ['rows'])
    >>> names(ast.parse("def f(x): return x * scale").body[0]).later_reads
    {'scale'}
    """
    top, inner = _tables(statement)
    reads = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    binds = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    binds_inside = {s.get_name() for scope in inner for s in scope.get_symbols() if s.is_global() and s.is_assigned()}
    reads_inside = _globals(inner)
    changes = set(_for_effect(statement)) & (reads | binds | reads_inside)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return Names(reads, binds, set(), reads_inside, changes, binds_inside, replaces=True)
    return Names(
        reads=_reads_first([statement], set()),
        binds=binds | binds_inside,
        changes=changes,
        later_reads=_globals(scope for scope in inner if scope.get_name() == "lambda"),
        later_changes=set(),
        later_binds=set(),
        replaces=isinstance(statement, REPLACING) and not binds_inside,
    )


class Tracker(ast.NodeTransformer):
    """Follows the statements of cells: a call before each of them says that the last one has ended.

    An expression stays the last statement of its cell, which is what IPython shows.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values  # the notebook's names, as they are now
        self.behind: dict[str, set[str]] = {}  # the files behind each name
        self.functions: dict[str, Names] = {}  # the names whose value reads other names when it is called
        self.statements: list[Names] = []
        self.running: Names | None = None
        self.cell: set[str] = set()

    def visit_Module(self, module: ast.Module) -> ast.Module:
        """The module with a call before each statement."""
        try:
            found = [names(statement) for statement in module.body]
        except SyntaxError:  # that compiling the cell will complain about
            return module
        body: list[ast.stmt] = []
        for statement, what_it_does in zip(module.body, found, strict=True):
            call = ast.parse(f"{HOOK}.begin({len(self.statements)})").body[0]
            for node in ast.walk(call):
                ast.copy_location(node, statement)
            self.statements.append(what_it_does)
            body += [call, statement]
        return ast.Module(body, module.type_ignores)

    def begin(self, number: int) -> None:
        """End the statement that has run and begin this one."""
        self._end()
        self.running = self.statements[number]

    def finish_cell(self, shows_value: bool = False) -> list[str]:
        """End the cell; returns the files behind its output, in the order of their names.

        `shows_value` says whether its last statement was an expression with a value: then that is what it was for.
        """
        self._end(for_effect=not shows_value)
        found, self.cell = sorted(self.cell), set()
        return found

    def _end(self, *, for_effect: bool = True) -> None:
        found, statement = sources.take(), self.running
        self.running = None
        if statement is None:
            return
        used = self._with_functions(statement.reads)
        found |= {file for name in used for file in self.behind.get(name, ())}
        called = [self.functions[name] for name in used & self.functions.keys()]
        changes = set().union(*(function.later_changes for function in called), statement.changes if for_effect else ())
        for name in changes:
            if not isinstance(self.values.get(name), UNCHANGEABLE):
                self.behind[name] = self.behind.get(name, set()) | found
        for name in set().union(*(function.later_binds for function in called)):
            self.behind[name] = self.behind.get(name, set()) | found
        for name in statement.binds:
            self.behind[name] = found if statement.replaces else self.behind.get(name, set()) | found
            if statement.later_reads:
                self.functions[name] = statement
            elif statement.replaces:
                self.functions.pop(name, None)
        self.cell |= found

    def _with_functions(self, read: set[str]) -> set[str]:
        """These names and those that their functions read, and theirs."""
        found, new = set(), set(read)
        while new:
            found |= new
            later = (self.functions[name].later_reads for name in new & self.functions.keys())
            new = set().union(*later) - found
        return found


def _reads_first(statements: list[ast.stmt], bound: set[str]) -> set[str]:
    """The names that statements read before they bind them themselves; `bound` are those that are bound already.

    A loop over `group` leaves no doubt about which `group` its body means.
    """
    found, bound = set(), set(bound)
    head: ast.stmt | ast.expr  # what runs before the blocks
    for statement in statements:
        match statement:
            case ast.For(target, head, body, orelse):
                targets = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
                blocks = [(body, bound | targets), (orelse, bound)]
            case ast.If(head, body, orelse) | ast.While(head, body, orelse):
                named = {head.target.id} if isinstance(head, ast.NamedExpr) else set()
                blocks = [(body, bound | named), (orelse, bound | named)]
            case _:
                head, blocks = statement, []
        found |= _reads(head) - bound
        for block, bound_there in blocks:
            found |= _reads_first(block, bound_there)
        if isinstance(statement, REPLACING):
            bound |= {symbol.get_name() for symbol in _tables(statement)[0].get_symbols() if symbol.is_assigned()}
    return found


def _reads(node: ast.stmt | ast.expr) -> set[str]:
    top, inner = _tables(node)
    return {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()} | _globals(inner)


def _tables(node: ast.stmt | ast.expr) -> tuple[symtable.SymbolTable, list[symtable.SymbolTable]]:
    """Python's own table of the names of a statement or expression, and those of the scopes inside of it."""
    table = symtable.symtable(ast.unparse(node), "<statement>", "exec")
    return table, list(_scopes(table))


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """The scopes inside of one: functions, lambdas, comprehensions, classes."""
    for child in table.get_children():
        yield child
        yield from _scopes(child)


def _globals(scopes: Iterable[symtable.SymbolTable]) -> set[str]:
    return {symbol.get_name() for scope in scopes for symbol in scope.get_symbols() if symbol.is_global()}


def _for_effect(statement: ast.stmt) -> Iterator[str]:
    """The names of which a part is assigned, and those in calls whose value is thrown away."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield from _base(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            for part in (call.func, *call.args, *(keyword.value for keyword in call.keywords)):
                yield from _base(part)


def _base(node: ast.expr) -> Iterator[str]:
    """The name at the root of `name.attribute`, `name[item]` and `name.method()`."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id
