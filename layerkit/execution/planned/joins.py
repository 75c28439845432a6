"""Products of one input with several parameters as one product, forwards and backwards.

A large product is faster than several small ones. Parameters that lie side by side in memory are
one matrix ``W = [W1 W2]``, named "W1|W2" here, and so are their gradients. The rules, each applied
only where it fits exactly:

1. ``x W1``, ``x W2`` become parts of ``x W``; where each goes on to ``+ b1``, ``+ b2`` and nowhere
   else, they become parts of ``x W + b``.
2. The gradients ``x^T d1``, ``x^T d2`` become ``x^T d`` with ``d = [d1 d2]``.
3. In a sum of terms, ``d1 W1^T + ... + d2 W2^T`` becomes ``d W^T + ...``.
4. Where rule 2 or 3 made a ``d``, the sums over the rows of its parts become one.

``d`` costs nothing: ``memory`` lets its parts be computed in place.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.layer import Plan
from layerkit.core.vector_views import views_of
from layerkit.recording.graph import ALL, LEAVES, VIEWS, Graph, Node, Slice, readers


class Layout:
    """Where a layer's parameters lie in its part of the flat vector, counted in elements."""

    def __init__(self, plan: Plan) -> None:
        flat = np.empty(sum(param.size for param in plan.params.values()), np.uint8)  # not touched
        self._places: dict[str, tuple[int, Shape, Shape]] = {
            name: (address(view) - address(flat), view.shape, view.strides)
            for name, view in views_of(flat, plan)[0].items()
        }

    def runs(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """``names`` in memory order, cut into the longest runs of neighbours."""
        found: list[tuple[str, ...]] = []
        for name in sorted(names, key=lambda name: self._places[name][0]):
            if found and self._continues(found[-1][-1], name):
                found[-1] += (name,)
            else:
                found.append((name,))
        return found

    def _continues(self, before: str, name: str) -> bool:
        """Whether ``name`` continues the rows of the matrix, or the vector, ``before``."""
        (start, shape, strides), (then, other, others) = self._places[before], self._places[name]
        alike = len(shape) in (1, 2) and shape[:-1] == other[:-1] and strides == others
        return alike and math.prod(shape) > 0 and then == start + shape[-1]

    def place(self, name: str) -> tuple[int, Shape, Shape]:
        """Offset, shape and strides of a parameter, or of a run like "W1|W2"."""
        if name not in self._places:
            parts = [self._places[part] for part in name.split("|")]
            start, shape, strides = parts[0]
            width = sum(part[1][-1] for part in parts)
            self._places[name] = start, (*shape[:-1], width), strides
        return self._places[name]

    def array(self, flat: Array, start: int, name: str) -> Array:
        """The view of ``name`` in the flat vector of a network; the layer begins at ``start``."""
        offset, shape, strides = self.place(name)
        size = flat.itemsize
        begin = (start + offset) * size
        return np.ndarray(shape, flat.dtype, flat, begin, tuple(s * size for s in strides))


def address(array: Array) -> int:
    """Where the first element lies."""
    return int(array.__array_interface__["data"][0])


def made(op: str, args: tuple[Any, ...], shape: tuple[Any, ...], like: Node, **kw: Any) -> Node:
    """A node with the dtype and the line of ``like``."""
    own: dict[str, Any] = {"sum": np.add.reduce, "index": operator.getitem}
    fn = own.get(op, getattr(np, op, None))
    return Node(op, args, kw, fn=fn, shape=shape, dtype=like.dtype, line=like.line)


class Rewriting:
    """A graph made again, node by node in its order; ``new`` holds the new node of each old one.

    ``joined`` are gradients that come first, in place of those that have no new node.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.nodes = graph, graph.nodes()
        self.readers = readers(self.nodes)
        self.ends = Counter(id(node) for node in graph.outputs())
        self.new: dict[int, Node] = {}
        self.joined: dict[str, Node] = {}

    def run(self) -> Graph:
        """The graph of the new nodes."""
        for node in self.nodes:
            self.visit(node)
        grads = {k: v for k, v in self.graph.grads.items() if id(v) in self.new}
        graph = self.graph._replace(grads=grads).renewed(self.get)
        return graph._replace(grads=self.joined | dict(graph.grads))

    def visit(self, node: Node) -> None:
        """Make what stands for ``node``, by default the same operation on the new nodes."""
        self.new[id(node)] = node.renewed(self.get)

    def get(self, node: Node) -> Node:
        """The new node for an old one."""
        return self.new[id(node)]

    def inner(self, node: Node) -> bool:
        """Whether ``node`` is read once and no result."""
        return len(self.readers[id(node)]) == 1 and not self.ends[id(node)]


def join(graph: Graph, layout: Layout) -> Graph:
    """``graph`` with the products of one input with neighbouring parameters joined."""
    joining = _Joining(graph, layout)
    return joining.run() if joining.instead else graph


class _Joining(Rewriting):
    """One application of the rules. All that fits is found first.

    ``instead`` says what is made in the place of a node; None leaves the node out.
    """

    def __init__(self, graph: Graph, layout: Layout) -> None:
        super().__init__(graph)
        self.layout = layout
        self.where = {id(node): i for i, node in enumerate(self.nodes)}
        self.instead: dict[int, Callable[[], None] | None] = {}
        self.owners: dict[int, tuple[int, ...]] = {}  # of each part d1: the ids of its [d1 d2]
        self.wholes: dict[tuple[int, ...], Node] = {}
        self._find_products()
        self._find_gradients()
        self._find_sums()
        self._find_biases()

    def visit(self, node: Node) -> None:
        """Copy ``node``, or make what stands for it."""
        if id(node) not in self.instead:
            super().visit(node)
        elif (make := self.instead[id(node)]) is not None:
            make()

    def _runs(self, found: dict[str, Node]) -> Iterator[tuple[tuple[str, ...], list[Node]]]:
        """Neighbouring parameters among those of ``found``, each with its node."""
        for run in self.layout.runs(found):
            if len(run) > 1:
                yield run, [found[name] for name in run]

    def _replace(self, nodes: Sequence[Node], make: Callable[[], None], place: Node) -> None:
        """``make`` in the place of one of ``nodes``; the others are left out."""
        self.instead |= dict.fromkeys(map(id, nodes))
        self.instead[id(place)] = make

    def _last(self, nodes: list[Node]) -> Node:
        return max(nodes, key=lambda node: self.where[id(node)])

    def _find_products(self) -> None:
        """Rule 1."""
        groups: dict[tuple[int, bool], dict[str, Node]] = {}
        backward = False
        for node in self.nodes:
            backward |= node.op == "input" and node.args[0] in ("dy", "weights")
            if _is_product(node) and node.args[1].op == "param":
                members = groups.setdefault((id(node.args[0]), backward), {})
                members.setdefault(node.args[1].args[0], node)
        for group in groups.values():
            for run, products in self._runs(group):
                self._join_products(run, products)

    def _join_products(self, run: tuple[str, ...], members: list[Node]) -> None:
        sums = [self.readers[id(m)][0] if self.inner(m) else m for m in members]
        biases = tuple(filter(None, (_bias(s, m) for s, m in zip(sums, members, strict=True))))
        shifted = len(biases) == len(members) and self.layout.runs(set(biases)) == [biases]

        def make() -> None:
            first = members[0]
            W = self._param(run, first)
            whole = made(
                "matmul", (self.get(first.args[0]), W), (first.shape[0], W.shape[1]), first
            )
            if shifted:
                whole = made("add", (whole, self._param(biases, first)), whole.shape, first)
            start = 0
            for node in sums if shifted else members:
                keys = ALL, Slice(start, start + node.shape[1], None)
                self.new[id(node)] = made("index", (whole, keys), node.shape, node)
                start += node.shape[1]

        place = min(members, key=lambda node: self.where[id(node)])
        self._replace([*members, *sums] if shifted else members, make, place)

    def _find_gradients(self) -> None:
        """Rule 2."""
        groups: dict[int, dict[str, Node]] = {}
        for name, node in self.graph.grads.items():
            if _is_product(node) and _is_transposed(node.args[0]) and self._only_result(node):
                groups.setdefault(id(node.args[0].args[0]), {})[name] = node
        for found in groups.values():
            for run, members in self._runs(found):
                parts = [node.args[1] for node in members]
                if self._take(parts):
                    self._join_results(run, members, parts, members[0].args[0])

    def _find_biases(self) -> None:
        """Rule 4."""
        sums: dict[int, tuple[str, Node]] = {}
        for name, node in self.graph.grads.items():
            if is_row_sum(node) and len(node.shape) == 1 and self._only_result(node):
                sums.setdefault(id(node.args[0]), (name, node))
        for parts in dict.fromkeys(self.owners.values()):
            found = [sums[part] for part in parts if part in sums]
            run, members = tuple(name for name, _ in found), [node for _, node in found]
            if len(found) == len(parts) and self.layout.runs(run) == [run]:
                self._join_results(run, members, [node.args[0] for node in members])

    def _join_results(
        self, run: tuple[str, ...], members: list[Node], parts: list[Node], xT: Node | None = None
    ) -> None:
        """x^T d, or the sum over the rows of d, for the results ``members``."""

        def make() -> None:
            d, first = self._whole(parts), members[0]
            shape = (*first.shape[:-1], d.shape[1])
            self.joined["|".join(run)] = (
                made("sum", (d,), shape, first, **first.kw)
                if xT is None
                else made("matmul", (self.get(xT), d), shape, first)
            )

        self._replace(members, make, self._last(members))

    def _find_sums(self) -> None:
        """Rule 3."""
        for root in self.nodes:
            if not _is_sum(root) or self._is_term(root):
                continue
            terms, additions = self._terms(root)
            found: dict[str, Node] = {}
            for term in terms:
                if self.inner(term) and _is_back(term):
                    found.setdefault(term.args[1].args[0].args[0], term)
            runs = {
                run: members
                for run, members in self._runs(found)
                if self._take([d.args[0] for d in members])
            }
            if runs:
                self._join_sum(root, terms, additions, runs)

    def _join_sum(
        self,
        root: Node,
        terms: list[Node],
        additions: list[Node],
        runs: dict[tuple[str, ...], list[Node]],
    ) -> None:
        run_of = {id(node): run for run, members in runs.items() for node in members}

        def product(run: tuple[str, ...], term: Node) -> Node:
            W = self._param(run, term)
            turned = made("transpose", (W, (1, 0)), W.shape[::-1], W)
            d = self._whole([node.args[0] for node in runs[run]])
            return made("matmul", (d, turned), term.shape, term)

        def make() -> None:
            """One product for each run, where its first term stood."""
            todo, total = dict(runs), None
            for term in terms:
                run = run_of.get(id(term))
                if run is not None and todo.pop(run, None) is None:
                    continue
                new = self.get(term) if run is None else product(run, term)
                total = new if total is None else made("add", (total, new), root.shape, root)
            assert total is not None  # noqa: S101  # there are terms
            self.new[id(root)] = total

        joined = [node for members in runs.values() for node in members]
        self._replace([*additions, *joined], make, root)

    def _terms(self, root: Node) -> tuple[list[Node], list[Node]]:
        """The terms of a sum from left to right, and the additions that make it."""
        terms: list[Node] = []
        additions: list[Node] = []
        todo = [root]
        while todo:
            node = todo.pop()
            inner = node is root or self._is_term(node)
            (additions if inner else terms).append(node)
            todo += node.args[::-1] if inner else ()
        return terms, additions

    def _is_term(self, node: Node) -> bool:
        """Whether ``node`` is a sum whose only use is to be a term of another one."""
        return _is_sum(node) and self.inner(node) and _is_sum(self.readers[id(node)][0])

    def _only_result(self, node: Node) -> bool:
        """Whether ``node`` is one result and nothing else."""
        return not self.readers[id(node)] and self.ends[id(node)] == 1

    def _take(self, parts: list[Node]) -> bool:
        """Whether ``parts`` can lie side by side, in this one order; reserves them if so."""
        key = tuple(map(id, parts))
        fit = len(set(key)) == len(key) and all(
            node.op not in LEAVES | VIEWS
            and not self.ends[id(node)]
            and id(node) not in self.instead
            and self.owners.get(id(node), key) == key
            for node in parts
        )
        self.owners |= dict.fromkeys(key, key) if fit else {}
        return fit

    def _whole(self, parts: list[Node]) -> Node:
        """[d1 d2] for the old nodes ``parts``."""
        key = tuple(map(id, parts))
        if key not in self.wholes:
            shape = (parts[0].shape[0], sum(part.shape[1] for part in parts))
            self.wholes[key] = made(
                "concatenate", (tuple(map(self.get, parts)), 1), shape, parts[0]
            )
        return self.wholes[key]

    def _param(self, run: tuple[str, ...], like: Node) -> Node:
        name = "|".join(run)
        return made("param", (name,), self.layout.place(name)[1], like)


def _bias(node: Node, product: Node) -> str:
    """The name of the vector that ``node`` adds to ``product``; empty if it does something else."""
    if node.op != "add" or node is product or node.shape != product.shape:
        return ""
    vectors = [arg for arg in node.inputs() if arg.op == "param" and len(arg.shape) == 1]
    same = len(vectors) == 1 and vectors[0].dtype == node.dtype == product.dtype
    return str(vectors[0].args[0]) if same else ""


def _is_product(node: Node) -> bool:
    """Whether ``node`` is a product of two matrices of its own, floating dtype."""
    return node.op == "matmul" and all(
        len(value.shape) == 2 and value.dtype == node.dtype and value.dtype.kind == "f"
        for value in (node, *node.args)
    )


def _is_transposed(node: Node) -> bool:
    """Whether ``node`` is a matrix transposed."""
    return node.op == "transpose" and node.args[1] == (1, 0)


def _is_back(node: Node) -> bool:
    """Whether ``node`` is d W^T for a parameter W."""
    return _is_product(node) and _is_transposed(node.args[1]) and node.args[1].args[0].op == "param"


def _is_sum(node: Node) -> bool:
    """Whether ``node`` adds two values of its own shape and dtype."""
    return node.op == "add" and all(
        isinstance(arg, Node) and arg.shape == node.shape and arg.dtype == node.dtype
        for arg in node.args
    )


def is_row_sum(node: Node) -> bool:
    """Whether ``node`` sums the rows of a matrix of its own, floating dtype."""
    if node.op != "sum" or node.kw["axis"] != (0,) or node.kw.keys() > {"axis", "keepdims"}:
        return False
    value = node.args[0]
    return len(value.shape) == 2 and value.dtype == node.dtype and value.dtype.kind == "f"
