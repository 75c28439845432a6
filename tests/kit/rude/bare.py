# A module without a docstring, and a layer without one.
from layerkit import Array, Context, Layer, Plan, Shape


class Bare(Layer):
    type_name = "kit.bare"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy
