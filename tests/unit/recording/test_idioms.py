"""What authors write: recorded with the bits of the eager run, or refused with reason and line."""

from __future__ import annotations

import copy
import itertools
import math
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Param, Plan
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record
from tests.unit.recording.eager import ROWS, Case
from tests.unit.recording.written import Written

Array = Any
Idiom = Callable[[Any, Any, Any], Any]

RECORDED: list[Idiom] = []
COUNTED = itertools.count(1)
REFUSED: list[tuple[Idiom, str]] = []


class One(Written):
    """A layer of one function, with rows of 4; its gradient is that of the identity."""

    def __init__(self, function: Idiom) -> None:
        self.function = function

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        return Plan(in_shape, {"w": Param((4,))}, {"s": Param((4,))})

    def feed(self, x: Array, ctx: Any) -> Array:
        y = self.function(x, ctx, self)
        return y.astype(x.dtype) if y.dtype != x.dtype else y

    def backprop(self, dy: Array, ctx: Any) -> Array:
        self.grads["w"] = dy.sum(axis=0)
        return dy


def recorded(function: Idiom) -> Idiom:
    RECORDED.append(function)
    return function


def refused(reason: str) -> Callable[[Idiom], Idiom]:
    def keep(function: Idiom) -> Idiom:
        REFUSED.append((function, reason))
        return function

    return keep


def name_of(case: Any) -> str:
    name: str = case.__name__ if callable(case) else case[0].__name__
    return name


# Writing


@recorded
def set_all(x, c, s):  # type: ignore[no-untyped-def]
    y = np.empty_like(x)
    y[...] = x * 2
    return y


