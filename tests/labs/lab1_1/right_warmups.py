"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()

# ---- W1 ----------------------------------------------------------------------------------------------


@right("W1")
def arithmetic():
    def number_line(start, stop, count):
        return start + (stop - start) * torch.arange(count) / (count - 1)

    return {"number_line": number_line}


@right("W1")
def list_comprehension():
    def number_line(start, stop, count):
        gap = (stop - start) / (count - 1)
        return torch.tensor([float(start + i * gap) for i in range(count)])

    return {"number_line": number_line}


@right("W1")
def numpy_converted():
    def number_line(start, stop, count):
        return torch.from_numpy(np.linspace(start, stop, count)).float()

    return {"number_line": number_line}


@right("W1")
def filled_by_a_loop():
    def number_line(start, stop, count):
        line = torch.zeros(count)
        for i in range(count):
            line[i] = (start * (count - 1 - i) + stop * i) / (count - 1)
        return line

    return {"number_line": number_line}


@right("W1")
def added_up():
    def number_line(start, stop, count):
        gaps = torch.full((count,), (stop - start) / (count - 1))
        gaps[0] = start
        return gaps.cumsum(0)

    return {"number_line": number_line}


@right("W1")
def lerp():
    def number_line(start, stop, count):
        return torch.lerp(torch.tensor(float(start)), torch.tensor(float(stop)), torch.linspace(0, 1, count))

    return {"number_line": number_line}


# ---- W2 ----------------------------------------------------------------------------------------------


@right("W2")
def view_and_promotion():
    def to_images(raw, height, width):
        return raw.view(len(raw), height, width) / 255

    return {"to_images": to_images}


@right("W2")
def unflatten():
    def to_images(raw, height, width):
        return raw.to(torch.float32).mul(1 / 255).unflatten(1, (height, width))

    return {"to_images": to_images}


@right("W2")
def image_by_image():
    def to_images(raw, height, width):
        images = [torch.stack(list(row.float().div(255.0).split(width))) for row in raw]
        return torch.stack(images)

    return {"to_images": to_images}


@right("W2")
def pixel_by_pixel():
    def to_images(raw, height, width):
        images = torch.empty(raw.shape[0], height, width)
        for n in range(raw.shape[0]):
            for i in range(height):
                for j in range(width):
                    images[n, i, j] = raw[n, i * width + j].item() / 255
        return images

    return {"to_images": to_images}


@right("W2")
def strided():
    def to_images(raw, height, width):
        return (raw.double() / 255).as_strided((len(raw), height, width), (height * width, width, 1)).float()

    return {"to_images": to_images}


# ---- W3 ----------------------------------------------------------------------------------------------


@right("W3")
def narrow_and_product():
    def crop(image, top, left, height, width):
        return image.narrow(0, top, height).narrow(1, left, width)

    def keep_bright(image, threshold):
        return image * (image >= threshold)

    return {"crop": crop, "keep_bright": keep_bright}


@right("W3")
def index_lists_and_masked_fill():
    def crop(image, top, left, height, width):
        rows = torch.arange(top, top + height)
        columns = torch.arange(left, left + width)
        return image[rows[:, None], columns]

    def keep_bright(image, threshold):
        return image.masked_fill(image < threshold, 0)

    return {"crop": crop, "keep_bright": keep_bright}


@right("W3")
def two_steps_and_a_clone():
    def crop(image, top, left, height, width):
        rows = image[top:][:height]
        return rows[:, left:][:, :width].clone()

    def keep_bright(image, threshold):
        result = image.clone()
        result[image < threshold] = 0
        return result

    return {"crop": crop, "keep_bright": keep_bright}


@right("W3")
def loops():
    def crop(image, top, left, height, width):
        return torch.stack(
            [torch.stack([image[top + i, left + j] for j in range(width)]) for i in range(height)]
        )

    def keep_bright(image, threshold):
        result = torch.zeros_like(image)
        for i in range(image.shape[0]):
            for j in range(image.shape[1]):
                if image[i, j] >= threshold:
                    result[i, j] = image[i, j]
        return result

    return {"crop": crop, "keep_bright": keep_bright}


@right("W3")
def negative_sides():
    def crop(image, top, left, height, width):
        return torch.nn.functional.pad(
            image, (-left, left + width - image.shape[1], -top, top + height - image.shape[0])
        )

    def keep_bright(image, threshold):
        return torch.where(~(image < threshold), image, torch.zeros_like(image))

    return {"crop": crop, "keep_bright": keep_bright}


# ---- W4 ----------------------------------------------------------------------------------------------


@right("W4")
def indexed_with_none():
    def row_shares(table):
        return table / table.sum(-1)[:, None]

    return {"row_shares": row_shares}


@right("W4")
def transposed_twice():
    def row_shares(table):
        return (table.T / table.T.sum(0)).T

    return {"row_shares": row_shares}


@right("W4")
def row_by_row():
    def row_shares(table):
        return torch.stack([row / row.sum() for row in table])

    return {"row_shares": row_shares}


@right("W4")
def product_with_ones():
    def row_shares(table):
        return table / (table @ torch.ones(table.shape[1], 1, dtype=table.dtype))

    return {"row_shares": row_shares}


# ---- W5 ----------------------------------------------------------------------------------------------


