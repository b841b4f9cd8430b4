"""W5 to W8: broadcasting, products, views, one backward pass."""

import math

import torch
from torch import Tensor

from courseware.check import Exercise, forbid
from courseware.check.compare import same
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

# ---- W5 ----------------------------------------------------------------------------------------------

w5 = Exercise(
    "W5",
    takes={"broadcast_shape": tuple},
    forbids=forbid(
        "broadcast_tensors",
        "broadcast_to",
        "expand",
        *("empty", "zeros", "ones", "full", "rand", "randn", "tensor"),
        python=("torch.functional.broadcast_shapes", "numpy.broadcast_shapes"),
        why="torch would apply the rule for you. Compare the sizes in the two tuples yourself",
    ),
    hints=(
        "Give the shorter shape 1s in front until both are equally long. Then every pair of sizes is a "
        "small question of its own.",
        "For sizes m and n: equal → m; m is 1 → n; n is 1 → m; anything else → ValueError.",
        "`a = (1,) * (len(b) - len(a)) + a` (and the same for b; a negative count gives nothing), then a "
        "loop over `zip(a, b)` that appends to a list; return `tuple(…)` of it.",
    ),
)


@w5.probe("larger-size-wins")
def larger_wins(a, t):
    if t.attempt(lambda: a.broadcast_shape((2,), (3,))).value == (3,):
        return "(2,) with (3,) gave (3,), it should raise ValueError: only a size of 1 stretches"


@w5.probe("aligned-at-the-left")
def aligned_left(a, t):
    if t.attempt(lambda: a.broadcast_shape((4,), (4, 3))).value is not None:
        return (
            "broadcast_shape((4,), (4, 3)) should raise ValueError: shapes line up at the *right*, so 4 "
            f"meets 3. You compared them from the left and returned {a.broadcast_shape((4,), (4, 3))}"
        )


@w5.probe("short-shape-cuts-the-long-one")
def cut(a, t):
    result = a.broadcast_shape((2, 3), (3,))
    if len(result) == 1:
        return (
            f"(2, 3) with (3,) gave {result}: `zip` stops at the shorter one. A missing axis counts as size 1"
        )


@w5.probe("only-one-side-stretches")
def one_side(a, t):
    left = t.attempt(lambda: a.broadcast_shape((2, 3), (2, 1)))
    right = t.attempt(lambda: a.broadcast_shape((2, 1), (2, 3)))
    if (left.error is None) != (right.error is None):
        worse = "(2, 3) with (2, 1)" if left.error else "(2, 1) with (2, 3)"
        return f"{worse} raised an error, the other way round it works: a size of 1 stretches on either side"


@w5.probe("only-one-side-is-filled-up")
def one_side_filled(a, t):
    left = t.attempt(lambda: a.broadcast_shape((2, 3), (3,)))
    right = t.attempt(lambda: a.broadcast_shape((3,), (2, 3)))
    if (left.error is None) != (right.error is None):
        worse = "(2, 3) with (3,)" if left.error else "(3,) with (2, 3)"
        return f"{worse} raised an error, the other way round it works: either shape may be the shorter one"


@w5.probe("reversed")
def reversed_shape(a, t):
    if a.broadcast_shape((2, 3, 4), (3, 4)) == (4, 3, 2):
        return "(2, 3, 4) with (3, 4) gave (4, 3, 2): the sizes are right, their order is reversed"


@w5.probe("size-one-wins")
def one_wins(a, t):
    if a.broadcast_shape((2, 3), (2, 1)) == (2, 1):
        return "(2, 3) with (2, 1) gave (2, 1), expected (2, 3): the size of 1 stretches, the other one stays"


@w5.probe("lengths-must-agree")
def lengths(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2, 3), (3,)))
    if attempt.raised(ValueError, IndexError, AssertionError, TypeError):
        return (
            f"(2, 3) with (3,) raised {type(attempt.error).__name__}, but they broadcast to (2, 3): the "
            "shapes may have different lengths, a missing axis counts as size 1"
        )


