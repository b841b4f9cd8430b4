"""E3: receptive fields and costs. What must hold; known mistakes stand in `e3_mistakes` and beside it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Exercise, Trial
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_mistakes import probe as of_fields
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_mistakes_costs import probe as of_costs
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_mistakes_effective import (
    left_alone,
    slopes_at_the_centre,
    small_models,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_mistakes_effective import (
    probe as of_effective,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e3_oracle import (
    fewest_weights,
    measured_cost,
    measured_field,
    problem_of_stack,
)
from shared.plotting import COLOURS, panels, show

e3 = Exercise(
    "E3",
    takes={
        "Layer": None,
        "receptive_field": tuple,
        "cheapest_stack": list,
        "conv_cost": tuple,
        "separable_cost": tuple,
        "effective_rf": Tensor,
    },
    hints=(
        "The field of one layer is its extent. From layer to layer carry three numbers along: how far one "
        "output sees, how far apart neighbours look, and where the first one looks.",
        "rf += (extent − 1)·jump; centre += ((extent − 1)/2 − p)·jump; and only then jump *= s. A weight is "
        "used once in each of hw² places, for two operations.",
        "`cheapest_stack`: `while rf < target_rf: s = 2 if 2 * jump <= max_stride else 1; "
        "layers.append(Layer(3, s, 1)); rf += 2 * jump; jump *= s`. `effective_rf`: `x = "
        "x.detach().requires_grad_()`, `torch.autograd.grad(model(x)[:, :, h // 2, w // 2].sum(), x)`.",
    ),
)
of_fields.add_to(e3)
of_costs.add_to(e3)
of_effective.add_to(e3)


def random_layers(a: Any, t: Trial, count: int) -> list[Any]:
    draw = t.random.randint
    return [a.Layer(draw(1, 4), draw(1, 3), draw(0, 2), draw(1, 3)) for _ in range(count)]


@e3.property("receptive_field: against the gradients of a real stack", points=8)
def fields(a: Any, t: Trial) -> None:
    for count in (0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4):
        layers = random_layers(a, t, count)
        for layer in layers:
            t.equal(layer.extent, layer.d * (layer.k - 1) + 1, f"the extent of {layer!r}")
        t.equal(a.receptive_field(layers), measured_field(layers), f"{layers!r}", rtol=1e-9)


@e3.property("cheapest_stack: against an exhaustive search", points=4)
def stacks(a: Any, t: Trial) -> None:
    for target in range(1, 32):
        for stride in (1, t.random.choice([2, 3]), t.random.choice([4, 8, 16])):
            problem = problem_of_stack(a.cheapest_stack(target, stride), target, stride)
            t.that(not problem, f"cheapest_stack({target}, {stride}): {problem}")
    for target, stride in ((101, 1), (200, 8)):
        problem = problem_of_stack(a.cheapest_stack(target, stride), target, stride)
        t.that(not problem, f"cheapest_stack({target}, {stride}): {problem}")
    problem = problem_of_stack(a.cheapest_stack(9), 9, 1)
    t.that(not problem, f"cheapest_stack(9): {problem}")
    t.that(fewest_weights(31, 1) == 135, "the search is broken")


@e3.property("conv_cost and separable_cost: against torch's counters", points=4)
def costs(a: Any, t: Trial) -> None:
    draw = t.random.randint
    for _ in range(8):
        groups = draw(1, 3)
        cin, cout, k, hw = groups * draw(1, 4), groups * draw(1, 4), draw(1, 4), draw(1, 6)
        t.equal(
            a.conv_cost(cin, cout, k, hw, groups),
            measured_cost((cin, cout, k, groups), hw=hw),
            "(parameters, flops)",
        )
        t.that(
            all(isinstance(number, int) for number in a.conv_cost(cin, cout, k, hw, groups)),
            "the costs are not ints",
        )
        expected = measured_cost((cin, cin, k, cin), (cin, cout, 1, 1), hw=hw)
        t.equal(a.separable_cost(cin, cout, k, hw), expected, "(parameters, flops) of the pair")
    t.equal(a.conv_cost(3, 8, 3, 5), measured_cost((3, 8, 3, 1), hw=5), "without groups")


@e3.property("effective_rf: against central gradients", points=4)
def effective(a: Any, t: Trial) -> None:
    for words, model, x in small_models(t):
        t.given(f"{words}, x {tuple(x.shape)}")
        with left_alone(t, model, x):
            own = a.effective_rf(model, x)
        t.equal(own.detach(), slopes_at_the_centre(model, x).abs().mean((0, 1)), words, dtype=False)


def plain_stack(depth: int, width: int = 12) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Conv2d(width if i else 1, width, 3, padding=1), nn.ReLU()]
    for layer in layers[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
    return nn.Sequential(*layers).eval()


@e3.reward
def box_and_bump(a: Any) -> None:
    from matplotlib.patches import Rectangle

    size = 33
    x = torch.randn(16, 1, size, size, generator=torch.Generator().manual_seed(0))
    fig, axes = panels(1, 3, height=2.8)
    held = []
    for ax, depth in zip(axes, (2, 6, 14), strict=True):
        rf, _, _ = a.receptive_field([a.Layer(3, 1, 1)] * depth)
        seen = a.effective_rf(plain_stack(depth), x)
        ax.imshow(F.normalize(seen.flatten(), p=torch.inf, dim=0).reshape(size, size), cmap="viridis")
        low = size // 2 - rf / 2
        ax.add_patch(Rectangle((low, low), rf, rf, fill=False, edgecolor=COLOURS["orange"], linewidth=2))
        ax.set_title(f"{depth} layers, field {rf}", fontsize=9)
        ax.set_axis_off()
        half = slice(size // 2 - rf // 4, size // 2 + rf // 4 + 1)
        held.append(f"{float(seen[half, half].sum() / seen.sum()):.0%} at depth {depth}")
    show(
        fig,
        caption=(
            "How much each pixel moves the central output, by your `effective_rf`, and your "
            "`receptive_field` as a box. The box grows with the depth, the bright bump in it only with "
            "its root."
        ),
        alt=(
            "Three heat-maps: with more layers the box around the centre grows quickly, the bright spot "
            "inside slowly, and most of the box stays dark."
        ),
    )
    print("Share of the influence in the inner quarter of the box: " + ", ".join(held))
    full, pair = a.conv_cost(64, 128, 3, 28), a.separable_cost(64, 128, 3, 28)
    print(
        f"64 → 128 channels, 3×3, output 28×28: {full[0]:,} weights and {full[1]:,} operations; separable "
        f"{pair[0]:,} and {pair[1]:,}, a share of {pair[1] / full[1]:.3f}"
    )
