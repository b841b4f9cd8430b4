"""Wrong answers to E2, as strangers might write them."""

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

wrong = Answers()


def two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def sound(g, x, w, stride=1, padding=0, dilation=1):
    how = {"stride": two(stride), "padding": two(padding), "dilation": two(dilation)}
    patches = F.unfold(x, w.shape[2:], **how)
    gw = torch.einsum("nol,npl->op", g.flatten(2), patches).reshape(w.shape)
    gx = F.fold(torch.einsum("op,nol->npl", w.flatten(1), g.flatten(2)), x.shape[2:], w.shape[2:], **how)
    return gx, gw, g.sum((0, 2, 3))


def after(change):
    """Spoil the three gradients."""

    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        return change(*sound(g, x, w, stride, padding, dilation), g, x, w)

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def returns_two():
    return after(lambda gx, gw, gb, g, x, w: (gx, gw))


@wrong("E2")
def returns_a_list():
    return after(lambda gx, gw, gb, g, x, w: [gx, gw, gb])


@wrong("E2")
def weights_first():
    return after(lambda gx, gw, gb, g, x, w: (gw, gx, gb))


@wrong("E2")
def bias_over_images_only():
    return after(lambda gx, gw, gb, g, x, w: (gx, gw, g.sum(0)))


@wrong("E2")
def bias_as_one_number():
    return after(lambda gx, gw, gb, g, x, w: (gx, gw, g.sum()))


@wrong("E2")
def weights_averaged():
    return after(lambda gx, gw, gb, g, x, w: (gx, gw / len(x), gb))


@wrong("E2")
def weights_transposed():
    return after(lambda gx, gw, gb, g, x, w: (gx, gw.transpose(0, 1), gb))


@wrong("E2")
def weights_for_each_image():
    def change(gx, gw, gb, g, x, w):
        return gx, torch.stack([gw] * len(x)), gb

    return after(change)


@wrong("E2")
def halves_the_images():
    return after(lambda gx, gw, gb, g, x, w: (gx / 2, gw, gb))


@wrong("E2")
def opposite_sign():
    return after(lambda gx, gw, gb, g, x, w: (-gx, -gw, gb))


@wrong("E2")
def in_single_precision():
    return after(lambda gx, gw, gb, g, x, w: (gx.float(), gw.float(), gb.float()))


@wrong("E2")
def without_dilation():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        if two(dilation) != (1, 1):
            d = two(dilation)
            tight = sound(g, x[:, :, : x.shape[2] - (d[0] - 1) * (w.shape[2] - 1),
                               : x.shape[3] - (d[1] - 1) * (w.shape[3] - 1)], w, stride, padding)  # fmt: skip
            gx = torch.zeros_like(x)
            gx[:, :, : tight[0].shape[2], : tight[0].shape[3]] = tight[0]
            return gx, tight[1], tight[2]
        return sound(g, x, w, stride, padding)

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def padding_cut_on_one_side():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        p = two(padding)
        padded = F.pad(x, (p[1], p[1], p[0], p[0]))
        gx, gw, gb = sound(g, padded, w, stride, 0, dilation)
        return gx[:, :, : x.shape[2], : x.shape[3]], gw, gb

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def unpadded_for_the_weights():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        gx, gw, gb = sound(g, x, w, stride, padding, dilation)
        p = two(padding)
        if max(p):
            gw = torch.zeros_like(w)
            for u in range(w.shape[2]):
                for v in range(w.shape[3]):
                    piece = x[:, :, u : u + g.shape[2], v : v + g.shape[3]]
                    part = g[:, :, : piece.shape[2], : piece.shape[3]]
                    gw[:, :, u, v] = torch.einsum("nohw,nchw->oc", part, piece)
        return gx, gw, gb

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def a_view_of_g():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        g.view(g.shape[0], g.shape[1], -1)
        return sound(g, x, w, stride, padding, dilation)

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def scales_g_in_place():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        g *= 1.5
        return sound(g / 1.5, x, w, stride, padding, dilation)

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def the_built_in_transpose():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        gx = F.conv_transpose2d(g, w, stride=stride, padding=padding, dilation=dilation)
        return gx, sound(g, x, w, stride, padding, dilation)[1], g.sum((0, 2, 3))

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def torch_nn_grad():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        how = {"stride": stride, "padding": padding, "dilation": dilation}
        gx = torch.nn.grad.conv2d_input(x.shape, w, g, **how)
        return gx, torch.nn.grad.conv2d_weight(x, w.shape, g, **how), g.sum((0, 2, 3))

    return {"conv2d_backward": conv2d_backward}


