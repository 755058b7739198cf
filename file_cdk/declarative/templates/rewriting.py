"""What Jinja2 has no hooks for becomes a filter that templates cannot name: comparisons, loops, slices, literals, `~`.

The names of these filters are no names of the language.
"""

import difflib
from typing import Final

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer

from file_cdk.declarative.templates.faults import RefusedError

COMPARE: Final = "<compare>"
CONCATENATE: Final = "<concatenate>"
NEST: Final = "<nest>"
SLICE: Final = "<slice>"
TURNS: Final = "<turns>"

_REFUSED: Final = (
    (nodes.Include, "include"),
    (nodes.Import, "import"),
    (nodes.FromImport, "import"),
    (nodes.Extends, "extends"),
    (nodes.Block, "block"),
    (nodes.ScopedEvalContextModifier, "autoescape"),
)


def check(template: nodes.Template, environment: Environment) -> None:
    """Raises RefusedError for statements that reach outside a template, and for filters and tests that there are not."""
    for kind, name in _REFUSED:
        if template.find(kind) is not None:
            raise RefusedError(f"the statement `{name}` is refused")
    if any(loop.recursive for loop in template.find_all(nodes.For)):
        raise RefusedError("recursive loops are refused")
    for used, kinds, known in (
        (nodes.Filter, "filter", environment.filters),
        (nodes.Test, "test", environment.tests),
    ):
        for node in template.find_all(used):
            if node.name not in known:
                nearest = "".join(f"; was {name!r} meant?" for name in difflib.get_close_matches(node.name, known, 1))
                raise RefusedError(f"there is no {kinds} {node.name!r}{nearest}")


def rewritten(template: nodes.Template) -> nodes.Template:
    """The template itself, changed; one that was checked."""
    _Rewriting().visit(template)
    return template


def static_length(node: nodes.Node) -> int:
    """Of the text that stands in a part of a template, in characters."""
    return sum(len(data.data) for data in node.find_all(nodes.TemplateData))


class _Rewriting(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        operations = 1 + sum(static_length(part) for part in (*node.body, *node.else_)) // 16
        self.generic_visit(node)
        node.iter = _filter(node.iter, TURNS, nodes.Const(operations))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        left, comparisons = node.expr, []
        for operand in node.ops:
            comparisons.append(_filter(left, COMPARE, nodes.Const(operand.op), operand.expr))
            left = operand.expr
        both: nodes.Expr = comparisons[0]
        for comparison in comparisons[1:]:
            both = nodes.And(both, comparison, lineno=node.lineno)
        return both

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(node.nodes[0], CONCATENATE, *node.nodes[1:])

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = (node.arg.start, node.arg.stop, node.arg.step)
        return _filter(node.node, SLICE, *(nodes.Const(None) if end is None else end for end in ends))

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return self._nested(node, node.items)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return self._nested(node, [part for pair in node.items for part in (pair.key, pair.value)])

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self._nested(node, node.items) if node.ctx == "load" else node

    def _nested(self, node: nodes.Expr, items: list[nodes.Expr]) -> nodes.Node:
        is_constant = all(isinstance(item, nodes.Const) for item in items)
        self.generic_visit(node)
        return node if is_constant else _filter(node, NEST)


def _filter(value: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), [], None, None, lineno=value.lineno)
