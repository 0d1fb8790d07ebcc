"""Layers and losses in JAX, in the forms that may be fastest. Images are [points, row, column, channel]."""

import jax
import jax.numpy as jnp
from jax import lax
from workloads import pair


def inward(tensor, form):
    """A parameter of [out, in] or [out, in, k, k] in the layout that the form computes with; convolutions [k, k, in, out]."""
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)
    return tensor.T if tensor.ndim == 2 and form.matrix == "in-out" else tensor


def outward(tensor, form):
    """The inverse of `inward`."""
    return tensor.transpose(3, 2, 0, 1) if tensor.ndim == 4 else inward(tensor, form)


def windows(x, kernel, stride, form):
    """The places of each window of x, each an image; by strides, or by the phases of a reshape."""
    cut = phase_slices if form.cut == "phases" and stride > 1 else strided_slices
    return list(cut(x, pair(kernel), stride))


def strided_slices(x, kernel, stride):
    n, height, width, c = x.shape
    far = lambda side, k: (side - k) // stride * stride + 1  # noqa: E731
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            ends = (n, i + far(height, kernel[0]), j + far(width, kernel[1]), c)
            yield lax.slice(x, (0, i, j, 0), ends, (1, stride, stride, 1))


def phase_slices(x, kernel, stride):
    # A reshape into stride² images, whose slices, and their gradients, have no strides.
    n, height, width, c = x.shape
    rows, columns = ((side - k) // stride + 1 for side, k in zip((height, width), kernel))
    short = [-side % stride for side in (height, width)]
    x = jnp.pad(x, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)))
    x = x.reshape(n, x.shape[1] // stride, stride, x.shape[2] // stride, stride, c)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i // stride, j // stride
            yield x[:, top : top + rows, i % stride, left : left + columns, j % stride]


def conv2d(x, weight, bias, layer, form):
    """A convolution by hand, as one matrix product of patches, or the library's own.

    By hand a depthwise one is a sum of shifted images times a weight a channel, one of groups a product for each group.
    """
    stride, groups = layer["stride"], layer.get("groups", 1)
    pads = [(p, p) for p in pair(layer["padding"])]
    if form.conv == "library":
        kinds = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, weight, (stride, stride), pads, dimension_numbers=kinds, feature_group_count=groups) + bias
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    places = windows(x, layer["kernel"], stride, form)
    if groups == x.shape[-1] == weight.shape[-1] and groups > 1:
        taps = weight.reshape(-1, groups)
        return sum(place * tap for place, tap in zip(places, taps)) + bias
    if groups > 1:
        patches = jnp.stack([p.reshape(*p.shape[:-1], groups, -1) for p in places], -2)
        patches = patches.reshape(-1, groups, weight.shape[0] * weight.shape[1] * weight.shape[2])
        taps = weight.reshape(patches.shape[-1], groups, -1)
        out = jnp.einsum("pgk,kgo->pgo", patches, taps)
        return out.reshape(*places[0].shape[:-1], -1) + bias
    patches = jnp.concatenate(places, -1)
    out = patches.reshape(-1, patches.shape[-1]) @ weight.reshape(-1, weight.shape[-1]) + bias
    return out.reshape(*patches.shape[:-1], -1)


def batch_norm(x, weight, bias, eps):
    """Normalised by the mean and the biased variance of this batch, over all but the last dimension."""
    axes = tuple(range(x.ndim - 1))
    x = x - jnp.mean(x, axes)
    return x * (lax.rsqrt(jnp.mean(x * x, axes) + eps) * weight) + bias


def max_pool2d(x, layer, form):
    """The largest of each window, place by place.

    Not by `max` or `maximum`: their gradient asks which place equals the maximum, and a compiler that computes a place
    again, rounded otherwise, finds none. JAX 0.10 on the CPU so gives second-order gradients wrong by their own size.
    """
    best, *others = windows(x, layer["kernel"], layer["stride"], form)
    for other in others:
        best = jnp.where(best >= other, best, other)
    return best


def apply(layers, theta, x, form, latent=None):
    """The network's output [points, out]; `theta` has a (weight, bias) for each layer with parameters.

    `latent` is one row for all points, of which layers of type shift make what they add to every point.
    """
    parameters = iter(theta)
    if form.matrix == "out-in":  # for networks of linear layers and ReLU alone
        x = x.T
    if x.ndim == 2 and layers[0]["type"] == "conv2d":  # a series: an image of one row
        x = x[:, None, :, None]
    x = sequence(layers, parameters, x, form, latent)
    return x.T if form.matrix == "out-in" else x


def sequence(layers, parameters, x, form, latent=None):
    """Layers one behind the other, which take their parameters as they come."""
    for layer in layers:
        kind = layer["type"]
        if kind == "residual":
            main = sequence(layer["main"], parameters, x, form)
            x = main + sequence(layer["beside"], parameters, x, form)
        elif kind == "leaky_relu":
            x = jnp.where(x > 0, x, 0.1 * x)
        elif kind == "linear":
            weight, bias = next(parameters)
            x = x @ weight + bias if form.matrix == "in-out" else weight @ x + bias[:, None]
        elif kind == "shift":
            weight, bias = next(parameters)
            x = x + (latent @ weight + bias)
        elif kind == "sine":
            x = jnp.sin(layer["omega"] * x)
        elif kind == "conv2d":
            x = conv2d(x, *next(parameters), layer, form)
        elif kind == "batch_norm":
            x = batch_norm(x, *next(parameters), layer["eps"])
        elif kind == "max_pool2d":
            x = max_pool2d(x, layer, form)
        elif kind == "global_avg_pool2d":
            x = jnp.mean(x, (1, 2))
        elif kind == "flatten":  # by channel, row, column
            x = jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)
        elif kind == "relu":
            x = jax.nn.relu(x)
        else:
            raise ValueError(f"no layer of type {kind}")
    return x


def mse(out, y):
    """Mean squared error over every element."""
    return jnp.mean((out - y) ** 2)


def cross_entropy(out, label):
    """Mean over points of −log of the label's probability."""
    chosen = jax.nn.one_hot(label, out.shape[-1], dtype=out.dtype)
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(out) * chosen, -1))


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}