def pool(choose):
    """`choose(patches [·, k·k, L])` gives the weights with which g is handed on."""

    def max_pool2d_backward(g, x, k, stride):
        N, C, H, W = x.shape
        patches = F.unfold(x.reshape(N * C, 1, H, W), k, stride=stride)
        sent = choose(patches) * g.reshape(N * C, 1, -1)
        return F.fold(sent, (H, W), k, stride=stride).reshape(x.shape)

    return {"max_pool2d_backward": max_pool2d_backward}


def one_hot(where, like):
    return torch.zeros_like(like).scatter(1, where, 1.0)


@wrong("E2")
def all_ties_get_all():
    return pool(lambda p: (p == p.amax(1, keepdim=True)).to(p.dtype))


@wrong("E2")
def the_last_of_the_ties():
    def choose(p):
        last = p.shape[1] - 1 - p.flip(1).argmax(1, keepdim=True)
        return one_hot(last, p)

    return pool(choose)


@wrong("E2")
def the_smallest():
    return pool(lambda p: one_hot(p.argmin(1, keepdim=True), p))


@wrong("E2")
def ones_for_g():
    def max_pool2d_backward(g, x, k, stride):
        return pool(lambda p: one_hot(p.argmax(1, keepdim=True), p))["max_pool2d_backward"](
            torch.ones_like(g), x, k, stride
        )

    return {"max_pool2d_backward": max_pool2d_backward}


@wrong("E2")
def only_positive_winners():
    return pool(lambda p: one_hot(p.argmax(1, keepdim=True), p) * (p > 0))


@wrong("E2")
def unpools():
    def max_pool2d_backward(g, x, k, stride):
        _, where = F.max_pool2d(x, k, stride, return_indices=True)
        return F.max_unpool2d(g, where, k, stride, output_size=x.shape)

    return {"max_pool2d_backward": max_pool2d_backward}


@wrong("E2")
def compares_with_the_enlarged_maximum():
    def max_pool2d_backward(g, x, k, stride):
        largest = F.max_pool2d(x, k, stride)
        wide = largest.repeat_interleave(k, 2).repeat_interleave(k, 3)[:, :, : x.shape[2], : x.shape[3]]
        gs = g.repeat_interleave(k, 2).repeat_interleave(k, 3)[:, :, : x.shape[2], : x.shape[3]]
        room = (0, x.shape[3] - wide.shape[3], 0, x.shape[2] - wide.shape[2])
        wide, gs = F.pad(wide, room, value=float("inf")), F.pad(gs, room)
        return torch.where(x == wide, gs, 0.0)

    return {"max_pool2d_backward": max_pool2d_backward}


@wrong("E2")
def one_winner_for_all_channels():
    def max_pool2d_backward(g, x, k, stride):
        N, C, H, W = x.shape
        summed = F.unfold(x.sum(1, keepdim=True), k, stride=stride)
        hot = one_hot(summed.argmax(1, keepdim=True), summed)
        sent = torch.cat([hot * g[:, c].reshape(N, 1, -1) for c in range(C)], dim=1)
        return F.fold(sent, (H, W), k, stride=stride)

    return {"max_pool2d_backward": max_pool2d_backward}


@wrong("E2")
def negative_image_gradient():
    return after(lambda gx, gw, gb, *_given: (-gx, gw, gb))


@wrong("E2")
def steps_instead_of_gradients():
    return after(lambda gx, gw, gb, *_given: (0.01 * gx, 0.01 * gw, 0.01 * gb))


@wrong("E2")
def drops_axes_of_size_one():
    return after(lambda gx, gw, gb, *_given: (gx.squeeze(), gw, gb))


@wrong("E2")
def crops_nothing_to_nothing():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        (ph, pw), wide = two(padding), F.pad(x, two(padding)[1:] * 2 + two(padding)[:1] * 2)
        gx, gw, gb = sound(g, wide, w, stride, 0, dilation)
        return gx[:, :, ph:-ph, pw:-pw], gw, gb

    return {"conv2d_backward": conv2d_backward}


@wrong("E2")
def shares_by_a_softmax():
    return pool(lambda patches: patches.softmax(1))


@wrong("E2")
def the_largest_without_its_sign():
    return pool(lambda patches: one_hot(patches.abs().argmax(1, keepdim=True), patches))


@wrong("E2")
def steps_of_k():
    def max_pool2d_backward(g, x, k, stride):
        Ho, Wo = (x.shape[2] - k) // k + 1, (x.shape[3] - k) // k + 1
        g = F.pad(g, (0, max(0, Wo - g.shape[3]), 0, max(0, Ho - g.shape[2])))[:, :, :Ho, :Wo]
        whole = pool(lambda patches: one_hot(patches.argmax(1, keepdim=True), patches))
        return whole["max_pool2d_backward"](g, x, k, k)

    return {"max_pool2d_backward": max_pool2d_backward}
