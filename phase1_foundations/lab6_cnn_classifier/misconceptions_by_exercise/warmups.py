"""Wrong answers to the warm-ups."""

import torch

from courseware.check import misconception


def extent(k, dilation):
    return dilation * (k - 1) + 1


@misconception("W1", diagnosis="rounds-up")
def rounds_up():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + 2 * padding - extent(k, dilation)
        if free < 0:
            raise ValueError("does not fit")
        return -(-free // stride) + 1

    return {"output_size": output_size}


@misconception("W1", diagnosis="padding-on-one-side")
def pads_once():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + padding - extent(k, dilation)
        if free < 0:
            raise ValueError("does not fit")
        return free // stride + 1

    return {"output_size": output_size}


@misconception("W1", diagnosis="dilation-ignored")
def forgets_dilation():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        free = size + 2 * padding - k
        if free < 0:
            raise ValueError("does not fit")
        return free // stride + 1

    return {"output_size": output_size}


@misconception("W1", diagnosis="does-not-refuse")
def returns_nothing_places():
    def output_size(size, k, *, stride=1, padding=0, dilation=1):
        return max(0, (size + 2 * padding - extent(k, dilation)) // stride + 1)

    return {"output_size": output_size}


@misconception("W2", diagnosis="kernel-reversed")
def true_convolution():
    def slide(signal, kernel):
        return signal.unfold(0, len(kernel), 1) @ kernel.flip(0)

    return {"slide": slide}


@misconception("W2", diagnosis="wrong-number-of-places")
def stops_one_too_early():
    def slide(signal, kernel):
        k = len(kernel)
        out = [(signal[i : i + k] * kernel).sum() for i in range(len(signal) - k)]
        return torch.stack(out) if out else signal.new_zeros(0)

    return {"slide": slide}


@misconception("W2", diagnosis="averages")
def takes_the_mean():
    def slide(signal, kernel):
        return (signal.unfold(0, len(kernel), 1) * kernel).mean(dim=1)

    return {"slide": slide}


@misconception("W3", diagnosis="axes-in-another-order")
def columns_first():
    def windows(image, k, stride=1):
        return image.unfold(1, k, stride).unfold(0, k, stride)

    return {"windows": windows}


@misconception("W3", diagnosis="no-overlap")
def tiles():
    def windows(image, k, stride=1):
        return image.unfold(0, k, k).unfold(1, k, k)

    return {"windows": windows}


@misconception("W3", diagnosis="contiguous-strides")
def strides_of_a_plain_image():
    def windows(image, k, stride=1):
        H, W = image.shape
        size = ((H - k) // stride + 1, (W - k) // stride + 1, k, k)
        return image.as_strided(size, (W * stride, stride, W, 1))

    return {"windows": windows}


@misconception("W4", diagnosis="kernel-reversed")
def lays_it_down_reversed():
    def conv_matrix(kernel, length):
        places = length - len(kernel) + 1
        rows = [
            torch.cat([kernel.new_zeros(i), kernel.flip(0), kernel.new_zeros(places - 1 - i)])
            for i in range(places)
        ]
        return torch.stack(rows)

    return {"conv_matrix": conv_matrix}


@misconception("W4", diagnosis="transposed")
def matrix_of_the_backward_pass():
    def conv_matrix(kernel, length):
        matrix = kernel.new_zeros(length, length - len(kernel) + 1)
        for i in range(matrix.shape[1]):
            matrix[i : i + len(kernel), i] = kernel
        return matrix

    return {"conv_matrix": conv_matrix}


@misconception("W4", diagnosis="wraps-around")
def circulant():
    def conv_matrix(kernel, length):
        row = torch.cat([kernel, kernel.new_zeros(length - len(kernel))])
        return torch.stack([row.roll(i) for i in range(length)])

    return {"conv_matrix": conv_matrix}