@recorded
def set_columns(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros_like(x)
    for j in range(x.shape[1]):
        y[:, j] = x[:, j] * j
    return y


@recorded
def zeros_then_added(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros(x.shape, x.dtype)
    return y + x


@refused("np.add writes into an array made by np.empty or np.zeros")
def zeros_then_added_in_place(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros(x.shape, x.dtype)
    y += x
    return y


@refused("turned into a plain one .* np.zeros_like")
def empty_then_filled(x, c, s):  # type: ignore[no-untyped-def]
    y = np.empty(x.shape, x.dtype)
    y[...] = x * 2
    return y


@refused("np.multiply writes into an array made by np.empty")
def empty_as_out(x, c, s):  # type: ignore[no-untyped-def]
    y = np.empty(x.shape, x.dtype)
    np.multiply(x, 2, out=y)
    return y


@recorded
def out_by_keyword(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 2
    np.add(y, 1, out=y)
    return y


@recorded
def out_by_position(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 2
    np.add(y, 1, y)
    return y


@recorded
def out_of_a_function(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros_like(x, shape=4)
    np.sum(x, axis=0, out=y)
    z = np.empty_like(x)
    np.concatenate([x[:, :2], x[:, 2:]], axis=1, out=z)
    np.clip(z, -1, 1, out=z)
    return z + y


@recorded
def in_place_operators(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    y *= 2
    y -= x
    y **= 2
    y /= 3
    return y


@refused("np.log has where= or several results")
def out_with_where(x, c, s):  # type: ignore[no-untyped-def]
    return np.log(x, where=x > 0, out=np.zeros_like(x))


@recorded
def view_written(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    v = y[:, 1:]
    v *= 3
    v[:, 0] = 7
    return y


@recorded
def view_read_after_its_base_was_written(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    v = y[:, 1:]
    w = v.T
    y *= 3
    return y + w[0][:, None] + v.sum()


@recorded
def written_through_the_transpose(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    y.T[0] = 5
    y.T[1:] *= 2
    return y


@refused("writes into the result of np.reshape")
def a_reshape_written_and_read(x, c, s):  # type: ignore[no-untyped-def]
    y = (x + 1).reshape(len(x), 2, 2)
    y[:, 0] *= 2
    return y.reshape(len(x), 4)


@refused("writes into the result of np.reshape")
def base_read_after_its_reshape_was_written(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    y.reshape(-1)[0] = 5
    return y


@refused("reads a reshape of an array that was written since")
def reshape_read_after_its_base_was_written(x, c, s):  # type: ignore[no-untyped-def]
    y = x + 1
    v = y.reshape(-1)
    y *= 2
    return y + v.sum()


@refused(r"y\[mask\] picks as many numbers as the data say")
def mask_changed_in_place(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y[y < 0] *= 0.1
    return y


@recorded
def mask_set_numbers(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y[y < 0] = 0
    y[y > 1] = np.float64(0.5)
    y[y[:, 0] == 0] = -1.5
    y[y[:, 1] == 0.5] = np.arange(4)
    return y


@refused(r"y\[mask\] picks")
def mask_set_array(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    m = y < 0
    y[m] = y[m] * 0.1
    return y


@refused(r"y\[mask\] picks")
def mask_read(x, c, s):  # type: ignore[no-untyped-def]
    return x - x[x > 0].sum()


@recorded
def fixed_mask_read(x, c, s):  # type: ignore[no-untyped-def]
    return x + x[:, np.array([True, False, False, True])].sum(axis=1, keepdims=True)


@refused("writes into 'x'")
def input_written(x, c, s):  # type: ignore[no-untyped-def]
    x *= 2
    return x


@refused("writes into 'x'")
def input_written_through_a_view(x, c, s):  # type: ignore[no-untyped-def]
    x[:, 1:][:, 0] = 2
    return x


@refused("writes into 'w'")
def parameter_written(x, c, s):  # type: ignore[no-untyped-def]
    s.params["w"][0] = 1
    return x * s.params["w"]


@refused("writes into 'w'")
def parameter_assigned(x, c, s):  # type: ignore[no-untyped-def]
    s.params["w"] = x[0]
    return x * s.params["w"]


@refused("'w' is read before all of it was written")
def gradient_read(x, c, s):  # type: ignore[no-untyped-def]
    s.state["s"] = s.grads["w"] + 1
    return x * 1


@recorded
def copyto(x, c, s):  # type: ignore[no-untyped-def]
    y = np.empty_like(x)
    np.copyto(y, x)
    return y


@recorded
def copies_do_not_share(x, c, s):  # type: ignore[no-untyped-def]
    y = x.copy()
    z, w = copy.copy(y), copy.deepcopy(y)
    y *= 2
    return y + z * w


@recorded
def state_written_in_place(x, c, s):  # type: ignore[no-untyped-def]
    mean = s.state["s"]
    mean *= 0.9
    mean += 0.1 * x.sum(axis=0)
    before = s.state["s"] + 0
    s.state["s"][1:] = 2
    return x - mean + before


@recorded
def constants_changed_between_uses(x, c, s):  # type: ignore[no-untyped-def]
    w = np.zeros(4, x.dtype)
    y = x + w
    w[1] = 3
    return y * w


@recorded
def single_numbers_are_not_changed(x, c, s):  # type: ignore[no-untyped-def]
    a = x.sum()
    b = a
    a += 1
    a *= np.float64(2)
    w = x[0, 0]
    w -= 3
    return x * b + a + x[0, 0] * w


@refused("writes another shape into an array, or into a single number")
def single_number_set(x, c, s):  # type: ignore[no-untyped-def]
    a = x.sum()
    a[...] = 3
    return x * a


@refused("gives a view of a single number")
def view_of_a_single_number(x, c, s):  # type: ignore[no-untyped-def]
    y = x[:, 0] * 1
    y[..., 0] += 1
    return x + y[:, None]


@refused("np.broadcast_arrays gives a (tuple|list)")
def views_among_several_results(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    a, _ = np.broadcast_arrays(y, x[:, :1])
    y += 1
    return y + a


@recorded
def written_with_itself_through_a_view(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    v = y[:, ::-1]
    v[...] = y
    y.T[...] = v.T
    return y * 2 + v


@recorded
def what_is_taken_is_a_copy(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    a, b = np.take(y, 0, axis=1), np.take(y, [1, 2], axis=1)
    a += 1
    b *= 2
    return y + a[:, None] + b[:, :1]


@recorded
def zero_dimensional_arrays_are_changed(x, c, s):  # type: ignore[no-untyped-def]
    a = np.zeros_like(x, shape=())
    b = a
    a += 1
    a[...] = a + x.sum()
    return x * b


@refused("where only a number can be recorded")
def mask_of_another_shape(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y[x[:, :1] > 0] = 0
    return y


# The number of rows


@recorded
def divided_by_n(x, c, s):  # type: ignore[no-untyped-def]
    return x / max(len(x), 1) + x.sum() / (x.size or 1) * (2 / (len(x) or 1)) * (
        3 * len(x) + 0.5 * len(x)
    )


@recorded
def made_for_n_rows(x, c, s):  # type: ignore[no-untyped-def]
    y = x * np.zeros((len(x), 1), x.dtype) + np.ones((len(x), 4), x.dtype) + np.zeros(x.shape)
    return y[np.arange(len(x)), :] + np.arange(len(x)) @ x + np.full_like(x, 0.5)


@recorded
def shapes_of_n(x, c, s):  # type: ignore[no-untyped-def]
    n = len(x)
    y = x.reshape(n, -1).reshape(2 * n, 2).reshape(-1, 4)
    y = np.concatenate([y, -y])[:n] * 2 + np.concatenate([y, -y])[n:]
    return np.broadcast_to(y[:, :1], (n, 4)) + np.broadcast_to(y.mean(), (n, 4))


@recorded
def means(x, c, s):  # type: ignore[no-untyped-def]
    y = x - x.mean() + x.mean(0) * x.mean(axis=1, keepdims=True) + np.mean(x, axis=(0, 1))
    y = y / (x.std(axis=1)[:, None] + 1) + np.var(x, axis=0) + x.var(axis=1, keepdims=True)
    return y + np.linalg.norm(x, axis=1, keepdims=True) + np.linalg.norm(x, axis=0)


@refused("numbers that depend on the rows are Python")
def numpy_numbers_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x / np.float32(len(x))


@refused("depends on the rows in an unknown way")
def root_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x / math.sqrt(len(x))


@refused("numbers that depend on the rows are Python")
def numpy_root_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x / np.sqrt(len(x))


@refused("depends on the rows in an unknown way")
def square_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x / len(x) ** 2


@refused("depends on the rows in an unknown way")
def half_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x * (len(x) // 2)


@refused("number of rows decides")
def odd_n(x, c, s):  # type: ignore[no-untyped-def]
    return x * 2 if len(x) % 2 else x + 3


@refused("number of rows decides")
def few_rows(x, c, s):  # type: ignore[no-untyped-def]
    if len(x) > 4:
        return x * 2
    return x * 3


@refused("depends on the rows in an unknown way")
def few_rows_in_one_line(x, c, s):  # type: ignore[no-untyped-def]
    return x * (2 if len(x) > 4 else 3)


@refused("number of rows decides")
def few_rows_choose_an_operand(x, c, s):  # type: ignore[no-untyped-def]
    a, b = x * 2, x * 3
    chosen = a if len(x) > 4 else b
    return np.exp(chosen) + a + b


@refused("number of rows decides")
def loop_over_rows(x, c, s):  # type: ignore[no-untyped-def]
    return np.stack([row * 2 for row in x])


@refused("number of rows decides")
def loop_over_n(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i] * 2
    return y


@refused("rows are cut at fixed places|fewer rows than the batch")
def neighbouring_rows(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y[1:] += x[:-1]
    return y


@refused("rows are cut at fixed places")
def first_rows(x, c, s):  # type: ignore[no-untyped-def]
    return x + x[:2].sum(axis=0)


@recorded
def rows_turned_round(x, c, s):  # type: ignore[no-untyped-def]
    return x[::-1] * np.flip(x) + np.flip(x, axis=0)


@refused("depends on the rows in an unknown way")
def linspace_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return x * np.linspace(0, 1, len(x))[:, None].astype(x.dtype)


@refused("depends on the rows in an unknown way")
def eye_of_n(x, c, s):  # type: ignore[no-untyped-def]
    return np.eye(len(x), dtype=x.dtype) @ x


@recorded
def rows_against_rows(x, c, s):  # type: ignore[no-untyped-def]
    return (x @ x.T) @ x + np.zeros_like(x, shape=(len(x), len(x))).sum() + np.sort(x, axis=0)


# Data that decide


@refused("the numbers of an array decide")
def as_float(x, c, s):  # type: ignore[no-untyped-def]
    return x * float(x.max())


@refused("the numbers of an array decide")
def as_item(x, c, s):  # type: ignore[no-untyped-def]
    return x * x.max().item()


@refused("the numbers of an array decide")
def if_of_data(x, c, s):  # type: ignore[no-untyped-def]
    return x * 2 if x.max() > 0 else x


@refused("the numbers of an array decide")
def math_of_data(x, c, s):  # type: ignore[no-untyped-def]
    return x * math.exp(x[0, 0])


@refused("the numbers of an array decide")
def refusal_caught(x, c, s):  # type: ignore[no-untyped-def]
    try:
        return x * float(x.sum())
    except Exception:  # noqa: BLE001
        return x * 0


@refused("the size of what np.nonzero gives")
def nonzero(x, c, s):  # type: ignore[no-untyped-def]
    return x + len(np.nonzero(x)[0])


@refused("the size of what np.where gives")
def where_of_one(x, c, s):  # type: ignore[no-untyped-def]
    return x + np.where(x > 0)[0].sum()


@refused("array_equal gives a bool")
def equal_of_data(x, c, s):  # type: ignore[no-untyped-def]
    return x * 2 if np.array_equal(x, x * 2) else x


@refused("turned into a plain one")
def asarray(x, c, s):  # type: ignore[no-untyped-def]
    return np.asarray(x) * 2


@refused("turned into a plain one")
def vectorize(x, c, s):  # type: ignore[no-untyped-def]
    return np.vectorize(lambda v: v * 2)(x)


@refused("ndarray.flags is used")
def flags(x, c, s):  # type: ignore[no-untyped-def]
    return x * 2 if x.flags.c_contiguous else x


@refused("ndarray.flat is used")
def flat(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y.flat[0] = 1
    return y


@refused("ndarray.sort is used")
def sorted_in_place(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    y.sort()
    return y


@refused("read-only")
def function_that_writes(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    np.fill_diagonal(y, 0)
    return y


# Chance, time, memory


@recorded
def own_stream(x, c, s):  # type: ignore[no-untyped-def]
    noise = c.rng.normal(0, 0.1, size=x.shape)
    c.rng.random()  # moves the stream
    keep = c.rng.random(x.shape, dtype=np.float32) > 0.5
    picked = c.rng.integers(0, 4, len(x))
    y = x * keep + noise + c.rng.uniform(1, 2) * c.rng.standard_normal(4)
    y = y + x[np.arange(len(x)), picked][:, None] * c.rng.integers(5)
    return y[c.rng.permutation(len(x))] + c.rng.choice(4, len(x))[:, None]


@recorded
def permuted_rows(x, c, s):  # type: ignore[no-untyped-def]
    return c.rng.permutation(x) + c.rng.normal(x, np.abs(x)) * isinstance(
        c.rng, np.random.Generator
    )


@refused(r"ctx.rng.random with out=")
def stream_with_out(x, c, s):  # type: ignore[no-untyped-def]
    y = np.empty_like(x)
    c.rng.random(out=y)
    return y


@refused("ctx.rng.shuffle")
def shuffled(x, c, s):  # type: ignore[no-untyped-def]
    y = x * 1
    c.rng.shuffle(y)
    return y


@refused("depends on the rows in an unknown way")
def global_numbers(x, c, s):  # type: ignore[no-untyped-def]
    return x * np.random.random(x.shape)  # noqa: NPY002


@refused("random numbers come from ctx.rng only")
def global_numbers_of_one_shape(x, c, s):  # type: ignore[no-untyped-def]
    return x * np.random.random(4)  # noqa: NPY002


@refused("or on chance or time")
def python_numbers(x, c, s):  # type: ignore[no-untyped-def]
    return x * random.random()  # noqa: S311


@refused("or on chance or time")
def clock(x, c, s):  # type: ignore[no-untyped-def]
    return x * time.perf_counter()


@recorded
def stream_of_a_seed(x, c, s):  # type: ignore[no-untyped-def]
    return x * np.random.default_rng(0).random(4)


@refused("changes its own field .calls.")
def counter(x, c, s):  # type: ignore[no-untyped-def]
    s.calls = getattr(s, "calls", 0) + 1
    return x * 2


@refused("or on chance or time|decides")
def counter_elsewhere(x, c, s):  # type: ignore[no-untyped-def]
    return x * next(COUNTED)


@refused("ctx.buffer cannot be recorded")
def buffer(x, c, s):  # type: ignore[no-untyped-def]
    y = c.buffer("y", x.shape)
    y[...] = x
    return y


@refused("ctx.bound cannot be recorded")
def bound(x, c, s):  # type: ignore[no-untyped-def]
    return c.bound(None, len(x))(x)


# NumPy's functions


@recorded
def choices(x, c, s):  # type: ignore[no-untyped-def]
    with np.errstate(over="ignore"):
        y = np.where(x > 0, x, 0.1 * x) + np.clip(x, -1, 1) + x.clip(min=0) + np.clip(x, None, 1)
        return y / (1 + np.exp(-x)) + np.maximum(x, 0) + (x if isinstance(x, np.ndarray) else 1)


@recorded
def products(x, c, s):  # type: ignore[no-untyped-def]
    m = np.arange(16, dtype=x.dtype).reshape(4, 4)
    y = x @ m + np.dot(x, m) + x.dot(m) + np.tensordot(x, m, 1) + np.einsum("ni,ij->nj", x, m)
    y = y + np.einsum("ni,ni->n", x, x)[:, None] + np.inner(x, m) + np.outer(x[0], m[0])[0]
    return y + (x[:, None, :] @ m)[:, 0] + np.dot(x, m[0])[:, None] + np.matmul(x, m).sum()


@recorded
def pieces(x, c, s):  # type: ignore[no-untyped-def]
    a, b = np.split(x, 2, axis=1)
    d, e, f = np.array_split(x, 3, axis=1)
    y = np.hstack([a, b * 2]) + np.concatenate((d, e, f), axis=-1)
    g = np.stack([a, b], axis=1).reshape(len(x), 4) + np.vstack([x, x])[: len(x)]
    return y + g + np.concatenate([np.ones((len(x), 2), x.dtype), b], axis=1)


@recorded
def places(x, c, s):  # type: ignore[no-untyped-def]
    y = x[:, [2, 0, 1, 3]] + x[:, ::-1] + np.take(x, [0, 0, 1, 1], axis=1) + x[..., -1:] + x[0]
    y = y + np.take_along_axis(x, np.argsort(x, axis=1), axis=1) + np.roll(x, 1, axis=1)
    y = y + np.pad(x, ((0, 0), (1, 1)))[:, 1:-1] + (np.arange(4) == x.argmax(axis=1)[:, None]) * x
    return y + x[x.argmax(axis=0)].sum(axis=0)


@recorded
def arrays_that_functions_fill(x, c, s):  # type: ignore[no-untyped-def]
    order = np.argsort(x, axis=1)
    y, z = np.zeros_like(x), x.copy()
    np.put_along_axis(y, order, np.cumsum(x, axis=1), axis=1)
    np.put_along_axis(z[:, 1:], order[:, :1] % 3, 2, 1)  # through a view
    np.putmask(z, z > 1, -x)
    np.place(z, z < -1, [1, 2, 3])
    w = np.zeros_like(x, shape=(4,))
    np.put(w, [0, 2], 7)
    return y + z + w


@refused("writes into 'x'")
def the_input_filled(x, c, s):  # type: ignore[no-untyped-def]
    np.put_along_axis(x, np.argsort(x, axis=1), 1, axis=1)
    return x


@refused("an array is an index of a list, a range or a plain array")
def table_indexed(x, c, s):  # type: ignore[no-untyped-def]
    return x + np.eye(4)[x.argmax(axis=1)]


@recorded
def views_of_arrays(x, c, s):  # type: ignore[no-untyped-def]
    y = np.expand_dims(x, 1).squeeze(1) + np.squeeze(x[:, None], axis=1) * np.atleast_2d(x)
    y = y + x.T.swapaxes(0, 1) + np.moveaxis(x, 0, -1).T + x[:, :, None].transpose(0, 2, 1)[:, 0]
    y = y + x[:, None].swapaxes(-1, -2)[:, :, 0] + x.ravel().reshape(x.shape)
    y = y + x.flatten().reshape(len(x), 4)
    a, b, d, e = x.T
    w = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
    return y + (a * b + d * e)[:, None] + w.sum(axis=(1, 2))[:, None]


@recorded
def sums(x, c, s):  # type: ignore[no-untyped-def]
    y = np.cumsum(x, axis=1) + np.sum(x, axis=-1, keepdims=True) + x.prod(axis=1)[:, None]
    y = y + np.add.reduce(x, axis=1)[:, None] + np.add.reduce(x) + np.add.accumulate(x, 1)
    y = y + x.sum(axis=1, dtype=np.float64)[:, None] + np.sum(x > 0, axis=1)[:, None]
    y = (
        y
        + (x > 0).any(axis=1)[:, None]
        + np.all(x > 0, axis=1, keepdims=True)
        + np.amax(x, 1, keepdims=True)
    )
    return y + x.max(axis=1, keepdims=True) + x.min(1)[:, None] + np.sum(x, initial=2) + sum([x, x])


@refused("np.modf has where= or several results")
def several_results(x, c, s):  # type: ignore[no-untyped-def]
    part, whole = np.modf(x)
    return part * 2 + whole


@refused("ndarray.real is used")
def real_parts(x, c, s):  # type: ignore[no-untyped-def]
    return np.fft.ifft(np.fft.fft(x, axis=1), axis=1).real


@recorded
def sides_and_numbers(x, c, s):  # type: ignore[no-untyped-def]
    y = np.outer(x[0], x[0])[0] + np.linspace(0, 1, 4, dtype=x.dtype) + np.real(x) + np.conj(x)
    return y + x.shape[0] * x.ndim * x.itemsize + np.abs(np.fft.rfft(x, axis=1)).sum()


@recorded
def scattered(x, c, s):  # type: ignore[no-untyped-def]
    y = np.zeros_like(x)
    np.maximum.at(y, (slice(None), [0, 0, 1]), x[:, :3])  # type: ignore[arg-type]
    np.add.at(y, x.argmax(axis=0), 1)
    y[np.arange(len(x)), x.argmax(axis=1)] -= x[:, 0]
    y[:, [0, 2]] = x[:, [1, 3]]
    return y


@recorded
def row_functions(x, c, s):  # type: ignore[no-untyped-def]
    return np.apply_along_axis(_doubled, 1, x) + np.nan_to_num(x) + np.round(x, 1)


def _doubled(row: Array) -> Array:
    return row * 2


@refused("an argument differs from call to call")
def row_function_with_memory(x, c, s):  # type: ignore[no-untyped-def]
    k = float(len(x))
    return np.apply_along_axis(lambda row: row * k, 1, x)


@refused("gives a|object")
def python_ufunc(x, c, s):  # type: ignore[no-untyped-def]
    return np.frompyfunc(lambda v: v * 2, 1, 1)(x).astype(x.dtype)


# Dtypes


@recorded
def strong_numbers(x, c, s):  # type: ignore[no-untyped-def]
    y = x * np.float64(2) + x * np.sqrt(np.float32(2)) + x * np.array([1.0, 2, 3, 4]) * [1, 2, 3, 4]
    return y + (x > 0) * 2 + (x > 0).sum(axis=1)[:, None] / 3 + np.float32(1) * x[0, 0] + True


@recorded
def casts(x, c, s):  # type: ignore[no-untyped-def]
    y = x.astype(np.float64) * 3 + x.astype("f4", copy=False) + x.astype(int)
    z = x.astype(x.dtype, copy=False) * 2
    z += np.float64(0.1) * np.arange(4.0)
    z += y.astype(x.dtype)
    return z + (x > 0).astype(x.dtype) + np.full_like(x, 3, dtype=int)


@refused("cannot cast")
def casts_that_numpy_refuses(x, c, s):  # type: ignore[no-untyped-def]
    y = x.astype(int)
    y += 0.5
    return y + x


@recorded
def powers(x, c, s):  # type: ignore[no-untyped-def]
    y = x**2 + np.abs(x) ** 0.5 + np.abs(x) ** 3 + (x * x + 1) ** -1 + x**1 + np.abs(x) ** 1.7
    return y + 2 ** np.clip(x, -1, 1) + (x[0, 0] ** 2 + 1) ** 0.5 + x**0


@recorded
def signed_zeros(x, c, s):  # type: ignore[no-untyped-def]
    z = -np.zeros_like(x)
    return np.copysign(x, z + 0) + np.copysign(1, z) + np.copysign(x, z - 0) + np.copysign(2, 1 * z)


FAILS_WITHOUT_ROWS = {
    *(places, several_results, sums, powers, divided_by_n, products, strong_numbers),
    *(shapes_of_n, row_functions, scattered, single_numbers_are_not_changed),
    *(sides_and_numbers,),
}
"""As NumPy does: x[0], x.max(), x.reshape(0, -1)."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("idiom", RECORDED, ids=name_of)
def test_what_can_be_recorded_gives_the_bits_of_the_eager_run(idiom: Idiom, dtype: Any) -> None:
    Case(One(idiom), (4,), dtype).hold(rows=ROWS[1:] if idiom in FAILS_WITHOUT_ROWS else ROWS)


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_what_cannot_be_recorded_is_refused_with_the_line(case: tuple[Idiom, str]) -> None:
    idiom, reason = case
    with pytest.raises(NotRecorded, match=reason) as refusal:
        record(One(idiom), (4,), np.float32, training=True, keeps=True)
    file, _, line = refusal.value.line.partition(":")
    code = idiom.__code__
    last = max(number for _, _, number in code.co_lines() if number)
    if idiom in (counter,):
        assert refusal.value.line == ""  # seen only at the end
        return
    assert file == "test_idioms.py"
    assert code.co_firstlineno < int(line) <= last