@w5.probe("only-missing-axes-stretch")
def ones_do_not_stretch(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((8, 1), (1, 6)))
    if attempt.raised(ValueError, AssertionError):
        return (
            "(8, 1) with (1, 6) raised an error, but they broadcast to (8, 6): a size of 1 stretches, on "
            "either side"
        )


@w5.probe("zero-against-one")
def zero_against_one(a, t):
    if t.attempt(lambda: a.broadcast_shape((1,), (0,))).value == (1,):
        return (
            "(1,) with (0,) gave (1,), expected (0,): a size of 1 takes the *other* size, which is not "
            "always larger"
        )


@w5.probe("zero-against-two")
def zero_against_two(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2,), (0,)))
    if attempt.error is None:
        return (
            f"(2,) with (0,) gave {attempt.value}, it should raise ValueError: 0 is a size like any other, "
            "only 1 stretches"
        )


@w5.probe("other-exception")
def other_exception(a, t):
    attempt = t.tried(lambda: a.raw("broadcast_shape")((2,), (3,)))
    if attempt.raised(TypeError, IndexError, RuntimeError, AssertionError):
        return (
            f"(2,) with (3,) raised {type(attempt.error).__name__}; asked for is ValueError: "
            '`raise ValueError("…")` where two sizes do not fit'
        )


@w5.probe("no-error-at-all")
def no_error(a, t):
    attempt = t.attempt(lambda: a.raw("broadcast_shape")((2,), (3,)))
    if attempt.error is None and t.attempt(lambda: a.broadcast_shape((2,), (2,))).value == (2,):
        return (
            f"(2,) with (3,) gave {attempt.value}, it should raise ValueError: sizes that differ need a 1 "
            "among them"
        )


@w5.probe("only-the-last-axis")
def only_last_axis(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2, 3), (4, 3)))
    if attempt.value is not None and t.attempt(lambda: a.broadcast_shape((2,), (3,))).error:
        return (
            f"(2, 3) with (4, 3) gave {attempt.value}, it should raise ValueError: the last sizes agree, and "
            "before them 2 meets 4. Every axis has to fit"
        )


