"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution as s
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e4_depth import (
    deep,
    rebuilt,
    reporting,
    scaling,
)
from phase2_intermediate.lab2_transformer_encoder.solution import probe_loss
from tests.labs.answers import Answers

wrong = Answers()


def case(name, objects):
    def build():
        return objects

    build.__name__ = name
    wrong("E4")(build)


def change(name):
    """The function below changes a right stack before it is given back."""

    def register(body):
        case(name, rebuilt(body))

    return register


for power, title in ((-0.5, "one_over_root_depth"), (0.5, "grows_with_depth"), (-0.25, "a_fourth_root")):
    case(title, scaling(lambda n, power=power: n**power))
case("one_over_two_depth", scaling(lambda n: 1 / (2 * n)))
case("a_half", scaling(lambda n: 0.5))
case("down_only", scaling(lambda n: (2 * n) ** -0.5, which=("down",)))
case("reading_matrices", scaling(lambda n: (2 * n) ** -0.5, which=("attention.query", "up")))
case("value_too", scaling(lambda n: (2 * n) ** -0.5, which=("attention.value", "attention.out", "down")))
case(
    "deepnorm_query_too",
    scaling(
        lambda n: (2 * n) ** -0.5, deep=("attention.query", "attention.out", "attention.value", "up", "down")
    ),
)
case("deepnorm_without_value", scaling(lambda n: (2 * n) ** -0.5, deep=("attention.out", "up", "down")))
case("deepnorm_two_only", scaling(lambda n: (2 * n) ** -0.5, deep=("attention.out", "down")))


@torch.no_grad()
def as_if_pre(stack, depth):
    for layer in stack.layers:
        for linear in (layer.attention.out, layer.down):
            linear.weight.mul_((2 * depth) ** -0.5)


@torch.no_grad()
def by_the_length(stack, depth):
    s.init_scaled_(stack, len(stack.layers))


@torch.no_grad()
def first_layer_only(stack, depth):
    kept = stack.layers
    stack.layers = nn.ModuleList([kept[0]])
    s.init_scaled_(stack, depth)
    stack.layers = kept


@torch.no_grad()
def norms_too(stack, depth):
    s.init_scaled_(stack, depth)
    for layer in stack.layers:
        layer.norm1.weight.mul_((2 * depth) ** -0.5)


@torch.no_grad()
def deeper_layers_more(stack, depth):
    for number, layer in enumerate(stack.layers, 1):
        for linear in (layer.attention.out, layer.down):
            linear.weight.mul_((2 * number) ** -0.5)


def returns_a_copy(stack, depth):
    import copy

    other = copy.deepcopy(stack)
    s.init_scaled_(other, depth)
    return other


def drawn_again(stack, depth):
    for layer in stack.layers:
        for linear in (layer.attention.out, layer.down):
            nn.init.xavier_uniform_(linear.weight, gain=(2 * depth) ** -0.5)


for function in (
    as_if_pre,
    by_the_length,
    first_layer_only,
    norms_too,
    deeper_layers_more,
    returns_a_copy,
    drawn_again,
):
    case(function.__name__, {"init_scaled_": function})

case("alpha_everywhere", deep(lambda self, x, branch, norm: norm(self.alpha * x + self.alpha * branch(x))))
case("deepnorm_is_pre", deep(lambda self, x, branch, norm: self.alpha * x + branch(norm(x))))
case("no_alpha", deep(lambda self, x, branch, norm: norm(x + branch(x))))
case("alpha_after_the_norm", deep(lambda self, x, branch, norm: self.alpha * norm(x + branch(x))))
case("alpha_inverted", deep(lambda self, x, branch, norm: norm(x / self.alpha + branch(x))))
case("alpha_inside_the_branch", deep(lambda self, x, branch, norm: norm(x + branch(self.alpha * x))))
case(
    "branch_reads_alpha_x", deep(lambda self, x, branch, norm: norm(self.alpha * x + branch(self.alpha * x)))
)


@change("normal_weights")
def normal_weights(stack, depth, d):
    for p in stack.parameters():
        if p.dim() == 2:
            nn.init.normal_(p, 0.0, 0.02)


@change("torchs_own_initialisation")
def torchs_own(stack, depth, d):
    for m in stack.modules():
        if isinstance(m, nn.Linear):
            m.reset_parameters()
            nn.init.zeros_(m.bias)


@change("random_biases")
def random_biases(stack, depth, d):
    for m in stack.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.bias, 0.0, 0.1)


@change("kaiming")
def kaiming(stack, depth, d):
    for m in stack.modules():
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight)


@change("scheme_forgotten")
def scheme_forgotten(stack, depth, d):
    del stack.scheme


@change("alpha_forgotten")
def alpha_forgotten(stack, depth, d):
    del stack.alpha


@change("one_layer_too_few")
def one_layer_too_few(stack, depth, d):
    if depth > 1:
        stack.layers = stack.layers[:-1]


@change("layers_in_a_list")
def layers_in_a_list(stack, depth, d):
    layers = list(stack.layers)
    del stack.layers
    stack.layers = layers


@change("an_rms_norm_at_the_end")
def an_rms_norm(stack, depth, d):
    if stack.scheme == "pre":
        stack.norm = nn.RMSNorm(d)


