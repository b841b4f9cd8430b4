"""Right answers to the warm-ups, written otherwise than the reference."""

import math

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def counts_in_a_loop():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        count, start = 0, 0
        while start + dilation * (k - 1) < size + 2 * padding:
            count += 1
            start += stride
        if not count:
            raise ValueError("no place")
        return count

    return {"output_size": output_size}


@right("W1")
def with_math_floor():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        if size + 2 * padding < dilation * (k - 1) + 1:
            raise ValueError("too small")
        return math.floor((size + 2 * padding - dilation * (k - 1) - 1) / stride + 1)

    return {"output_size": output_size}


@right("W1")
def length_of_a_range():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        places = range(0, size + 2 * padding - dilation * (k - 1), stride)
        if len(places) == 0:
            raise ValueError(f"{k} does not fit")
        return len(places)

    return {"output_size": output_size}


@right("W1")
def asks_torch():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        reach = (k - 1) * dilation + 1
        row = torch.zeros(size + 2 * padding)
        if reach > len(row):
            raise ValueError("too long")
        return row.unfold(0, reach, stride).shape[0]

    return {"output_size": output_size}


@right("W2")
def a_loop_with_dots():
    def slide(signal, kernel):
        k = kernel.numel()
        return torch.stack([torch.dot(signal[i : i + k], kernel) for i in range(signal.numel() - k + 1)])

    return {"slide": slide}


@right("W2")
def numpy_correlates():
    def slide(signal, kernel):
        return torch.from_numpy(np.correlate(signal.numpy(), kernel.numpy(), mode="valid"))

    return {"slide": slide}


@right("W2")
def shifted_copies():
    def slide(signal, kernel):
        places = len(signal) - len(kernel) + 1
        out = torch.zeros(places, dtype=signal.dtype)
        for u in range(len(kernel)):
            out += kernel[u] * signal[u : u + places]
        return out

    return {"slide": slide}


@right("W2")
def by_a_matrix_of_indices():
    def slide(signal, kernel):
        k = len(kernel)
        places = torch.arange(len(signal) - k + 1)[:, None] + torch.arange(k)
        return torch.einsum("ik,k->i", signal[places], kernel)

    return {"slide": slide}


@right("W3")
def four_strides():
    def windows(image, k, stride=1):
        H, W = image.shape
        sh, sw = image.stride()
        size = ((H - k) // stride + 1, (W - k) // stride + 1, k, k)
        return torch.as_strided(image, size, (sh * stride, sw * stride, sh, sw), image.storage_offset())

    return {"windows": windows}


@right("W3")
def nested_lists():
    def windows(image, k, stride=1):
        rows = []
        for i in range(0, image.shape[0] - k + 1, stride):
            rows.append(
                torch.stack([image[i : i + k, j : j + k] for j in range(0, image.shape[1] - k + 1, stride)])
            )
        return torch.stack(rows)

    return {"windows": windows}


@right("W3")
def advanced_indexing():
    def windows(image, k, stride=1):
        rows = torch.arange(0, image.shape[0] - k + 1, stride)[:, None] + torch.arange(k)
        columns = torch.arange(0, image.shape[1] - k + 1, stride)[:, None] + torch.arange(k)
        return image[rows[:, None, :, None], columns[None, :, None, :]]

    return {"windows": windows}


@right("W3")
def numpy_windows():
    def windows(image, k, stride=1):
        view = np.lib.stride_tricks.sliding_window_view(image.numpy(), (k, k))
        return torch.from_numpy(view[::stride, ::stride].copy())

    return {"windows": windows}


@right("W4")
def a_sum_of_diagonals():
    def conv_matrix(kernel, length):
        places = length - len(kernel) + 1
        matrix = torch.zeros(places, length, dtype=kernel.dtype)
        for u, weight in enumerate(kernel):
            matrix += weight * torch.eye(places, length, dtype=kernel.dtype).roll(u, dims=1)
        return matrix

    return {"conv_matrix": conv_matrix}


@right("W4")
def slides_over_the_identity():
    def conv_matrix(kernel, length):
        identity = torch.eye(length, dtype=kernel.dtype)
        return (identity.unfold(0, len(kernel), 1) * kernel).sum(-1)

    return {"conv_matrix": conv_matrix}


@right("W4")
def one_strided_view():
    def conv_matrix(kernel, length):
        places = length - len(kernel) + 1
        flat = torch.zeros(places * (length + 1), dtype=kernel.dtype)
        flat.view(places, length + 1)[:, : len(kernel)] = kernel
        return flat[: places * length].view(places, length)

    return {"conv_matrix": conv_matrix}


@right("W4")
def entry_by_entry():
    def conv_matrix(kernel, length):
        k = len(kernel)
        rows = [
            [float(kernel[j - i]) if 0 <= j - i < k else 0.0 for j in range(length)]
            for i in range(length - k + 1)
        ]
        return torch.tensor(rows, dtype=kernel.dtype)

    return {"conv_matrix": conv_matrix}