@w5.property("shapes that broadcast")
def broadcast(a, t):
    for case in range(60):
        big = [t.random.randint(0, 4) for _ in range(case // 15)]
        pair = []
        for _ in range(2):
            axes = t.random.randint(0, len(big))
            pair.append(tuple(t.random.choice([size, size, 1]) for size in big[len(big) - axes :]))
        with t.oracle():
            expected = tuple(torch.broadcast_shapes(*pair))
        t.equal(tuple(a.broadcast_shape(*pair)), expected, f"{pair[0]} with {pair[1]}")


@w5.property("ValueError for shapes that do not")
def refuses(a, t):
    inner = (((2, 3), (4, 3)), ((2, 1, 3), (4, 5, 1)), ((6, 2, 3), (5, 1)), ((3, 0, 2), (2, 2)))
    last = (((2,), (3,)), ((2, 3), (2,)), ((4,), (2, 2)), ((2, 1, 3), (4, 2)), ((0,), (2,)))
    for left, right in inner + last:
        for pair in ((left, right), (right, left)):
            t.raises(ValueError, lambda pair=pair: a.broadcast_shape(*pair), f"{pair[0]} with {pair[1]}")


w5.reward(pictures.stretching)

# ---- W6 ----------------------------------------------------------------------------------------------

w6 = Exercise(
    "W6",
    takes={"similarity": Tensor},
    hints=(
        "Write down one entry of the result. Which index occurs in both inputs and not in the result? "
        "That one is summed over.",
        "result[n, i, j] = Σ_d a[n, i, d] · b[n, j, d]. The letter n stands in all three: pairs stay apart.",
        '`torch.einsum("nid,njd->nij", a, b)`, or `a @ b` with the last two axes of `b` exchanged.',
    ),
)


def dot_products(left: Tensor, right: Tensor) -> Tensor:
    return (left[:, :, None, :] * right[:, None, :, :]).sum(-1)


@w6.probe("not-transposed")
def not_transposed(a, t):
    left, right = t.randn(2, 3, 3), t.randn(2, 3, 3)
    if same(a.similarity(left, right), left @ right):
        return (
            "you computed `a @ b`, which sums over the *rows* of b; dot products sum over the last axis "
            "of both. On square inputs nothing complains; otherwise torch does. Exchange the last two "
            "axes of b: `b.mT`"
        )


@w6.probe("transposed-result")
def transposed_result(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    if same(a.similarity(left, right), dot_products(right, left)):
        return (
            "your result has shape [B, S, T], it should have [B, T, S]: first the vectors of `a`, then "
            "those of `b`"
        )


@w6.probe("element-by-element")
def element_by_element(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 3, 4)
    result = a.similarity(left, right)
    if same(result, left * right) or same(result, (left * right).sum(-1)):
        return (
            f"your result has shape {tuple(result.shape)}: `*` pairs vector i with vector i only. Every "
            "vector of `a` meets every vector of `b`, which gives shape (2, 3, 3)"
        )


@w6.probe("mixes-the-pairs")
def mixes(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result = a.similarity(left, right)
    everything = torch.einsum("nid,mjd->nij", left, right)
    if same(result, everything) or same(result, torch.einsum("nid,mjd->mij", left, right)):
        return (
            "entry [0, …] of your result contains vectors of pair 1: give the leading axis the same "
            "letter in both inputs, otherwise it is summed over"
        )


@w6.probe("sums-too-much")
def sums_too_much(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result, full = a.similarity(left, right), dot_products(left, right)
    if any(same(result, full.sum(dim)) for dim in (0, 1, 2, (0, 1), (1, 2), (0, 1, 2))):
        return (
            f"your result has shape {tuple(result.shape)}, expected (2, 3, 5): a letter that is missing on "
            "the right of the arrow is summed over. Only the letter of the length D may be missing"
        )


@w6.probe("products-not-summed")
def not_summed(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.shape == (2, 3, 5, 4):
        return (
            "your result has shape (2, 3, 5, 4): all products are there, but nothing was added up. A dot "
            "product is their sum over the last axis"
        )


@w6.probe("every-pair-with-every-pair")
def all_pairs(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.dim() == 4:
        return (
            f"your result has shape {tuple(result.shape)}: list 0 of `a` was compared with list 1 of `b` "
            "too. The leading axis is the same one in both: give it the same letter"
        )


@w6.probe("scaled")
def scaled(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result = a.similarity(left, right)
    if same(result, dot_products(left, right) / 4):
        return "you took the mean over the last axis: a dot product is the *sum* of the products"
    if same(result, dot_products(left, right).relu()):
        return "your result has no negative numbers: dot products may be negative, leave them as they are"
    if result.dtype != left.dtype and same(result, dot_products(left, right), dtype=False, atol=1e-5):
        return f"{left.dtype} vectors gave a {result.dtype} result: keep the dtype of the inputs"
    if same(result, dot_products(left, right) / 2):
        return (
            "you divided by √D, as attention will do later; here the dot products are asked for as they are"
        )
    unit = dot_products(left / left.norm(dim=-1, keepdim=True), right / right.norm(dim=-1, keepdim=True))
    if same(result, unit):
        return (
            "you normalised the vectors first, which gives cosines; here the dot products are asked for "
            "as they are"
        )
    if same(result, dot_products(left, right).softmax(-1)):
        return (
            "you took a softmax, as attention will do later; here the dot products are asked for as they are"
        )


@w6.probe("only-the-first-pair")
def first_pair(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.shape in ((1, 3, 5), (3, 5)):
        return (
            f"two pairs went in, your result has shape {tuple(result.shape)}: each of the B pairs has its "
            "own table"
        )


@w6.probe("summed-apart")
def summed_apart(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    if same(a.similarity(left, right), left.sum(-1)[:, :, None] * right.sum(-1)[:, None, :]):
        return (
            "you added up the entries of each vector first and multiplied the two sums: give both last "
            "axes the *same* letter, so that entries are multiplied in pairs before they are added up"
        )


@w6.probe("distances")
def distances(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result, gaps = a.similarity(left, right), left[:, :, None] - right[:, None]
    if same(result, gaps.norm(dim=-1)) or same(result, gaps.square().sum(-1)):
        return (
            "you returned distances: the dot product of two vectors is the sum of the products of their "
            "entries"
        )


@w6.probe("shapes-do-not-multiply")
def do_not_multiply(a, t):
    attempt = t.attempt(lambda: a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4)))
    words = str(attempt.error)
    if attempt.raised(RuntimeError) and any(
        part in words for part in ("Expected size", "mat1 and mat2", "must match")
    ):
        return (
            "a [2, 3, 4] and b [2, 5, 4]: the factors do not fit together. In `p @ q` the last axis of p "
            "meets the last but one of q, and the leading axes must be equal: exchange the last two axes "
            "of b, and only those (`b.mT`; `b.T` and other permutations reverse more). Torch says: "
            f"{words.splitlines()[0]}"
        )


@w6.property("every dot product, pair by pair")
def all_dot_products(a, t):
    for b, m, s, d in ((1, 1, 1, 1), (1, 2, 3, 2), (2, 1, 2, 3), (2, 3, 3, 3), (3, 4, 2, 5)):
        left, right = t.randn(b, m, d), t.randn(b, s, d)
        t.equal(a.similarity(left, right), dot_products(left, right))


w6.reward(pictures.digit_similarity)

# ---- W7 ----------------------------------------------------------------------------------------------

w7 = Exercise(
    "W7",
    takes={"shares_storage": bool},
    hints=(
        "Equal numbers prove nothing, and neither do two names. What is one and the same for all views of "
        "a tensor?",
        "Two tensors share their storage exactly if their storages begin at the same address.",
        "`a.untyped_storage().data_ptr()` is that address; compare it with the one of `b`.",
    ),
)


@w7.probe("compares-values")
def compares_values(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x.clone()):
        return (
            "True for `x` and `x.clone()`: their numbers are equal, their memory is not. Compare "
            "addresses, not values"
        )


@w7.probe("compares-names")
def compares_names(a, t):
    x = t.randn(4)
    if not a.shares_storage(x, x[:]) and a.shares_storage(x, x):
        return (
            "False for `x` and `x[:]`: `is` asks for the same Python object, and every view is an object "
            "of its own. Compare the addresses of their storages"
        )


@w7.probe("compares-the-first-element")
def compares_first(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x[:2]) and not a.shares_storage(x, x[1:]):
        return (
            "False for `x` and `x[1:]`: `data_ptr()` of a tensor is the address of its *first element*. "
            "The storage has an address of its own: `x.untyped_storage().data_ptr()`"
        )


@w7.probe("needs-a-common-element")
def needs_common(a, t):
    x = t.randn(6)
    if a.shares_storage(x, x[1:]) and not a.shares_storage(x[:3], x[3:]):
        return (
            "False for `x[:3]` and `x[3:]`: they have no element in common, but both read the storage of "
            "`x`, and the storage is what is asked for"
        )


@w7.probe("asks-for-the-same-view")
def same_view(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x[:]) and not a.shares_storage(x, x[:2]):
        return (
            "False for `x` and `x[:2]`: they differ in shape, but both read the storage of `x`. Shape, "
            "offset and strides say *how* a tensor reads it; compare where the storage begins"
        )
    if a.shares_storage(x, x[1:]) and not a.shares_storage(x, x.detach()):
        return (
            "False for `x` and `x.detach()`: not everything that reads a storage is recorded as a view "
            "(`_base`). Compare the addresses of the storages"
        )


@w7.probe("a-view-of-something")
def is_a_view(a, t):
    x, y = t.randn(4), t.randn(4)
    if a.shares_storage(x[1:], y[1:]):
        return (
            "True for views of two different tensors: being a view is not enough, it must be one of the "
            "same storage"
        )


@w7.probe("false-for-itself")
def false_for_itself(a, t):
    x = t.randn(4)
    if not a.shares_storage(x, x):
        return (
            "False for `x` and `x` itself. `x.untyped_storage()` makes a new Python object when it likes, "
            "and lists of its bytes are always new: compare the addresses that `data_ptr()` gives"
        )


@w7.property("views share")
def views(a, t):
    x = t.randn(4, 6)
    cases = {
        "x and x": (x, x),
        "x and x[1:]": (x, x[1:]),
        "x[:2] and x[2:]": (x[:2], x[2:]),
        "x and x.T": (x, x.T),
        "x[:, ::2] and x[:, 1::2]": (x[:, ::2], x[:, 1::2]),
        "x and x.reshape(24)": (x, x.reshape(24)),
        "x and x[0].expand(3, 6)": (x, x[0].expand(3, 6)),
        "x and x.detach()": (x, x.detach()),
        "x and x.contiguous()": (x, x.contiguous()),
        "x and x.view(torch.int64)": (x, x.view(torch.int64)),
    }
    for name, (left, right) in cases.items():
        t.that(a.shares_storage(left, right), f"{name} share one storage, you say they do not")
        t.that(a.shares_storage(right, left), f"{name} share one storage; you say so only in one order")


@w7.property("copies do not")
def copies(a, t):
    x = t.randn(4, 6)
    cases = {
        "x and x.clone()": x.clone(),
        "x and x.T.contiguous()": x.T.contiguous(),
        "x and x.T.reshape(24)": x.T.reshape(24),
        "x and x + 0": x + 0,
        "x and x[[0, 1]]": x[[0, 1]],
        "x and x[x > -100]": x[x > -100],
        "x and x.float()": x.float(),
        "x and another tensor": t.randn(4, 6),
    }
    for name, other in cases.items():
        t.that(not a.shares_storage(x, other), f"{name} have storages of their own, you say they share one")


w7.reward(pictures.table_of_views)

# ---- W8 ----------------------------------------------------------------------------------------------

w8 = Exercise(
    "W8",
    takes={"slope": None},
    hints=(
        "The derivative ends up in the tensor that you put in, not in the result. So keep a name for the "
        "input.",
        "point = a float tensor that requires a gradient; f(point).backward(); then look at point.grad.",
        "`point = torch.tensor(float(x), requires_grad=True)`, `f(point).backward()`, `return "
        "point.grad.item()`",
    ),
)


def cubic(x: Tensor) -> Tensor:
    return x * x * x - 2 * x


@w8.probe("returns-the-value")
def returns_the_value(a, t):
    if same(a.slope(cubic, 2.0), 4.0, rtol=1e-4):
        return (
            "slope(x³ − 2x, 2) gave 4, which is the *value* there; the derivative, 10, stands in the "
            "input's `.grad`"
        )


@w8.probe("nothing-requires-a-gradient")
def no_requires_grad(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(RuntimeError) and "does not require grad" in str(attempt.error):
        return (
            "nobody asked for a gradient, so torch remembered nothing and `backward()` fails: make the "
            "input with `torch.tensor(float(x), requires_grad=True)`, before `f` is called, and do not "
            "detach it or wrap it again"
        )


@w8.probe("whole-number-input")
def whole_number(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2))
    if attempt.raised(RuntimeError) and "floating point" in str(attempt.error):
        return (
            "`torch.tensor(2)` is a whole number, and only floating point tensors can require a gradient: "
            "write `torch.tensor(float(x), …)`"
        )


@w8.probe("gradient-of-the-result")
def gradient_of_result(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(AttributeError, TypeError) and "NoneType" in str(attempt.error):
        return (
            "you looked for a gradient where there is none: `backward()` itself returns nothing, the "
            "result's `.grad` stays None, and so does the input's before `backward()` ran. Afterwards it "
            "stands in the *input's* `.grad`"
        )


@w8.probe("returns-nothing")
def returns_nothing(a, t):
    if a.raw("slope")(cubic, 2.0) is None:
        return (
            "`slope` returned None: either `return` is missing, or you returned what `backward()` gives, "
            "which is nothing. Return the input's `.grad`, as a float"
        )


@w8.probe("finite-differences")
def finite_differences(a, t):
    points = []

    def watched(x: Tensor) -> Tensor:
        points.append(complex(x.detach().item()))
        return cubic(x)

    a.slope(watched, 2.0)
    if any(point != 2 for point in points):
        return (
            f"`f` was called at {' and '.join(f'{p.real:.6g}' for p in points[:2])}: that is a difference "
            "quotient, exact to a few digits only. Call `f` once, at x, and let `backward()` differentiate"
        )


@w8.probe("a-tensor-instead-of-a-float")
def a_tensor(a, t):
    result = a.slope(cubic, 2.0)
    if isinstance(result, Tensor):
        return f"`slope` returned {result}, a tensor; asked for is a Python float: `.item()` gets it out"


@w8.probe("another-shape-for-f")
def another_shape(a, t):
    shapes = []

    def watched(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return cubic(x)

    t.attempt(lambda: a.slope(watched, 2.0))
    if shapes and shapes[0] != ():
        return (
            f"`f` was called with a tensor of shape {shapes[0]}, it takes a single number of shape (): "
            "`torch.tensor(2.0)`, without the brackets of a list"
        )


@w8.probe("sign-lost")
def sign_lost(a, t):
    if same(a.slope(cubic, 2.0), 10.0, rtol=1e-4) and same(a.slope(cubic, 0.0), 2.0, rtol=1e-4):
        return "slope(x³ − 2x, 0) gave 2, expected −2: where f falls its slope is negative, leave the sign"


@w8.probe("adds-up-from-call-to-call")
def adds_up(a, t):
    first, second = a.slope(cubic, 2.0), a.slope(cubic, 2.0)
    if first != second:
        return (
            f"the same call gave {first:.6g}, then {second:.6g}: `.grad` adds up from one backward to the "
            "next. Make a new input tensor in each call"
        )


@w8.probe("a-float-has-no-backward")
def no_backward(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(AttributeError) and "backward" in str(attempt.error):
        return (
            "`backward` was called on something that has none: `.item()` leaves torch, so call "
            f"`backward()` on the tensor that `f` returned, before `.item()` ({attempt.error})"
        )


@w8.probe("counted-twice")
def counted_twice(a, t):
    if same(a.slope(cubic, 2.0), 20.0, rtol=1e-4):
        return (
            "slope(x³ − 2x, 2) gave 20, twice the derivative: `backward` ran twice, and `.grad` adds up. "
            "Once is enough"
        )


@w8.probe("x-rounded")
def x_rounded(a, t):
    if same(a.slope(cubic, 2.0), 10.0, rtol=1e-4) and same(a.slope(cubic, 2.75), 10.0, rtol=1e-4):
        return (
            "slope at 2.75 is the slope at 2: you rounded x to a whole number. `float(x)` keeps the fraction"
        )


@w8.property("the derivative, as a float")
def derivative(a, t):
    cases = {
        "x³ − 2x": (cubic, lambda x: 3 * x * x - 2),
        "3x": (lambda x: 3 * x, lambda x: 3.0),
        "sin x": (torch.sin, math.cos),
        "exp(−x²)": (lambda x: torch.exp(-x * x), lambda x: -2 * x * math.exp(-x * x)),
        "tanh x": (torch.tanh, lambda x: 1 - math.tanh(x) ** 2),
        "x · x.exp()": (lambda x: x * x.exp(), lambda x: (1 + x) * math.exp(x)),
    }
    for name, (f, slope) in cases.items():
        for x in (0.0, 1, -2, t.random.uniform(-2, 2)):
            result = a.slope(f, x)
            t.that(isinstance(result, float), f"slope returned a {type(result).__name__}, expected a float")
            t.equal(result, float(slope(x)), f"slope of {name} at {x:.4g}", rtol=1e-4, atol=1e-5)


w8.reward(pictures.tangents)
