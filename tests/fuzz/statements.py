"""Statements as authors write them: each method keeps one of its kind, or raises Stuck."""

from __future__ import annotations

import numpy as np

from tests.fuzz.drafting import SIZES, Draft, Stuck
from tests.fuzz.programs import Line


class Statements(Draft):
    """The statements of ``feed`` and ``backprop``."""

    def inline(self, *, kinds: str = "fd") -> str:
        """An array, now and then within a small expression."""
        name, r = self.pick(kinds=kinds), self.r
        if r.random() < 0.75 or kinds not in ("fd", "f"):
            return name
        return (
            r.choice([f"(1 - {name})", f"np.tanh({name})", f"(0.5 * {name})", f"{name} * {name}"])
            if r.random() < 0.9
            else f"(-{name})"
        )

    def number(self) -> str:
        """A number as authors write them."""
        r = self.r
        return r.choice(
            [
                *("0.5", "2", "1", "0", "0.1", "-1.5", "3", "1e-3", "-0.0", "True"),
                *("np.float32(0.3)", "np.pi", "np.sqrt(2.0)", "len(x)", "1 / len(x)"),
                *("2.5 / len(x)", "x.shape[0]", "x.shape[-1]", "(len(x) + 1)", "(2 * len(x) - 1)"),
                *(f"{r.uniform(-2, 2):.3f}", "np.float64(0.7)", "float(x.shape[1])"),
            ]
        )

    def unary(self) -> str:
        a, r = self.inline(), self.r
        whole = self.arrays() and r.random() < 0.12
        if whole:
            a = self.pick(kinds="ib")
            return self.let(
                r.choice(
                    [
                        f"{a}.astype(ctx.dtype)",
                        f"~{a}",
                        f"{a} + 1",
                        f"{a} * 2",
                        f"np.exp({a} * 0.1)",
                        f"np.logical_not({a})",
                        f"{a} / 3",
                        f"{a} % 2",
                        f"abs({a})",
                        f"{a}.astype(bool)",
                    ]
                )
            )
        safe = [
            *(f"np.tanh({a})", f"np.exp(-np.abs({a}))", f"1 / (1 + np.exp(-{a}))", f"-{a}"),
            *(f"np.maximum({a}, 0)", f"{a} * {a}", f"{a} ** 2", f"np.square({a})", f"abs({a})"),
            *(f"np.sqrt(np.abs({a}) + 0.01)", f"np.log1p(np.abs({a}))", f"np.sin({a})"),
            *(f"np.clip({a}, -1, 1)", f"np.sign({a})", f"np.floor({a})", f"np.cos({a})"),
            *(f"{a}.astype(ctx.dtype)", f"{a}.astype(np.float64)", f"np.expm1({a} * 0.5)"),
            *(f"np.minimum({a}, 0.5)", f"np.where({a} > 0, {a}, 0.1 * {a})", f"{a}.copy()"),
            *(f"({a} > 0).astype(ctx.dtype)", f"{a}.astype(np.int64)", f"np.rint({a})"),
            *(f"np.reciprocal(1 + np.square({a}))", f"{a} ** 3", f"np.arctan({a})"),
            *(f"np.exp2({a} * 0.3)", f"np.log({a} * {a} + 0.1)", f"np.cbrt({a})", f"{a} ** 0"),
            *(f"np.array({a})", f"np.positive({a})", f"np.trunc({a})", f"np.ceil({a})", f"+{a}"),
            *(f"np.nan_to_num({a})", f"np.round({a}, 1)", f"({a} > 0) * {a}", f"{a} + 0 * {a}"),
            *(f"np.multiply({a}, {a})", f"np.abs({a})", f"np.sinh({a} * 0.3)", f"{a} - {a}"),
            *(f"np.logaddexp({a}, 0)", f"np.heaviside({a}, 0.5)", f"np.where({a} < 0, 0, {a})"),
        ]
        odd = [f"np.sqrt({a})", f"np.log({a})", f"1 / {a}", f"np.exp({a} * 40)", f"{a} ** 0.5"]
        odd += [f"np.log({a} - {a})", f"{a} / 0", f"np.arccos({a})"]
        tests = [f"{a} > 0", f"{a} <= 0.3", f"np.isfinite({a})", f"np.isnan({a})", f"{a} != 0"]
        tests += [f"{a} == {a}", f"np.signbit({a})", f"0 < {a}"]
        return self.let(
            r.choice(r.choices((safe, odd, tests), (8, 3 if self.wild else 0.2, 1.5))[0])
        )

    def binary(self) -> str:
        r = self.r
        kinds = "fd" if r.random() < 0.85 else "fdib"
        a, b = self.inline(kinds=kinds), self.inline(kinds=kinds)
        if r.random() < 0.3:
            b = self.number()
            if r.random() < 0.4:
                a, b = b, a
        plain = [
            *(f"{a} + {b}", f"{a} - {b}", f"{a} * {b}") * 3,
            *(f"np.maximum({a}, {b})", f"np.minimum({a}, {b})", f"{a} / (1 + np.abs({b}))"),
            *(f"np.hypot({a}, {b})", f"np.arctan2({a}, {b})", f"np.copysign({a}, {b})"),
            *(f"np.where({a} > {b}, {a}, {b})", f"np.logaddexp({a}, {b})", f"{a} * {b} + {a}"),
            *(f"{a} + {b} * {b}", f"{b} - {a} * {b}", f"({a} > {b}) * {b}", f"np.add({a}, {b})"),
            *(
                f"np.fmax({a}, {b})",
                f"np.power(np.abs({a}) + 0.1, np.tanh({b}))",
                f"({a} + {b}) / 2",
            ),
            *(f"np.subtract({a}, {b})", f"np.where({a} >= {b}, 1, {b})", f"np.multiply({a}, {b})"),
        ]
        odd = [f"{a} / {b}", f"{a} % {b}", f"{a} // {b}", f"np.fmod({a}, {b})", f"{a} ** {b}"]
        tests = [f"{a} > {b}", f"{a} <= {b}", f"{a} == {b}", f"{a} != {b}", f"np.less({a}, {b})"]
        return self.let(
            r.choice(r.choices((plain, odd, tests), (9, 2 if self.wild else 0.4, 1))[0])
        )

    def masks(self) -> str:
        r = self.r
        m = self.pick(kinds="b")
        if r.random() < 0.4:
            k = self.pick(kinds="b")
            op = r.choice(["&", "|", "^", "+", "*", "==", ">"])
            return self.let(f"{m} {op} {k}" if r.random() < 0.8 else f"np.logical_and({m}, {k})")
        a = self.pick()
        b = self.pick() if r.random() < 0.5 else self.number()
        return self.let(
            r.choice(
                [
                    f"np.where({m}, {a}, {b})",
                    f"np.where({m}, {b}, {a})",
                    f"{m} * {a}",
                    f"{a} * ~{m}",
                    f"{a} * {m} + {b}",
                    f"np.where(~{m}, {a}, 0)",
                    f"{m}.sum(axis=-1, keepdims=True)",
                    f"{m}.mean()",
                    f"{m}.any(axis=-1, keepdims=True)",
                    f"np.count_nonzero({m}, axis=0)",
                    f"{m} / {m}.sum()" if self.wild else f"{m} * 2",
                    f"{m}.astype(np.float64)",
                    f"{a} - {m}",
                ]
            )
        )

    def product(self) -> str:
        """A matrix product, mostly by a parameter."""
        r = self.r
        if r.random() < 0.75:
            a = self.pick(self.rows)
            k = self.width(a)
            fits = [w for w in self.arrays() if self.fixed(w) and self.kind(w) == "f"]
            left = [w for w in fits if self.ndim(w) in (1, 2) and self.shape(w)[0] == (k, k)]
            right = [w for w in fits if self.ndim(w) == 2 and self.shape(w)[1] == (k, k)]
            texts = [f"{a} @ {w}" for w in left] * 3 + [f"{a} @ {w}.T" for w in right] * 2
            texts += [f"np.dot({a}, {w})" for w in left] + [f"np.matmul({a}, {w})" for w in left]
            texts += [f"({w}.T @ {a}.T).T" for w in left if self.ndim(w) == 2]
            texts += [f"np.einsum('ij,jk->ik', {a}, {w})" for w in left if self.ndim(w) == 2][:1]
            texts += [f"{a}[:, :{max(1, k // 2)}] @ {w}[:{max(1, k // 2)}]" for w in left][:1]
            texts += [f"({a} @ {w} + {b})" for w in left for b in fits if self.ndim(b) == 1]
            if not texts:
                raise Stuck
            return self.let(r.choice(texts))
        a, b = self.pick(lambda v: self.ndim(v) >= 1), self.pick(lambda v: self.ndim(v) >= 1)
        return self.let(
            r.choice(
                [
                    f"{a} @ {b}",
                    f"{a}.T @ {b}",
                    f"{a} @ {b}.T",
                    f"({a}.T @ {b}) / len(x)",
                    f"({a}[:, :, None] @ {b}[:, None, :]).reshape(len(x), -1)",
                    f"{a} @ {a}.T",
                    f"{a}.T @ {a}",
                    f"({a}[:, None, :] @ {b}[:, :, None])[:, 0]",
                    f"np.einsum('ij,ij->i', {a}, {b})[:, None]",
                    f"np.outer({a}, {b})",
                    f"{a} @ np.swapaxes({b}, -1, -2)",
                    f"np.tensordot({a}, {b}, 1)",
                ]
            )
        )

    def shared_products(self) -> str:
        """Several products of one array: the planner joins them."""
        r = self.r
        a = self.pick(self.rows)
        k = (self.width(a), self.width(a))
        fits = [w for w in self.known_params() if self.ndim(w) == 2 and self.shape(w)[0] == k]
        if len(fits) < 2:
            raise Stuck
        last = ""
        made = []
        for w in r.sample(fits, r.choice((2, len(fits)))):
            last = self.let(f"{a} @ {w}")
            made.append(last)
            if r.random() < 0.25:
                self.in_place(last)
            elif r.random() < 0.3:
                last = self.let(f"np.tanh({last})")
        if r.random() < 0.2:
            self.let(f"{a} @ {r.choice(fits)}")  # one of them twice
        return last

    def shared_backs(self) -> str:
        """Gradients of parameters from one array, and sums of products by transposes."""
        r = self.r
        a = self.pick(self.rows)
        others = [d for d in self.arrays() if self.rows(d) and self.kind(d) == "f"]
        ways: list[str] = []
        for w in self.known_params():
            if self.ndim(w) == 2:
                ways += [f"{d} @ {w}.T" for d in others if self.width(d) == self.width(w)][-2:]
        if r.random() < 0.5 and len(ways) > 1:
            picked = r.sample(ways, min(len(ways), r.choice((2, 2, 3))))
            text = f" {r.choice('++-')} ".join(picked)
            return self.let(text if r.random() < 0.7 else f"{text} + {self.pick(self.rows)}")
        if not others:
            raise Stuck
        for d in r.sample(others, min(len(others), r.choice((2, 3)))):
            last = self.let(f"{a}.T @ {d}")
        return last

    def reduce(self) -> str:
        r = self.r
        a = self.inline() if r.random() < 0.9 else self.pick(kinds="ib")
        axis = r.choice(["0", "1", "-1", "None", "(0, 1)", "0", "1", "2", "(-1,)"])
        keep = r.choice(["", ", keepdims=True", ", keepdims=True", ", keepdims=False"])
        return self.let(
            r.choice(
                [
                    *[f"{a}.sum(axis={axis}{keep})"] * 4,
                    *[f"{a}.mean(axis={axis}{keep})"] * 3,
                    f"{a}.max(axis={axis}{keep})",
                    f"{a}.min(axis={axis}{keep})",
                    f"{a}.var(axis={axis}{keep})",
                    f"{a}.std(axis={axis}{keep})",
                    f"np.sum({a} * {a}, axis={axis}{keep})",
                    f"np.add.reduce({a}, {axis})",
                    f"({a} * 0.9).prod(axis={axis}{keep})",
                    f"np.linalg.norm({a}, axis={axis}{keep})",
                    f"np.cumsum({a}, axis=1)",
                    f"{a}.argmax(axis=-1)",
                    f"np.sort({a}, axis=-1)",
                    f"np.argsort({a}, axis=-1)",
                    f"{a}.sum()",
                    f"{a}.mean()",
                    f"np.maximum.reduce({a}, axis=-1)",
                    f"{a} - {a}.mean(axis={axis}, keepdims=True)",
                    f"{a} - {a}.max(axis=-1, keepdims=True)",
                    f"{a} / (1 + {a}.std(axis={axis}, keepdims=True))",
                    f"{a}.sum(axis=0) / len(x)",
                    f"np.exp({a} - {a}.max(axis=-1, keepdims=True))",
                    f"np.median({a}, axis=-1, keepdims=True)",
                    f"{a}.sum(axis=-1, keepdims=True, dtype=np.float64)",
                    f"{a}.ptp(axis=1)" if hasattr(np.ndarray, "ptp") else f"np.ptp({a}, axis=-1)",
                ]
            )
        )

    def form(self) -> str:
        """Views and other shapes."""
        r = self.r
        a = self.pick(kinds="fdib" if r.random() < 0.2 else "fd")
        k = self.width(a) if self.ndim(a) else 1
        low, high = sorted((r.randrange(k + 1), r.randrange(k + 1)))
        b = self.pick(lambda v: self.ndim(v) == self.ndim(a), kinds="fd")
        picks = [r.randrange(k) for _ in range(r.choice((1, 2, 3)))]
        return self.let(
            r.choice(
                [
                    *[f"{a}[:, {low}:{high}]"] * 3,
                    *(
                        f"{a}[:, {low}]",
                        f"{a}[:, {low}, None]",
                        f"{a}[..., :{high}]",
                        f"{a}[:, ::-1]",
                    ),
                    *(
                        f"{a}[:, None]",
                        f"{a}[..., None]",
                        f"{a}[:, -1:]",
                        f"{a}[None]",
                        f"{a}[...]",
                    ),
                    *(f"{a}.T", f"np.transpose({a})", f"np.swapaxes({a}, 0, -1)", f"{a}.T.copy()"),
                    *(f"{a}.reshape(len(x), -1)", f"{a}.reshape(-1, {k})", f"{a}.ravel()"),
                    *(f"np.reshape({a}, (-1,))", f"{a}.reshape(x.shape)", f"np.squeeze({a})"),
                    *[f"np.concatenate([{a}, {b}], axis=-1)"] * 2,
                    *(f"np.concatenate([{a}, {b}], axis=0)", f"np.hstack([{a}, {b}])"),
                    *(f"np.stack([{a}, {b}], axis=1)", f"np.concatenate([{a}, {a}, {b}], axis=-1)"),
                    *(f"np.broadcast_to({a}, (len(x), {k}))", f"np.broadcast_to({a}, x.shape)"),
                    *(f"np.repeat({a}, 2, axis=-1)", f"np.tile({a}, 2)", f"np.flip({a}, -1)"),
                    *(f"{a}[:, {picks}]", f"{a}[..., {picks}]", f"np.take({a}, {picks}, axis=-1)"),
                    *(
                        f"np.roll({a}, 1, axis=-1)",
                        f"np.diff({a}, axis=-1)",
                        f"np.expand_dims({a}, 1)",
                    ),
                    *(f"{a}[1:]", f"{a}[:-1]", f"{a}[::2]", f"{a}[::-1]", f"{a}[0]", f"{a}[:2]"),
                    *(f"np.pad({a}, ((0, 0), (1, 1)))", f"{a}.reshape(len(x), 1, -1)", f"{a}[()]"),
                    f"np.lib.stride_tricks.sliding_window_view({a}, {min(2, k)}, axis=-1)",
                    *(f"{a}[:, :, None] * {b}[:, None, :]", f"{a}[:, None, :] - {b}[:, :, None]"),
                    *(
                        f"np.split({a}, [{low}], axis=-1)[0]",
                        f"np.atleast_2d({a})",
                        a,
                        f"{a}.copy()",
                    ),
                    *(f"{a}[np.arange(len(x)), {low % k}]", f"{a}[np.arange(len(x))]"),
                    f"np.take_along_axis({a}, np.argsort({a}, axis=-1), axis=-1)",
                    f"np.where(np.arange({k}) < {high}, {a}, 0)",
                ]
            )
        )

    def create(self) -> str:
        r = self.r
        a, k = self.pick(), r.choice(SIZES)
        numbers = [round(r.uniform(-2, 2), 2) for _ in range(k)]
        return self.let(
            r.choice(
                [
                    *(f"np.zeros_like({a})", f"np.ones_like({a})", f"np.full_like({a}, 0.3)"),
                    *(f"np.zeros((len(x), {k}), ctx.dtype)", f"np.ones((len(x), {k}), ctx.dtype)"),
                    *("np.ones(len(x), ctx.dtype)", f"np.zeros(({k},), ctx.dtype)"),
                    *(f"np.arange({k})", f"np.arange({k}, dtype=ctx.dtype)", "np.arange(len(x))"),
                    *(
                        f"np.array({numbers})",
                        f"np.array({numbers}, ctx.dtype)",
                        f"np.float32({numbers[0]})",
                    ),
                    *(
                        f"np.eye({k}, dtype=ctx.dtype)",
                        f"np.linspace(0, 1, {k})",
                        f"np.ones({a}.shape)",
                    ),
                    *(f"np.zeros({a}.shape, ctx.dtype)", f"np.zeros({a}.shape, bool)", "np.pi * x"),
                    *(f"np.array({[int(v * 3) for v in numbers]})", "np.full((len(x), 1), 0.5)"),
                ]
            )
        )

    def draw(self) -> str:
        """Numbers from the layer's stream; in inference there is none."""
        r = self.r
        a, k = self.pick(), r.choice(SIZES)
        some, none = r.choice(
            [
                (f"ctx.rng.random({a}.shape) < 0.6", f"np.ones({a}.shape, bool)"),
                (f"(ctx.rng.random({a}.shape) < 0.6) * ({a} / 0.6)", a),
                (f"np.where(ctx.rng.random({a}.shape) < 0.8, {a}, 0)", a),
                (f"{a} + ctx.rng.normal(0, 0.1, {a}.shape)", f"{a} + 0"),
                (f"{a} * ctx.rng.uniform(0.5, 1.5, size={a}.shape)", f"{a} * 1"),
                (f"ctx.rng.standard_normal((len(x), {k}))", f"np.zeros((len(x), {k}))"),
                (f"ctx.rng.random({a}.shape, dtype=ctx.dtype)", f"np.full_like({a}, 0.5)"),
                (f"{a} * ctx.rng.integers(0, 3, {a}.shape)", a),
                (f"{a} * ctx.rng.random()", f"{a} * 0.5"),
                (f"{a} * ctx.rng.random({k})[0]", f"{a} * 0.5"),
                (f"{a}[ctx.rng.permutation(len(x))]", a),
                (f"ctx.rng.binomial(1, 0.5, {a}.shape) * {a}", a),
            ]
        )
        return self.let(f"{some} if ctx.training else {none}")

    def unused_draw(self) -> None:
        a = self.pick()
        self.do(f"if ctx.training:\n    ctx.rng.random({a}.shape)")

    def in_place(self, target: str = "") -> None:
        """Write into an array that the layer made."""
        r = self.r
        t = target or self.pick(lambda v: self.writable(v) and self.ndim(v) > 0, kinds="fdi")
        k = self.width(t)
        low, high = sorted((r.randrange(k + 1), r.randrange(k + 1)))
        v = self.inline(kinds="fd") if r.random() < 0.6 else r.choice(["2", "0.5", "-1", "0"])
        m = r.choice([m for m in self.arrays() if self.kind(m) == "b"] or [f"{t} < 0"])
        self.do(
            r.choice(
                [
                    *(f"{t} *= {v}", f"{t} += {v}", f"{t} -= {v}", f"{t} *= 2"),
                    *(f"{t}[:, {low}:{high}] = {v}", f"{t}[:, {low}:{high}] *= {v}"),
                    *(
                        f"{t}[:, {low}:{high}] += {v}",
                        f"{t}[:, {low % k}] = {v}",
                        f"{t}[...] = {v}",
                    ),
                    *(f"{t}[{m}] = 0", f"{t}[{t} < 0] = 0", f"{t}[{t} > 0.5] *= 0.5"),
                    *(f"np.add({t}, {v}, out={t})", f"np.maximum({t}, {v}, out={t})"),
                    *(f"np.tanh({t}, out={t})", f"np.copyto({t}, {v})", f"{t}[:, 0] += {v}"),
                    *(f"{t}[..., {low}:{high}] = {t}[..., {low}:{high}] * 0.5", f"{t}[0] = {v}"),
                    *(f"{t}[:, [{low % k}, 0]] = {v}", f"{t}[:] = {v}", f"{t} /= 1 + abs({v})"),
                    f"np.add.at({t}, (slice(None), [0, {low % k}]), 0.5)",
                    f"np.multiply({t}, {t}, {t})",
                    f"for j in range(1, {k}):\n    {t}[:, j] += 0.5 * {t}[:, j - 1]",
                    f"for j in range({min(k, 3)}):\n    {t}[:, j] = {t}[:, j] * j",
                    f"{t}.T[0] = {v}",
                    f"{t}.reshape(len(x), -1)[:, 0] = {v}",
                ]
            )
        )

    def filled(self) -> str:
        """An array made empty, then written."""
        a = self.pick(lambda v: self.ndim(v) > 1 and self.shape(v)[-1][0] == self.shape(v)[-1][1])
        t = self.fresh()
        self.run(f"{t} = np.zeros_like({a})")
        text = self.r.choice(
            [
                f"{t} = np.empty_like({a})\n{t}[...] = {a} * 2",
                f"{t} = np.zeros_like({a})\n{t} += {a}",
                f"{t} = np.empty_like({a})\nnp.multiply({a}, 0.5, out={t})",
                f"{t} = np.zeros_like({a})\n{t}[:, :1] = {a}[:, :1]",
                f"{t} = np.empty_like({a})\nfor j in range({self.width(a)}):\n"
                f"    {t}[..., j] = {a}[..., j] * (j + 1)",
                f"{t} = {a}.copy()\nw{t} = {t}[..., :1]\nw{t} *= 3",
                f"{t} = {a} * 1\n{t}[{t} < 0] = 0",
            ]
        )
        try:
            self.run(text)
        except Exception as error:  # what raises is not kept
            raise Stuck from error
        self._keep(Line(text, t))
        return t

    def stateful(self) -> None:
        """Read and write the state."""
        r = self.r
        if not self.state:
            raise Stuck
        s = r.choice(list(self.state))
        if r.random() < 0.4:
            self.let(f'self.state["{s}"]' + r.choice(["", " * 1", " + 1"]), "s")
            return
        shape = self.state[s]
        fits = [
            a
            for a in self.arrays()
            if self.kind(a) in "fd" and self.envs[0][a].shape == shape and self.fixed(a)
        ]
        a = r.choice(fits) if fits and r.random() < 0.5 else None
        if a is None:
            v = self.pick(self.rows)
            if shape == ():
                a = r.choice([f"{v}.mean()", f"{v}.sum()", f"np.abs({v}).max()", "len(x)"])
            elif shape == (self.width(v),):
                a = r.choice([f"{v}.mean(axis=0)", f"{v}.var(axis=0)", f"{v}.sum(axis=0) / len(x)"])
            else:
                a = f'self.state["{s}"] + {v}.mean()'
        ref = f'self.state["{s}"]'
        text = r.choice(
            [f"{ref} = 0.9 * {ref} + 0.1 * ({a})"] * 3
            + [f"{ref} = {a}", f"{ref}[...] = {a}", f"{ref} = {ref} + 1"]
        )
        self.do(f"if ctx.training:\n    {text}" if r.random() < 0.8 else text)

    def odd(self) -> None:
        """What cannot be recorded, or only with care."""
        r = self.r
        a = self.pick()
        self.let(
            r.choice(
                [
                    f"{a} * float({a}.max())" if self.wild else f"{a} * float(len(x))",
                    f"{a} * 2 if {a}.max() > 0 else {a}",
                    f"{a} * 2 if len(x) > 4 else {a}",
                    f"np.stack([row * 2 for row in {a}])",
                    f"{a} / np.sqrt(len(x))",
                    f"{a} * np.random.default_rng(0).random()",
                    f"{a} * (len(x) % 4)",
                    f"{a} * max(len(x), 7)",
                    f"np.asarray({a}) * 2",
                    f"{a}[{a} > 0].sum()",
                    f"np.eye(len(x), dtype=ctx.dtype) @ {a}",
                    f"{a} * np.linspace(0, 1, len(x))[:, None]",
                    f"np.vectorize(lambda v: v * 2)({a})",
                    f"np.modf({a})[0]",
                    f"{a} * len({a}[1:])",
                ]
            )
        )
