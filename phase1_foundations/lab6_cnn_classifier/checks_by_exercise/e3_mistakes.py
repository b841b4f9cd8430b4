"""The known mistakes of Layer, receptive_field and cheapest_stack."""

from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_oracle import (
    fewest_weights,
    field_of,
    measured_field,
    problem_of_stack,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text

probe = Probes()


@probe("extent-is-wrong")
def extent(a: Any, t: Trial) -> str | None:
    for k, d in ((3, 1), (3, 2), (1, 4), (2, 3)):
        attempt = t.tried(lambda k=k, d=d: a.Layer(k, d=d).extent)
        right = d * (k - 1) + 1
        if attempt.error is not None:
            return f"Layer({k}, d={d}).extent ends in {error_text(attempt.error)}"
        if callable(attempt.value):
            return (
                "`extent` is a method in your class, asked for is a property: keep the `@property` above it"
            )
        if attempt.value != right:
            return (
                f"a window of {k} with dilation {d} touches pixels "
                f"{', '.join(str(d * u) for u in range(k))}: it reaches over {right}, your extent is "
                f"{attempt.value}"
            )
    return None


@probe("no-layers")
def no_layers(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.receptive_field([]))
    if attempt.error is not None:
        return f"no layers end in {error_text(attempt.error)}: the field is the pixel itself, (1, 1, 0.0)"
    if tuple(attempt.value) != (1, 1, 0.0):
        return f"without layers an output is a pixel: (1, 1, 0.0), you gave {attempt.value}"
    return None


@probe("results-in-another-order")
def order(a: Any, t: Trial) -> str | None:
    own = tuple(a.receptive_field([a.Layer(3, 2), a.Layer(3), a.Layer(1, 3)]))  # (7, 6, 3.0)
    if sorted(own) == [3.0, 6, 7] and own != (7, 6, 3.0):
        return f"the three numbers are right, in another order: {own}, asked for is (rf, jump, centre)"
    return None


@probe("a-layer-is-left-out")
def left_out(a: Any, t: Trial) -> str | None:
    layers = [a.Layer(3, 2), a.Layer(5), a.Layer(2, 3)]
    own = tuple(a.receptive_field(layers))
    for which, rest in (("first", layers[1:]), ("last", layers[:-1])):
        if own == measured_field(rest) != measured_field(layers):
            return (
                f"of three layers the {which} one counts for nothing: you say {own}, as if it were not there"
            )
    return None


@probe("adds-k")
def adds_k(a: Any, t: Trial) -> str | None:
    rf = a.receptive_field([a.Layer(3)])[0]
    if rf == 4:
        return "one 3×3 layer sees 3 pixels, you say 4: it adds k − 1 to the one pixel that was there before"
    rf = a.receptive_field([a.Layer(3), a.Layer(3)])[0]
    if rf in (6, 7, 9):
        return (
            f"two 3×3 layers see 5 pixels, you say {rf}: the second adds k − 1 = 2, since its windows overlap"
        )
    return None


@probe("own-stride-enters-its-growth")
def own_stride(a: Any, t: Trial) -> str | None:
    rf = a.receptive_field([a.Layer(3, 2)])[0]
    if rf in (1, 2):
        return (
            f"one 3×3 layer with stride 2 sees 3 pixels, you say {rf}: its own stride takes nothing from "
            "what it sees"
        )
    if rf == 5:
        return (
            "one 3×3 layer with stride 2 sees 3 pixels, you say 5: a layer's own stride must not enter "
            "its own growth. Update the jump after you have used it"
        )
    return None


@probe("last-layer-first")
def last_first(a: Any, t: Trial) -> str | None:
    layers = [a.Layer(3, 2), a.Layer(5), a.Layer(2, 3)]
    own = a.receptive_field(layers)
    if own[0] == measured_field(layers[::-1])[0] != measured_field(layers)[0]:
        return (
            f"you walk from the last layer to the first: {own[0]} instead of "
            f"{measured_field(layers)[0]}. The list begins at the image"
        )
    return None


@probe("stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    rf, jump, _ = a.receptive_field([a.Layer(3, 2), a.Layer(3)])
    if rf == 5:
        return (
            "3×3 with stride 2, then 3×3: the second layer's windows begin 2 pixels apart, so it adds "
            "2·2 and sees 7 pixels; you say 5"
        )
    if rf == 7 and jump == 1:
        return (
            "the field is right, but the jump is 1: with a stride of 2 neighbouring outputs look 2 "
            "pixels apart"
        )
    return None


@probe("strides-added")
def strides_added(a: Any, t: Trial) -> str | None:
    jump = a.receptive_field([a.Layer(1, 2), a.Layer(1, 3), a.Layer(1, 2)])[1]
    if jump in (7, 8, 5):
        return f"strides 2, 3 and 2 give a jump of 12, you say {jump}: they multiply"
    if jump in (6, 2, 3):
        return (
            f"strides 2, 3 and 2 give a jump of 12, you say {jump}: each layer multiplies it, the last "
            "one too"
        )
    return None


@probe("dilation-ignored")
def dilation_ignored(a: Any, t: Trial) -> str | None:
    rf = a.receptive_field([a.Layer(3), a.Layer(3, d=2)])[0]
    if rf == 5:
        return (
            "3×3, then 3×3 with dilation 2: the second reaches over 5 of its inputs, so 7 pixels; you say 5"
        )
    return None


@probe("dilation-in-the-wrong-place")
def dilation_place(a: Any, t: Trial) -> str | None:
    rf, jump, centre = a.receptive_field([a.Layer(3, d=2)])
    if rf != 5:
        return (
            f"a window of 3 with dilation 2 touches pixels 0, 2 and 4 and sees 5, you say {rf}: d·(k − 1) + 1"
        )
    if jump != 1:
        return f"one layer with stride 1 and dilation 2 has jump 1, you say {jump}: dilation moves no output"
    if centre == 1:
        return (
            "a window of 3 with dilation 2 touches 0, 2 and 4: its centre is 2.0, you say 1 (extent, not k)"
        )
    return None


@probe("padding-widens-the-field")
def padding_widens(a: Any, t: Trial) -> str | None:
    for p in (1, 2):
        rf = a.receptive_field([a.Layer(5, p=p)])[0]
        if rf != 5:
            return (
                f"one 5×5 layer with padding {p} sees 5 positions, you say {rf}: padding moves the field, "
                "no more"
            )
    return None


@probe("centre-without-padding")
def without_padding(a: Any, t: Trial) -> str | None:
    centre = a.receptive_field([a.Layer(3, p=1)])[2]
    if centre == 1:
        return (
            "3×3 with padding 1: output 0 looks at pixels −1, 0 and 1, so its centre is 0.0; you say 1. "
            "Padding shifts it to the left"
        )
    return None


@probe("padding-shifts-the-other-way")
def other_way(a: Any, t: Trial) -> str | None:
    if a.receptive_field([a.Layer(3)])[2] == 1 and a.receptive_field([a.Layer(3, p=1)])[2] == 2:
        return (
            "3×3 with padding 1: output 0 looks at pixels −1, 0 and 1, so its centre is 0.0; you say 2. "
            "Padding shifts it to the left, not to the right"
        )
    return None


@probe("centre-off-by-half")
def off_by_half(a: Any, t: Trial) -> str | None:
    for k in (3, 2, 1):
        centre = a.receptive_field([a.Layer(k)])[2]
        right = (k - 1) / 2
        if centre != right:
            return (
                f"one layer with k {k} and no padding looks at pixels 0 to {k - 1}: the middle is "
                f"{right}, you say {centre}. (The middle of pixel 0 is 0.0)"
            )
    return None


@probe("centre-shift-not-scaled")
def not_scaled(a: Any, t: Trial) -> str | None:
    layers = [a.Layer(2, 2), a.Layer(2, 2)]
    centre = a.receptive_field(layers)[2]
    if centre != 1.5:
        return (
            "two 2×2 layers with stride 2: output 0 looks at pixels 0 to 3, the middle is 1.5, you say "
            f"{centre}. A step of the second layer is `jump` pixels, in its shift too"
        )
    layers = [a.Layer(1, 2), a.Layer(3, p=1)]
    centre = a.receptive_field(layers)[2]
    if centre != 0:
        return (
            "a 1×1 layer with stride 2, then 3×3 with padding 1: the padding is one step of 2 pixels, "
            f"so the centre is 0.0, you say {centre}"
        )
    return None


@probe("centre-kept-inside")
def kept_inside(a: Any, t: Trial) -> str | None:
    centre = a.receptive_field([a.Layer(3, p=2)])[2]
    if centre != -1:
        return (
            "3×3 with padding 2: output 0 looks at pixels −2, −1 and 0, so its centre is −1.0; you say "
            f"{centre}. It may lie beyond the image"
        )
    return None


@probe("layers-changed")
def layers_changed(a: Any, t: Trial) -> str | None:
    layers = [a.Layer(3, 2, 1), a.Layer(2)]
    before = [(layer.k, layer.s, layer.p, layer.d) for layer in layers]
    a.receptive_field(layers)
    after = [(layer.k, layer.s, layer.p, layer.d) for layer in layers]
    if after != before:
        return f"the layers (k, s, p, d) were {before} before the call and {after} after it: leave them alone"
    return None


@probe("not-whole-numbers")
def not_whole(a: Any, t: Trial) -> str | None:
    own = a.receptive_field([a.Layer(3, 2, 1), a.Layer(2)])
    if len(own) != 3:
        return f"{len(own)} numbers came back, asked for are three: (rf, jump, centre)"
    for name, value in zip(("rf", "jump"), own, strict=False):
        if not isinstance(value, int):
            return f"{name} is {value!r}, a {type(value).__name__}; asked for is an int"
    if not isinstance(own[2], float | int):
        return f"the centre is {own[2]!r}, a {type(own[2]).__name__}; asked for is a float"
    return None


# ---- cheapest_stack -------------------------------------------------------------------------------------


@probe("stack-for-one-pixel")
def for_one_pixel(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.cheapest_stack(1))
    if attempt.error is not None or attempt.value:
        got = error_text(attempt.error) if attempt.error else repr(attempt.value)
        return f"a pixel sees itself without any layer: cheapest_stack(1) is [], you gave {got}"
    return None


@probe("layers-that-are-not-allowed")
def not_allowed(a: Any, t: Trial) -> str | None:
    for target, stride in ((3, 1), (5, 1), (9, 1), (7, 2), (15, 4), (31, 16)):
        problem = problem_of_stack(a.cheapest_stack(target, stride), target, stride)
        if problem and ("not allowed" in problem or "expected `Layer`s" in problem):
            cheat = " A 1×1 layer with stride 2 would be a cheap cheat: it skips three pixels of four."
            return f"cheapest_stack({target}, {stride}): {problem}.{cheat if 'k is 3' in problem else ''}"
    return None


@probe("stride-beyond-the-limit")
def beyond(a: Any, t: Trial) -> str | None:
    for target, stride in ((9, 1), (15, 2), (31, 2), (31, 3), (31, 6)):
        _, jump = field_of(a.cheapest_stack(target, stride))
        if jump > stride:
            return (
                f"cheapest_stack({target}, {stride}): the strides multiply to {jump}. The limit is on "
                "the product of all strides, not on each of them"
            )
    if field_of(a.cheapest_stack(9))[1] > 1:
        return "cheapest_stack(9) uses a stride: `max_stride` is 1 unless the caller says otherwise"
    return None


@probe("field-too-small")
def too_small(a: Any, t: Trial) -> str | None:
    for target in range(2, 12):
        for stride in (1, 4):
            rf, _ = field_of(a.cheapest_stack(target, stride))
            if rf < target:
                return f"cheapest_stack({target}, {stride}) sees {rf} pixels, at least {target} are asked for"
    return None


@probe("large-kernels")
def large_kernels(a: Any, t: Trial) -> str | None:
    stack = a.cheapest_stack(7)
    weights = sum(layer.k**2 for layer in stack)
    if weights > 27 and any(layer.k > 3 for layer in stack):
        return (
            f"for 7 pixels you take kernels {[layer.k for layer in stack]}, Σ k² = {weights}; three 3×3 "
            "layers see 7 pixels for 27"
        )
    return None


@probe("one-layer-too-many")
def too_many(a: Any, t: Trial) -> str | None:
    for target in (5, 7, 9):
        stack = a.cheapest_stack(target)
        rf, _ = field_of(stack)
        if rf == target + 2 and all(layer.k == 3 and layer.s == 1 for layer in stack):
            return (
                f"cheapest_stack({target}) has {len(stack)} layers and sees {rf} pixels; {len(stack) - 1} "
                f"already see {target}, and “at least” is satisfied by that"
            )
    return None


@probe("strides-unused-or-late")
def late(a: Any, t: Trial) -> str | None:
    for target, stride in ((15, 2), (15, 4), (31, 8)):
        stack = a.cheapest_stack(target, stride)
        weights, fewest = sum(layer.k**2 for layer in stack), fewest_weights(target, stride)
        if weights > fewest and all(layer.k == 3 for layer in stack):
            strides = [layer.s for layer in stack]
            return (
                f"cheapest_stack({target}, {stride}) has {len(stack)} layers with strides {strides}; "
                f"{fewest // 9} are enough. A stride makes all *later* layers grow faster: use it as early "
                "as you may"
            )
    return None