@change("no_norm_at_all")
def no_norm(stack, depth, d):
    stack.norm = nn.Identity()


def made(name, **how):
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        given = {"depth": depth, "d": d, "heads": heads, "scheme": scheme}
        return s.make_stack(**{**given, **{key: value(given) for key, value in how.items()}})

    case(name, {"make_stack": make_stack})


made("always_pre", scheme=lambda given: "pre")
made(
    "width_ignored",
    d=lambda given: 24 if given["heads"] == 3 and given["d"] != 24 else 32 if given["d"] == 32 else 48,
)
made("one_head", heads=lambda given: 1)
made("depth_plus_one", depth=lambda given: given["depth"] + 1)
made(
    "unknown_is_post",
    scheme=lambda given: given["scheme"] if given["scheme"] in ("pre", "deepnorm") else "post",
)


@wrong("E4")
def post_by_default():
    return {"make_stack": lambda depth, d=32, heads=4, scheme="post": s.make_stack(depth, d, heads, scheme)}


def report(name, **lists):
    case(name, reporting(lambda found: {**found, **{key: f(found) for key, f in lists.items()}}))


report("tensors", activation_std=lambda r: [torch.tensor(v) for v in r["activation_std"]])
report("one_tensor", gradient_norm=lambda r: torch.tensor(r["gradient_norm"]))
report("squared", gradient_norm=lambda r: [g * g for g in r["gradient_norm"]])
report("one_number", gradient_norm=lambda r: sum(r["gradient_norm"]))
report("last_only", activation_std=lambda r: r["activation_std"][-1:])
report("without_learning_rate", update_ratio=lambda r: [100 * v for v in r["update_ratio"]])
report("not_divided", update_ratio=lambda r: [0.01 * g for g in r["gradient_norm"]])
report("upside_down", update_ratio=lambda r: [1 / v for v in r["update_ratio"]])
report(
    "relative_to_the_first", gradient_norm=lambda r: [g / r["gradient_norm"][0] for g in r["gradient_norm"]]
)
report("logarithms", gradient_norm=lambda r: [torch.tensor(g).log().item() for g in r["gradient_norm"]])
report("rounded", activation_std=lambda r: [round(v, 2) for v in r["activation_std"]])
case("other_keys", reporting(lambda r: dict(zip(("std", "grad", "ratio"), r.values(), strict=True))))
case("only_two_lists", reporting(lambda r: {key: r[key] for key in list(r)[:2]}))


def with_loss(loss):
    def depth_report(stack, x):
        found = s.depth_report(stack, x)
        gradients = iter(
            torch.autograd.grad(loss(stack, x), list(stack.layers.parameters()), allow_unused=True)
        )
        norms = [
            sum(next(gradients).square().sum() for _ in layer.parameters()).sqrt().item()
            for layer in stack.layers
        ]
        return {**found, "gradient_norm": norms}

    return {"depth_report": depth_report}


case("loss_is_the_sum", with_loss(lambda stack, x: stack(x).sum()))
case("loss_is_the_mean", with_loss(lambda stack, x: stack(x).mean()))
case("loss_against_the_input", with_loss(lambda stack, x: F.mse_loss(stack(x), x)))
case("probe_summed", with_loss(lambda stack, x: probe_loss(stack(x)) * x.numel()))


@wrong("E4")
def before_the_last_norm():
    def depth_report(stack, x):
        kept, stack.norm = stack.norm, nn.Identity()
        found = s.depth_report(stack, x)
        stack.norm = kept
        return found

    return {"depth_report": depth_report}


@wrong("E4")
def inputs_of_the_layers():
    def depth_report(stack, x):
        found = s.depth_report(stack, x)
        return {**found, "activation_std": [x.std().item(), *found["activation_std"][:-1]]}

    return {"depth_report": depth_report}


@wrong("E4")
def leaves_evaluation_mode():
    def depth_report(stack, x):
        stack.eval()
        return s.depth_report(stack, x)

    return {"depth_report": depth_report}


@wrong("E4")
def zeroes_gradients():
    def depth_report(stack, x):
        stack.zero_grad()
        return s.depth_report(stack, x)

    return {"depth_report": depth_report}


@wrong("E4")
def really_steps():
    def depth_report(stack, x):
        found = s.depth_report(stack, x)
        gradients = torch.autograd.grad(probe_loss(stack(x)), list(stack.layers.parameters()))
        with torch.no_grad():
            for p, g in zip(stack.layers.parameters(), gradients, strict=True):
                p.sub_(0.01 * g)
        return found

    return {"depth_report": depth_report}


@wrong("E4")
def hooks_that_stay():
    def depth_report(stack, x):
        for layer in stack.layers:
            layer.register_forward_hook(lambda module, inputs, out: None)
        return s.depth_report(stack, x)

    return {"depth_report": depth_report}


@wrong("E4")
def largest_gradient():
    def depth_report(stack, x):
        found = s.depth_report(stack, x)
        gradients = iter(torch.autograd.grad(probe_loss(stack(x)), list(stack.layers.parameters())))
        norms = [max(next(gradients).norm().item() for _ in layer.parameters()) for layer in stack.layers]
        return {**found, "gradient_norm": norms}

    return {"depth_report": depth_report}
