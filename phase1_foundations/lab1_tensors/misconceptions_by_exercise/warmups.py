"""Wrong answers to W1 … W8."""

import torch

from courseware.check import misconception

# ---- W1 ----------------------------------------------------------------------------------------------


@misconception("W1", diagnosis="end-left-out")
def a_gap_for_each_mark():
    def number_line(start, stop, count):
        return start + torch.arange(count) * (stop - start) / count

    return {"number_line": number_line}


@misconception("W1", diagnosis="one-mark-too-many")
def count_means_gaps():
    def number_line(start, stop, count):
        return torch.linspace(start, stop, count + 1)

    return {"number_line": number_line}


@misconception("W1", diagnosis="count-as-step")
def arange_with_three_arguments():
    def number_line(start, stop, count):
        return torch.arange(start, stop, count).float()

    return {"number_line": number_line}


@misconception("W1", diagnosis="other-dtype")
def whole_numbers_stay_whole():
    def number_line(start, stop, count):
        return torch.tensor([start + (stop - start) * i / (count - 1) for i in range(count)]).double()

    return {"number_line": number_line}


@misconception("W1", diagnosis="begins-at-zero")
def start_is_forgotten():
    def number_line(start, stop, count):
        return torch.arange(count) * (stop - start) / (count - 1)

    return {"number_line": number_line}


# ---- W2 ----------------------------------------------------------------------------------------------


@misconception("W2", diagnosis="fractions-lost")
def divides_whole_numbers():
    def to_images(raw, height, width):
        return (raw // 255).reshape(-1, height, width).float()

    return {"to_images": to_images}


@misconception("W2", diagnosis="scaled-by-the-brightest")
def scales_by_what_is_there():
    def to_images(raw, height, width):
        return raw.reshape(-1, height, width).float() / raw.max()

    return {"to_images": to_images}


@misconception("W2", diagnosis="not-scaled")
def converts_only():
    def to_images(raw, height, width):
        return raw.reshape(-1, height, width).float()

    return {"to_images": to_images}


@misconception("W2", diagnosis="images-not-first")
def images_last():
    def to_images(raw, height, width):
        return raw.reshape(height, width, -1) / 255

    return {"to_images": to_images}


@misconception("W2", diagnosis="pixels-in-another-order")
def columns_first():
    def to_images(raw, height, width):
        return raw.reshape(-1, width, height).transpose(1, 2) / 255

    return {"to_images": to_images}


# ---- W3 ----------------------------------------------------------------------------------------------


@misconception("W3", diagnosis="end-instead-of-size")
def slice_to_the_size():
    def crop(image, top, left, height, width):
        return image[top:height, left:width]

    return {"crop": crop}


@misconception("W3", diagnosis="one-row-too-many")
def end_included():
    def crop(image, top, left, height, width):
        return image[top : top + height + 1, left : left + width + 1]

    return {"crop": crop}


@misconception("W3", diagnosis="rows-and-columns-swapped")
def x_before_y():
    def crop(image, top, left, height, width):
        return image[left : left + width, top : top + height]

    return {"crop": crop}


@misconception("W3", diagnosis="changes-its-input")
def writes_into_the_image():
    def keep_bright(image, threshold):
        image[image < threshold] = 0
        return image

    return {"keep_bright": keep_bright}


@misconception("W3", diagnosis="flattened-by-a-mask")
def picks_the_bright_ones_out():
    def keep_bright(image, threshold):
        return image[image >= threshold]

    return {"keep_bright": keep_bright}


@misconception("W3", diagnosis="threshold-itself-is-dropped")
def strictly_brighter():
    def keep_bright(image, threshold):
        return torch.where(image > threshold, image, 0)

    return {"keep_bright": keep_bright}


# ---- W4 ----------------------------------------------------------------------------------------------


@misconception("W4", diagnosis="columns-instead-of-rows")
def sums_down_the_rows():
    def row_shares(table):
        return table / table.sum(dim=0)

    return {"row_shares": row_shares}


@misconception("W4", diagnosis="square-tables-only")
def forgets_keepdim():
    def row_shares(table):
        return table / table.sum(dim=1)

    return {"row_shares": row_shares}


@misconception("W4", diagnosis="one-sum-for-all")
def one_total():
    def row_shares(table):
        return table / table.sum()

    return {"row_shares": row_shares}


@misconception("W4", diagnosis="softmax")
def takes_a_softmax():
    def row_shares(table):
        return torch.softmax(table, dim=1)

    return {"row_shares": row_shares}


# ---- W5 ----------------------------------------------------------------------------------------------


@misconception("W5", diagnosis="aligned-at-the-left")
def lines_up_at_the_left():
    def broadcast_shape(a, b):
        axes = max(len(a), len(b))
        a, b = a + (1,) * (axes - len(a)), b + (1,) * (axes - len(b))
        if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
            raise ValueError("no common shape")
        return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))

    return {"broadcast_shape": broadcast_shape}