@right("W5")
def from_the_right():
    def broadcast_shape(a, b):
        sizes = []
        for i in range(1, max(len(a), len(b)) + 1):
            m = a[-i] if i <= len(a) else 1
            n = b[-i] if i <= len(b) else 1
            if m == n or n == 1:
                sizes.append(m)
            elif m == 1:
                sizes.append(n)
            else:
                raise ValueError(f"{a} and {b} do not broadcast")
        return tuple(reversed(sizes))

    return {"broadcast_shape": broadcast_shape}


@right("W5")
def zip_longest():
    from itertools import zip_longest as pairs

    def broadcast_shape(a, b):
        def one(m, n):
            common = {m, n} - {1} or {1}
            if len(common) > 1:
                raise ValueError("sizes differ")
            return common.pop()

        return tuple(one(m, n) for m, n in pairs(a[::-1], b[::-1], fillvalue=1))[::-1]

    return {"broadcast_shape": broadcast_shape}


@right("W5")
def recursive():
    def broadcast_shape(a, b):
        if not a or not b:
            return tuple(a or b)
        m, n = a[-1], b[-1]
        if m != n and m != 1 and n != 1:
            raise ValueError("no common shape")
        return (*broadcast_shape(a[:-1], b[:-1]), n if m == 1 else m)

    return {"broadcast_shape": broadcast_shape}


@right("W5")
def lists():
    def broadcast_shape(a, b):
        a, b = list(a), list(b)
        while len(a) < len(b):
            a.insert(0, 1)
        while len(b) < len(a):
            b.insert(0, 1)
        for i in range(len(a)):
            if a[i] == 1:
                a[i] = b[i]
            elif b[i] != 1 and a[i] != b[i]:
                raise ValueError(i)
        return torch.Size(a)

    return {"broadcast_shape": broadcast_shape}


# ---- W6 ----------------------------------------------------------------------------------------------


@right("W6")
def transposed_product():
    def similarity(a, b):
        return a @ b.mT

    return {"similarity": similarity}


@right("W6")
def bmm():
    def similarity(a, b):
        return torch.bmm(a, b.transpose(-1, -2))

    return {"similarity": similarity}


@right("W6")
def broadcast_and_sum():
    def similarity(a, b):
        return (a.unsqueeze(2) * b.unsqueeze(1)).sum(dim=3)

    return {"similarity": similarity}


@right("W6")
def list_by_list():
    def similarity(a, b):
        return torch.stack([left @ right.T for left, right in zip(a, b, strict=True)])

    return {"similarity": similarity}


@right("W6")
def four_loops():
    def similarity(a, b):
        result = torch.zeros(a.shape[0], a.shape[1], b.shape[1], dtype=a.dtype)
        for n in range(a.shape[0]):
            for i in range(a.shape[1]):
                for j in range(b.shape[1]):
                    for d in range(a.shape[2]):
                        result[n, i, j] += a[n, i, d] * b[n, j, d]
        return result

    return {"similarity": similarity}


@right("W6")
def ellipsis():
    def similarity(a, b):
        return torch.einsum("...id,...jd->...ij", a, b)

    return {"similarity": similarity}


@right("W6")
def permuted():
    def similarity(a, b):
        return torch.matmul(b, a.permute(0, 2, 1)).permute(0, 2, 1)

    return {"similarity": similarity}


# ---- W7 ----------------------------------------------------------------------------------------------


@right("W7")
def the_same_storage_object():
    def shares_storage(a, b):
        return a.untyped_storage() is b.untyped_storage()

    return {"shares_storage": shares_storage}


@right("W7")
def address_minus_offset():
    def shares_storage(a, b):
        def beginning(x):
            return x.data_ptr() - x.storage_offset() * x.element_size()

        return beginning(a) == beginning(b)

    return {"shares_storage": shares_storage}


@right("W7")
def torchs_own():
    def shares_storage(a, b):
        return torch._C._is_alias_of(a, b)

    return {"shares_storage": shares_storage}


@right("W7")
def typed_storage():
    def shares_storage(a, b):
        return a.storage().data_ptr() == b.storage().data_ptr()

    return {"shares_storage": shares_storage}


@right("W7")
def written_and_restored():
    def shares_storage(a, b):
        mine, other = a.untyped_storage(), b.untyped_storage()
        if len(mine) != len(other):
            return False
        kept = mine[0]
        before = other[0]
        mine[0] = (kept + 1) % 256
        changed = other[0] != before
        mine[0] = kept
        return bool(changed)

    return {"shares_storage": shares_storage}


# ---- W8 ----------------------------------------------------------------------------------------------


@right("W8")
def autograd_grad():
    def slope(f, x):
        point = torch.tensor(x, dtype=torch.float64).requires_grad_()
        (derivative,) = torch.autograd.grad(f(point), point)
        return float(derivative)

    return {"slope": slope}


@right("W8")
def functional():
    def slope(f, x):
        return torch.func.grad(f)(torch.tensor(float(x))).item()

    return {"slope": slope}


@right("W8")
def forward_mode():
    def slope(f, x):
        point = torch.tensor(float(x))
        return torch.func.jvp(f, (point,), (torch.ones(()),))[1].item()

    return {"slope": slope}


@right("W8")
def seeded_backward():
    def slope(f, x):
        t = torch.full((), float(x))
        t.requires_grad = True
        y = f(t)
        y.backward(torch.ones_like(y))
        return t.grad.tolist()

    return {"slope": slope}


@right("W8")
def a_parameter():
    def slope(f, x):
        p = torch.nn.Parameter(torch.tensor(float(x)))
        f(p).backward()
        return float(p.grad.numpy())

    return {"slope": slope}
