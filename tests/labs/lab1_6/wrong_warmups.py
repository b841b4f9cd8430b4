"""Wrong answers to the warm-ups, as strangers might write them."""

import torch

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W1")
def divides_to_a_float():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        if size + 2 * padding < dilation * (k - 1) + 1:
            raise ValueError
        return (size + 2 * padding - dilation * (k - 1) - 1) / stride + 1

    return {"output_size": output_size}


@wrong("W1")
def dilates_k_times():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + 2 * padding - dilation * k
        if free < 0:
            raise ValueError
        return free // stride + 1

    return {"output_size": output_size}


@wrong("W1")
def no_stride():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        out = size + 2 * padding - dilation * (k - 1)
        if out <= 0:
            raise ValueError
        return out

    return {"output_size": output_size}


@wrong("W1")
def strict_fit():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + 2 * padding - dilation * (k - 1) - 1
        if free <= 0:
            raise ValueError("does not fit")
        return free // stride + 1

    return {"output_size": output_size}


@wrong("W1")
def asserts():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + 2 * padding - dilation * (k - 1) - 1
        assert free >= 0
        return free // stride + 1

    return {"output_size": output_size}


@wrong("W1")
def refuses_after_dividing():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        out = int((size + 2 * padding - dilation * (k - 1) - 1) / stride) + 1
        if out <= 0:
            raise ValueError
        return out

    return {"output_size": output_size}


@wrong("W2")
def pads_to_the_same_length():
    def slide(signal, kernel):
        k = len(kernel)
        padded = torch.cat([signal.new_zeros(k - 1), signal])
        return padded.unfold(0, k, 1) @ kernel

    return {"slide": slide}


@wrong("W2")
def calls_torch():
    def slide(signal, kernel):
        return torch.nn.functional.conv1d(signal[None, None], kernel[None, None])[0, 0]

    return {"slide": slide}


@wrong("W2")
def steps_by_the_kernel():
    def slide(signal, kernel):
        return signal.unfold(0, len(kernel), len(kernel)) @ kernel

    return {"slide": slide}


@wrong("W2")
def always_single():
    def slide(signal, kernel):
        return signal.float().unfold(0, len(kernel), 1) @ kernel.float()

    return {"slide": slide}


@wrong("W2")
def products_not_added():
    def slide(signal, kernel):
        return signal.unfold(0, len(kernel), 1) * kernel

    return {"slide": slide}


@wrong("W3")
def flattens_the_places():
    def windows(image, k, stride=1):
        return image.unfold(0, k, stride).unfold(1, k, stride).reshape(-1, k, k)

    return {"windows": windows}


@wrong("W3")
def forgets_the_stride():
    def windows(image, k, stride=1):
        return image.unfold(0, k, 1).unfold(1, k, 1)

    return {"windows": windows}


@wrong("W3")
def strides_the_rows_alone():
    def windows(image, k, stride=1):
        return image.unfold(0, k, stride).unfold(1, k, 1)

    return {"windows": windows}


@wrong("W3")
def one_window_less():
    def windows(image, k, stride=1):
        H, W = image.shape
        rows, columns = range(0, H - k, stride), range(0, W - k, stride)
        out = torch.zeros(len(rows), len(columns), k, k, dtype=image.dtype)
        for a, i in enumerate(rows):
            for b, j in enumerate(columns):
                out[a, b] = image[i : i + k, j : j + k]
        return out

    return {"windows": windows}


@wrong("W3")
def counts_rows_for_both():
    def windows(image, k, stride=1):
        n = (image.shape[0] - k) // stride + 1
        out = torch.zeros(n, n, k, k, dtype=image.dtype)
        for i in range(n):
            for j in range(n):
                piece = image[i * stride : i * stride + k, j * stride : j * stride + k]
                out[i, j, : piece.shape[0], : piece.shape[1]] = piece
        return out

    return {"windows": windows}


@wrong("W3")
def makes_floats():
    def windows(image, k, stride=1):
        return image.float().unfold(0, k, stride).unfold(1, k, stride)

    return {"windows": windows}


@wrong("W4")
def square():
    def conv_matrix(kernel, length):
        matrix = kernel.new_zeros(length, length)
        for i in range(length):
            for u in range(len(kernel)):
                if i + u < length:
                    matrix[i, i + u] = kernel[u]
        return matrix

    return {"conv_matrix": conv_matrix}


@wrong("W4")
def never_moves():
    def conv_matrix(kernel, length):
        matrix = kernel.new_zeros(length - len(kernel) + 1, length)
        matrix[:, : len(kernel)] = kernel
        return matrix

    return {"conv_matrix": conv_matrix}


@wrong("W4")
def jumps_by_k():
    def conv_matrix(kernel, length):
        k = len(kernel)
        matrix = kernel.new_zeros(length - k + 1, length)
        for i in range(length - k + 1):
            end = min(length, i * k + k)
            matrix[i, i * k : end] = kernel[: max(0, end - i * k)]
        return matrix

    return {"conv_matrix": conv_matrix}


@wrong("W4")
def default_dtype():
    def conv_matrix(kernel, length):
        k = len(kernel)
        matrix = torch.zeros(length - k + 1, length)
        for i in range(length - k + 1):
            matrix[i, i : i + k] = kernel
        return matrix

    return {"conv_matrix": conv_matrix}


@wrong("W4")
def moves_to_the_left():
    def conv_matrix(kernel, length):
        k = len(kernel)
        matrix = kernel.new_zeros(length - k + 1, length)
        for i in range(length - k + 1):
            matrix[i, length - k - i : length - i] = kernel
        return matrix

    return {"conv_matrix": conv_matrix}


def places(free, of=lambda free, stride, padding: free // stride + 1):
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        room = free(size, k, stride, padding, dilation)
        if room < 0:
            raise ValueError("the window does not fit")
        return of(room, stride, padding)

    return {"output_size": output_size}


@wrong("W1")
def same_padding_unless_told():
    def output_size(size, k, *, stride=1, padding=None, dilation=1):
        free = size + 2 * (k // 2 if padding is None else padding) - dilation * (k - 1) - 1
        if free < 0:
            raise ValueError("the window does not fit")
        return free // stride + 1

    return {"output_size": output_size}


@wrong("W1")
def dilation_counts_the_holes():
    return places(lambda size, k, s, p, d: size + 2 * p - k - (k - 1) * d)


@wrong("W1")
def dilation_moves_the_window():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        return places(lambda *_: size + 2 * padding - k)["output_size"](size, k, stride=stride * dilation)

    return {"output_size": output_size}


@wrong("W1")
def padding_is_not_divided():
    return places(lambda size, k, s, p, d: size - d * (k - 1) - 1, lambda free, s, p: free // s + 1 + 2 * p)
