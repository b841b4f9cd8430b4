"""Wrong answers to E4: the reference with one mistake at a time."""

import torch
from torch import Tensor, nn

from courseware.check import misconception
from phase1_foundations.lab2_nn_module.solution import ActivationProbe as Sound
from phase1_foundations.lab2_nn_module.solution import LayerStats, lsuv_init_, orthogonal_, tensors_in


def watching(step, stats=LayerStats):
    """A probe whose forward hook does `step(stats, tensor)` for every tensor of the output."""

    class ActivationProbe(Sound):
        def _watch(self, name):
            def hook(module, inputs, output):
                own = self.stats.setdefault(name, stats())
                replacement = None
                for tensor in tensors_in(output):
                    replacement = step(own, tensor)
                    if tensor.requires_grad:
                        tensor.register_hook(gradient)
                return replacement

            def gradient(g):
                if self._open:
                    self.stats[name].grad_square += float(g.double().square().sum())

            return hook

    return ActivationProbe


@misconception("E4", diagnosis="hooks-left-behind")
def never_removes():
    class ActivationProbe(Sound):
        def __exit__(self, *exception):
            self._open = False

    return {"ActivationProbe": ActivationProbe}


@misconception("E4", diagnosis="hooks-left-after-an-exception")
def removes_only_if_all_went_well():
    class ActivationProbe(Sound):
        def __exit__(self, kind, *rest):
            if kind is None:
                super().__exit__(kind, *rest)

    return {"ActivationProbe": ActivationProbe}


@misconception("E4", diagnosis="other-hooks-removed")
def clears_everybody_s_hooks():
    class ActivationProbe(Sound):
        def __exit__(self, *exception):
            self._open = False
            for module in self.model.modules():
                module._forward_hooks.clear()

    return {"ActivationProbe": ActivationProbe}


@misconception("E4", diagnosis="keeps-activations")
def collects_everything():
    class Collected(LayerStats):
        def __init__(self):
            super().__init__()
            self.outputs = []

    def step(stats, tensor):
        stats.outputs.append(tensor.detach())
        stats.add(tensor.detach())

    return {"ActivationProbe": watching(step, Collected)}


@misconception("E4", diagnosis="averages-the-batches-deviations")
def mean_of_the_deviations():
    class Averaged(LayerStats):
        def __init__(self):
            super().__init__()
            self.stds = []

        @property
        def std(self):
            return sum(self.stds) / len(self.stds)

    def step(stats, tensor):
        stats.add(tensor.detach())
        values = tensor.detach()[tensor.detach().isfinite()].double()
        if values.numel():
            stats.stds.append(float(values.std(correction=0)))

    return {"ActivationProbe": watching(step, Averaged)}


@misconception("E4", diagnosis="changes-the-output")
def returns_a_detached_output():
    def step(stats, tensor):
        stats.add(tensor.detach())
        return tensor.detach()

    return {"ActivationProbe": watching(step)}


@misconception("E4", diagnosis="statistics-are-no-numbers")
def keeps_the_graph():
    class WithGraph(LayerStats):
        mean = None

        def __init__(self):
            super().__init__()
            self.total = 0

    def step(stats, tensor):
        stats.add(tensor.detach())
        stats.total = stats.total + tensor.sum()
        stats.mean = stats.total / stats.n

    return {"ActivationProbe": watching(step, WithGraph)}


@misconception("E4", diagnosis="sample-deviation")
def divides_by_one_less():
    class Sample(LayerStats):
        @property
        def std(self):
            return (self.m2 / max(self.finite - 1, 1)) ** 0.5 if self.finite else float("nan")

    return {"ActivationProbe": watching(lambda stats, tensor: stats.add(tensor.detach()), Sample)}


@misconception("E4", diagnosis="counts-after-the-end")
def forgets_that_it_is_closed():
    class ActivationProbe(Sound):
        def __exit__(self, *exception):
            super().__exit__(*exception)
            self._open = True

    return {"ActivationProbe": ActivationProbe}


@misconception("E4", diagnosis="deviation-lost-at-an-offset")
def sums_of_squares_in_single_precision():
    class Sums(LayerStats):
        def __init__(self):
            super().__init__()
            self.squares, self.total = 0.0, 0.0

        @property
        def std(self):
            mean = self.total / self.finite if self.finite else float("nan")
            return max(self.squares / self.finite - mean**2, 0.0) ** 0.5 if self.finite else mean

    def step(stats, tensor):
        stats.add(tensor.detach())
        values = tensor.detach()[tensor.detach().isfinite()].float()
        stats.total += float(values.sum())
        stats.squares += float(values.square().sum())

    return {"ActivationProbe": watching(step, Sums)}


# ---- LSUV -----------------------------------------------------------------------------------------------


def layers_of(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}


def measure(model, x):
    """The deviations of one forward pass, in the order of execution."""
    found, handles = {}, []
    for name, layer in layers_of(model).items():

        def hook(module, inputs, output, name=name):
            found[name] = float(output.detach().double().std(correction=0))

        handles.append(layer.register_forward_hook(hook))
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    for module, mode in modes:
        module.training = mode
    return found


@misconception("E4", diagnosis="lsuv-measures-once-for-all")
def one_forward_pass_for_all():
    def lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        layers = layers_of(model)
        reached = measure(model, x)
        for name in reached:
            orthogonal_(layers[name].weight)
        with torch.no_grad():
            for name, std in measure(model, x).items():
                if std > 0:
                    layers[name].weight.mul_(target_std / std)
        return measure(model, x)

    return {"lsuv_init_": lsuv_init_}


@misconception("E4", diagnosis="lsuv-order-of-registration")
def in_the_order_of_named_modules():
    def lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        reached = measure(model, x)
        layers = {name: layer for name, layer in layers_of(model).items() if name in reached}
        for layer in layers.values():
            orthogonal_(layer.weight)
        for name, layer in layers.items():
            for _ in range(max_iter):
                std = measure(model, x)[name]
                if std == 0 or abs(std / target_std - 1) <= tol:
                    break
                with torch.no_grad():
                    layer.weight.mul_(target_std / std)
        found = measure(model, x)
        return {name: found[name] for name in layers}

    return {"lsuv_init_": lsuv_init_}


@misconception("E4", diagnosis="lsuv-not-orthogonal")
def scales_what_is_there():
    def scaled(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        layers, found = layers_of(model), {}
        for name in measure(model, x):
            for _ in range(max_iter):
                std = measure(model, x)[name]
                if std == 0 or abs(std / target_std - 1) <= tol:
                    break
                with torch.no_grad():
                    layers[name].weight.mul_(target_std / std)
        found = measure(model, x)
        return found

    return {"lsuv_init_": scaled}


@misconception("E4", diagnosis="lsuv-changes-the-mode")
def leaves_the_model_in_evaluation_mode():
    def left_in_eval(model, x, **how):
        model.eval()
        return lsuv_init_(model, x, **how)

    return {"lsuv_init_": left_in_eval}


@misconception("E4", diagnosis="lsuv-divides-by-zero")
def divides_whatever_comes():
    def divides(model, x, **how):
        result = lsuv_init_(model, x, **how)
        with torch.no_grad():
            for name, std in result.items():
                weight: Tensor = layers_of(model)[name].weight
                weight.div_(torch.tensor(std) if std == 0 else 1)
        return result

    return {"lsuv_init_": divides}
