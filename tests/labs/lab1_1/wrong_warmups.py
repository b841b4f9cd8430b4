"""Wrong answers to the warm-ups beyond the lab's own misconceptions."""

from __future__ import annotations

import numpy as np
import torch

from tests.labs.answers import Answers

wrong = Answers()


def one(exercise, name, function, named=True):
    wrong.add(exercise, function.__name__, lambda: {name: function}, named=named)


# ---- W1: number_line(start, stop, count) -----------------------------------------------------------------


def w1_list(start, stop, count):
    return [start + (stop - start) * i / (count - 1) for i in range(count)]


def w1_numpy(start, stop, count):
    return np.linspace(start, stop, count)


def w1_numpy_tensor(start, stop, count):
    return torch.from_numpy(np.linspace(start, stop, count))


def w1_arange(start, stop, count):
    return torch.arange(start, stop).float()


def w1_arange_step(start, stop, count):
    return torch.arange(start, stop, (stop - start) / count)


def w1_random(start, stop, count):
    return (torch.rand(count) * (stop - start) + start).sort().values


def w1_no_start(start, stop, count):
    return torch.linspace(0, stop, count)


def w1_column(start, stop, count):
    return torch.linspace(start, stop, count)[:, None]


def w1_rounded(start, stop, count):
    return torch.arange(count) * ((stop - start) // (count - 1)) + start


def w1_inner(start, stop, count):
    return torch.linspace(start, stop, count + 2)[1:-1]


def w1_unit(start, stop, count):
    return torch.linspace(0, 1, count)


def w1_ints(start, stop, count):
    return torch.linspace(start, stop, count).long()


def w1_missing_return(start, stop, count):
    torch.linspace(start, stop, count)


for f in (w1_list, w1_numpy, w1_numpy_tensor, w1_arange, w1_arange_step, w1_random, w1_no_start, w1_column):
    one("W1", "number_line", f)
for f in (w1_rounded, w1_inner, w1_unit, w1_ints, w1_missing_return):
    one("W1", "number_line", f)

# ---- W2: to_images(raw, height, width) -------------------------------------------------------------------


def w2_one_image(raw, height, width):
    return raw.reshape(height, width, -1)[:, :, 0] / 255


def w2_swapped(raw, height, width):
    return raw.reshape(-1, width, height) / 255


def w2_byte_result(raw, height, width):
    return (raw / 255).to(torch.uint8).reshape(-1, height, width)


def w2_double(raw, height, width):
    return raw.double().reshape(-1, height, width) / 255


def w2_flat(raw, height, width):
    return raw.float() / 255


def w2_min_max(raw, height, width):
    x = raw.float().reshape(-1, height, width)
    return (x - x.min()) / (x.max() - x.min())


def w2_each_by_its_max(raw, height, width):
    x = raw.float()
    return (x / x.max(dim=1, keepdim=True).values).reshape(-1, height, width)


def w2_256(raw, height, width):
    return raw.reshape(-1, height, width).float() / 256


def w2_channel(raw, height, width):
    return raw.reshape(-1, 1, height, width) / 255


def w2_symmetric(raw, height, width):
    return raw.reshape(-1, height, width) / 127.5 - 1


def w2_transposed(raw, height, width):
    return (raw.reshape(-1, height, width) / 255).transpose(1, 2)


def w2_inverted(raw, height, width):
    return 1 - raw.reshape(-1, height, width) / 255


def w2_byte_then_divide(raw, height, width):
    return (raw.reshape(-1, height, width) * 1 // 255).float()


for f in (
    w2_one_image,
    w2_swapped,
    w2_byte_result,
    w2_double,
    w2_flat,
    w2_min_max,
    w2_each_by_its_max,
    w2_256,
):
    one("W2", "to_images", f)
for f in (w2_channel, w2_symmetric, w2_transposed, w2_inverted, w2_byte_then_divide):
    one("W2", "to_images", f)

# ---- W3: crop(image, top, left, height, width), keep_bright(image, threshold) ------------------------------


def w3_no_columns(image, top, left, height, width):
    return image[top : top + height]


def w3_width_first(image, top, left, height, width):
    return image[top : top + width, left : left + height]


def w3_from_the_corner(image, top, left, height, width):
    return image[:height, :width]


def w3_chained(image, top, left, height, width):
    return image[top : top + height][left : left + width]


def w3_last_missing(image, top, left, height, width):
    return image[top : top + height - 1, left : left + width - 1]


def w3_pairs(image, top, left, height, width):
    return image[range(top, top + height), range(left, left + width)]


for f in (w3_no_columns, w3_width_first, w3_from_the_corner, w3_chained, w3_last_missing, w3_pairs):
    one("W3", "crop", f)


def w3_ones(image, threshold):
    return (image >= threshold).float()


def w3_dark(image, threshold):
    return torch.where(image < threshold, image, 0)


def w3_clamp(image, threshold):
    return image.clamp(min=threshold)


def w3_relu(image, threshold):
    return torch.relu(image - threshold)


def w3_bool(image, threshold):
    return image >= threshold


def w3_bright_to_zero(image, threshold):
    return image.masked_fill(image >= threshold, 0)


def w3_in_place_fill(image, threshold):
    return image.masked_fill_(image < threshold, 0)


def w3_nothing(image, threshold):
    image = image.clone()
    image[image < threshold] = 0


for f in (w3_ones, w3_dark, w3_clamp, w3_relu, w3_bool, w3_bright_to_zero, w3_in_place_fill, w3_nothing):
    one("W3", "keep_bright", f)

# ---- W4: row_shares(table) -------------------------------------------------------------------------------


def w4_keepdim_dim0(table):
    return table / table.sum(dim=0, keepdim=True)


def w4_mean(table):
    return table / table.mean(dim=1, keepdim=True)


def w4_max(table):
    return table / table.amax(dim=1, keepdim=True)


def w4_norm(table):
    return table / table.norm(dim=1, keepdim=True)


def w4_sums(table):
    return table.sum(dim=1, keepdim=True)


def w4_reciprocal(table):
    return table.sum(dim=1, keepdim=True) / table


def w4_in_place(table):
    table /= table.sum(dim=1, keepdim=True)
    return table


def w4_percent(table):
    return 100 * table / table.sum(dim=1, keepdim=True)


def w4_floor(table):
    return table // table.sum(dim=1, keepdim=True)


def w4_minus(table):
    return table - table.sum(dim=1, keepdim=True)


def w4_total_keepdim(table):
    return table / table.sum((0, 1), keepdim=True)


for f in (
    w4_keepdim_dim0,
    w4_mean,
    w4_max,
    w4_norm,
    w4_sums,
    w4_reciprocal,
    w4_in_place,
    w4_percent,
    w4_floor,
):
    one("W4", "row_shares", f)


def w4_normalized(table):
    return torch.nn.functional.normalize(table, p=1, dim=1)


def w4_softmax_of_logarithms(table):
    return table.log().softmax(dim=1)


for f in (w4_minus, w4_total_keepdim, w4_normalized):
    one("W4", "row_shares", f)
one("W4", "row_shares", w4_softmax_of_logarithms, named=False)

# ---- W5: broadcast_shape(a, b) ---------------------------------------------------------------------------


def padded(a, b):
    n = max(len(a), len(b))
    return (1,) * (n - len(a)) + tuple(a), (1,) * (n - len(b)) + tuple(b)


def w5_built_in(a, b):
    return tuple(torch.broadcast_shapes(a, b))


def w5_tensors(a, b):
    try:
        return tuple((torch.empty(a) + torch.empty(b)).shape)
    except RuntimeError as error:
        raise ValueError from error


def w5_equal_only(a, b):
    a, b = padded(a, b)
    if a != b:
        raise ValueError("differ")
    return a


def w5_list(a, b):
    a, b = padded(a, b)
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return [n if m == 1 else m for m, n in zip(a, b, strict=True)]


def w5_runtime_error(a, b):
    a, b = padded(a, b)
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise RuntimeError("no")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def w5_returns_none(a, b):
    a, b = padded(a, b)
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def w5_zero_is_anything(a, b):
    a, b = padded(a, b)
    if any(m != n and m > 1 and n > 1 for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return tuple(max(m, n) if 0 not in (m, n) else 0 for m, n in zip(a, b, strict=True))


def w5_reversed(a, b):
    a, b = padded(a, b)
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))[::-1]


def w5_min(a, b):
    a, b = padded(a, b)
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return tuple(min(m, n) for m, n in zip(a, b, strict=True))


def w5_only_a_is_short(a, b):
    a = (1,) * (len(b) - len(a)) + a
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def w5_only_a_stretches(a, b):
    a, b = padded(a, b)
    if any(m not in (1, n) for m, n in zip(a, b, strict=True)):
        raise ValueError("no")
    return b


def w5_no_error(a, b):
    a, b = padded(a, b)
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


for f in (
    w5_built_in,
    w5_tensors,
    w5_equal_only,
    w5_list,
    w5_runtime_error,
    w5_returns_none,
    w5_zero_is_anything,
):
    one("W5", "broadcast_shape", f)
for f in (w5_reversed, w5_min, w5_only_a_is_short, w5_only_a_stretches, w5_no_error):
    one("W5", "broadcast_shape", f)

# ---- W6: similarity(a, b) --------------------------------------------------------------------------------


def w6_scaled(a, b):
    return a @ b.mT / a.shape[-1] ** 0.5


def w6_cosine(a, b):
    return torch.nn.functional.cosine_similarity(a[:, :, None], b[:, None], dim=-1)


def w6_four_axes(a, b):
    return torch.einsum("nid,mjd->nmij", a, b)


def w6_first_pair(a, b):
    return (a[0] @ b[0].T)[None]


def w6_sums_d_and_j(a, b):
    return torch.einsum("nid,njd->ni", a, b)


def w6_sums_pairs(a, b):
    return torch.einsum("nid,njd->ij", a, b)


def w6_outer(a, b):
    return torch.einsum("nid,nje->nij", a, b)


def w6_distance(a, b):
    return torch.cdist(a, b)


def w6_reversed_axes(a, b):
    return a @ b.permute(2, 1, 0)


def w6_elementwise_kept(a, b):
    return a[:, :, None] * b[:, None]


def w6_softmax(a, b):
    return (a @ b.mT).softmax(-1)


def w6_reshaped(a, b):
    return a @ b.reshape(b.shape[0], b.shape[2], b.shape[1])


def w6_transposed_a(a, b):
    return a.mT @ b


for f in (
    w6_scaled,
    w6_cosine,
    w6_four_axes,
    w6_first_pair,
    w6_sums_d_and_j,
    w6_sums_pairs,
    w6_outer,
    w6_distance,
):
    one("W6", "similarity", f)
for f in (w6_reversed_axes, w6_elementwise_kept, w6_softmax, w6_reshaped, w6_transposed_a):
    one("W6", "similarity", f)

# ---- W7: shares_storage(a, b) ----------------------------------------------------------------------------


def w7_equal(a, b):
    return a.shape == b.shape and bool((a == b).all())


def w7_view_of(a, b):
    return a._base is b or b._base is a


def w7_both_views(a, b):
    return a._is_view() and b._is_view()


def w7_ids(a, b):
    return id(a) == id(b)


def w7_storage_ids(a, b):
    return id(a.untyped_storage().tolist()) == id(b.untyped_storage().tolist())


def w7_sizes(a, b):
    return a.untyped_storage().nbytes() == b.untyped_storage().nbytes()


def w7_offsets(a, b):
    return a.storage_offset() == b.storage_offset()


def w7_numpy(a, b):
    return bool(np.shares_memory(a.numpy(), b.numpy()))


def w7_writes(a, b):
    before = b.clone()
    old = a.flatten()[0].clone()
    a.view(-1)[0] = old + 1
    changed = not torch.equal(b, before)
    a.view(-1)[0] = old
    return changed


def w7_always(a, b):
    return True


def w7_never(a, b):
    return False


def w7_contiguous(a, b):
    return a.is_contiguous() and b.is_contiguous()


for f in (
    w7_equal,
    w7_view_of,
    w7_both_views,
    w7_ids,
    w7_storage_ids,
    w7_sizes,
    w7_offsets,
    w7_numpy,
    w7_writes,
):
    one("W7", "shares_storage", f)
for f in (w7_always, w7_never, w7_contiguous):
    one("W7", "shares_storage", f)

# ---- W8: slope(f, x) -------------------------------------------------------------------------------------


def w8_grad_before_backward(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    g = p.grad
    f(p).backward()
    return g.item()


def w8_forward_difference(f, x):
    return (f(torch.tensor(x + 1e-4)) - f(torch.tensor(float(x)))).item() / 1e-4


def w8_detached(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    f(p.detach()).backward()
    return p.grad.item()


def w8_of_the_number(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    f(torch.tensor(float(x))).backward()
    return p.grad.item()


def w8_returns_value_tensor(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    y = f(p)
    y.backward()
    return y


shared = torch.tensor(0.0, requires_grad=True)


def w8_adds_up(f, x):
    shared.data.fill_(float(x))
    f(shared).backward()
    return shared.grad.item()


def w8_twice(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    f(p).backward()
    f(p).backward()
    return p.grad.item()


def w8_no_grad(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    with torch.no_grad():
        y = f(p)
    y.backward()
    return p.grad.item()


def w8_requires_grad_afterwards(f, x):
    p = torch.tensor(float(x))
    y = f(p)
    p.requires_grad_()
    y.backward()
    return p.grad.item()


def w8_item_first(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    f(p).item().backward()
    return p.grad.item()


def w8_relative(f, x):
    p = torch.tensor(float(x), requires_grad=True)
    f(p).backward()
    return (p.grad * p).item()


def w8_truncates(f, x):
    p = torch.tensor(float(int(x)), requires_grad=True)
    f(p).backward()
    return p.grad.item()


for g in (
    w8_grad_before_backward,
    w8_forward_difference,
    w8_detached,
    w8_of_the_number,
    w8_returns_value_tensor,
):
    one("W8", "slope", g)
for g in (
    w8_adds_up,
    w8_twice,
    w8_no_grad,
    w8_requires_grad_afterwards,
    w8_item_first,
    w8_relative,
    w8_truncates,
):
    one("W8", "slope", g)
