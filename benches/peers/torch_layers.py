"""Layers and losses in PyTorch. Images are [points, channel, row, column], weights [out, in] or [out, in, k, k]."""

import torch
import torch.nn.functional as F
from workloads import pair


def conv2d(x, weight, bias, layer, form):
    """The library's convolution, which `vmap` makes a grouped one, or one matrix product of patches."""
    k, stride, pad = layer["kernel"], layer["stride"], layer["padding"]
    if form == "library" or layer.get("groups", 1) > 1:
        return F.conv2d(x, weight, bias, stride, pad, groups=layer.get("groups", 1))
    patches = F.unfold(x, k, padding=pad, stride=stride)  # [points, channel × k², place]
    rows = (x.shape[2] + 2 * pair(pad)[0] - pair(k)[0]) // stride + 1
    return (weight.flatten(1) @ patches + bias[:, None]).unflatten(2, (rows, -1))


def batch_norm(x, weight, bias, eps):
    """Normalised by the mean and the biased variance of this batch, over all but the channels."""
    axes = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    x = x - x.mean(axes, keepdim=True)
    return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps) * weight.view(shape) + bias.view(shape)


def max_pool2d(x, layer):
    """The largest of each window, place by place: the library's own has no second derivative under `vmap`."""
    k, stride = layer["kernel"], layer["stride"]
    rows, columns = ((side - k) // stride * stride + 1 for side in x.shape[2:])
    best = None
    for i in range(k):
        for j in range(k):
            part = x[:, :, i : i + rows : stride, j : j + columns : stride]
            best = part if best is None else torch.where(best >= part, best, part)
    return best


def apply(layers, theta, x, form):
    """The network's output [points, out]; `theta` has a (weight, bias) for each layer with parameters."""
    if x.ndim == 2 and layers[0]["type"] == "conv2d":  # a series: an image of one row
        x = x[:, None, None]
    return sequence(layers, iter(theta), x, form)


def sequence(layers, parameters, x, form):
    """Layers one behind the other, which take their parameters as they come."""
    for layer in layers:
        kind = layer["type"]
        if kind == "residual":
            main = sequence(layer["main"], parameters, x, form)
            x = main + sequence(layer["beside"], parameters, x, form)
        elif kind == "leaky_relu":
            x = F.leaky_relu(x, 0.1)
        elif kind == "linear":
            weight, bias = next(parameters)
            x = x @ weight.T + bias
        elif kind == "conv2d":
            x = conv2d(x, *next(parameters), layer, form)
        elif kind == "batch_norm":
            x = batch_norm(x, *next(parameters), layer["eps"])
        elif kind == "max_pool2d":
            x = max_pool2d(x, layer)
        elif kind == "global_avg_pool2d":
            x = x.mean((2, 3))
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "relu":
            x = torch.relu(x)
        else:
            raise ValueError(f"no layer of type {kind}")
    return x


def mse(out, y):
    """Mean squared error over every element."""
    return ((out - y) ** 2).mean()


def cross_entropy(out, label):
    """Mean over points of −log of the label's probability."""
    return -F.log_softmax(out, -1).gather(1, label[:, None]).mean()


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}