@misconception("W5", diagnosis="larger-size-wins")
def takes_the_larger_size():
    def broadcast_shape(a, b):
        axes = max(len(a), len(b))
        a, b = (1,) * (axes - len(a)) + a, (1,) * (axes - len(b)) + b
        return tuple(max(m, n) for m, n in zip(a, b, strict=True))

    return {"broadcast_shape": broadcast_shape}


@misconception("W5", diagnosis="zero-against-one")
def larger_after_a_check():
    def broadcast_shape(a, b):
        axes = max(len(a), len(b))
        a, b = (1,) * (axes - len(a)) + a, (1,) * (axes - len(b)) + b
        if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
            raise ValueError("no common shape")
        return tuple(max(m, n) for m, n in zip(a, b, strict=True))

    return {"broadcast_shape": broadcast_shape}


@misconception("W5", diagnosis="short-shape-cuts-the-long-one")
def stops_at_the_shorter():
    def broadcast_shape(a, b):
        sizes = []
        for m, n in zip(reversed(a), reversed(b), strict=False):
            if m != n and 1 not in (m, n):
                raise ValueError("no common shape")
            sizes.insert(0, n if m == 1 else m)
        return tuple(sizes)

    return {"broadcast_shape": broadcast_shape}


# ---- W6 ----------------------------------------------------------------------------------------------


@misconception("W6", diagnosis="not-transposed")
def plain_product():
    def similarity(a, b):
        return a @ b

    return {"similarity": similarity}


@misconception("W6", diagnosis="element-by-element")
def multiplies_elements():
    def similarity(a, b):
        return (a * b).sum(dim=-1)

    return {"similarity": similarity}


@misconception("W6", diagnosis="mixes-the-pairs")
def two_letters_for_one_axis():
    def similarity(a, b):
        return torch.einsum("nid,mjd->nij", a, b)

    return {"similarity": similarity}


@misconception("W6", diagnosis="transposed-result")
def the_other_way_round():
    def similarity(a, b):
        return torch.einsum("nid,njd->nji", a, b)

    return {"similarity": similarity}


# ---- W7 ----------------------------------------------------------------------------------------------


@misconception("W7", diagnosis="compares-values")
def equal_numbers():
    def shares_storage(a, b):
        return torch.equal(a.flatten()[:1], b.flatten()[:1])

    return {"shares_storage": shares_storage}


@misconception("W7", diagnosis="compares-names")
def same_object():
    def shares_storage(a, b):
        return a is b

    return {"shares_storage": shares_storage}


@misconception("W7", diagnosis="compares-the-first-element")
def same_first_address():
    def shares_storage(a, b):
        return a.data_ptr() == b.data_ptr()

    return {"shares_storage": shares_storage}


@misconception("W7", diagnosis="needs-a-common-element")
def overlapping_memory():
    def shares_storage(a, b):
        def span(x):
            last = sum((n - 1) * s for n, s in zip(x.shape, x.stride(), strict=True))
            return x.data_ptr(), x.data_ptr() + last * x.element_size()

        (begin, end), (other_begin, other_end) = span(a), span(b)
        return begin <= other_end and other_begin <= end

    return {"shares_storage": shares_storage}


# ---- W8 ----------------------------------------------------------------------------------------------


@misconception("W8", diagnosis="nothing-requires-a-gradient")
def forgets_to_ask():
    def slope(f, x):
        point = torch.tensor(float(x))
        f(point).backward()
        return point.grad.item()

    return {"slope": slope}


@misconception("W8", diagnosis="returns-the-value")
def returns_f_of_x():
    def slope(f, x):
        point = torch.tensor(float(x), requires_grad=True)
        y = f(point)
        y.backward()
        return y.item()

    return {"slope": slope}


@misconception("W8", diagnosis="gradient-of-the-result")
def looks_at_the_result():
    def slope(f, x):
        point = torch.tensor(float(x), requires_grad=True)
        y = f(point)
        y.backward()
        return y.grad.item()

    return {"slope": slope}


@misconception("W8", diagnosis="whole-number-input")
def keeps_the_whole_number():
    def slope(f, x):
        point = torch.tensor(x, requires_grad=True)
        f(point).backward()
        return point.grad.item()

    return {"slope": slope}


@misconception("W8", diagnosis="finite-differences")
def rise_over_run():
    def slope(f, x):
        h = 1e-3
        return ((f(torch.tensor(x + h)) - f(torch.tensor(x - h))) / (2 * h)).item()

    return {"slope": slope}


@misconception("W8", diagnosis="a-tensor-instead-of-a-float")
def returns_the_tensor():
    def slope(f, x):
        point = torch.tensor(float(x), requires_grad=True)
        f(point).backward()
        return point.grad

    return {"slope": slope}


@misconception("W8", diagnosis="returns-nothing")
def returns_what_backward_returns():
    def slope(f, x):
        point = torch.tensor(float(x), requires_grad=True)
        return f(point).backward()

    return {"slope": slope}
