"""What is right in E4, put together from torch's functions and the learner's own weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Trial

NAMES = ("conv1", "bn1", "conv2", "bn2")


def block(a: Any, t: Trial, cin: int = 3, cout: int = 3, stride: int = 1, **how: Any) -> nn.Module:
    """A learner's block in float64."""
    torch.manual_seed(t.random.getrandbits(31))
    made: nn.Module = a.BasicBlock(cin, cout, stride, **how).double()
    return made


def odd_start(made: nn.Module) -> str | None:
    """What a new module holds that torch's own initialisation never gives, in words, or None."""
    for name, part in made.named_modules():
        if isinstance(part, nn.Conv2d):
            bound, largest = part.weight[0].numel() ** -0.5, float(part.weight.abs().max())
            if not 0.6 * bound < largest <= 1.0001 * bound:
                return (
                    f"{name}.weight reaches up to {largest:.3g}, torch draws between ±1/√(numbers in a "
                    f"window), ±{bound:.3g}"
                )
        if isinstance(part, nn.BatchNorm2d) and not bool((part.weight == 1).all() & (part.bias == 0).all()):
            return f"{name} begins with weight 1 and bias 0 in torch, yours does not"
    return None


def randomised(module: nn.Module, t: Trial) -> nn.Module:
    """Every weight and running statistic a random number, so that no two parts can be confused."""
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point():
                drawn = t.randn(*value.shape)
                value.copy_(drawn.abs() + 0.3 if name.endswith(("running_var", "weight")) else drawn)
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.copy_(t.randn(*part.weight.shape))
    return module


class Parts:
    """The layers of a learner's block as functions of a tensor, in the mode of the block."""

    def __init__(self, module: nn.Module) -> None:
        self.state = {name: value.clone() for name, value in module.state_dict().items()}
        self.training = module.training
        shortcut = getattr(module, "shortcut", None)
        inside = dict(shortcut.named_children()) if isinstance(shortcut, nn.Module) else {}
        self.projection = [f"shortcut.{name}" for name in inside]  # the convolution and its norm

    def conv(self, name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        return F.conv2d(x, self.state[f"{name}.weight"], None, stride, padding)

    def norm(self, name: str, x: Tensor) -> Tensor:
        at = {k: self.state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")}
        if self.training:
            return F.batch_norm(x, None, None, at["weight"], at["bias"], True)
        return F.batch_norm(x, **at)

    @property
    def projects(self) -> bool:
        return len(self.projection) == 2

    def shortcut(self, x: Tensor, stride: int) -> Tensor:
        if not self.projects:
            return x
        convolution, norm = self.projection
        return self.norm(norm, self.conv(convolution, x, stride, padding=0))

    def branch(self, x: Tensor, stride: int, preact: bool) -> Tensor:
        if preact:
            return self.conv("conv2", F.relu(self.norm("bn2", self.first(x, stride, preact))))
        return self.norm("bn2", self.conv("conv2", F.relu(self.norm("bn1", self.first(x, stride, preact)))))

    def first(self, x: Tensor, stride: int, preact: bool) -> Tensor:
        """What the first convolution gives."""
        return self.conv("conv1", F.relu(self.norm("bn1", x)) if preact else x, stride)

    def whole(self, x: Tensor, stride: int = 1, preact: bool = False, skip: bool = True) -> Tensor:
        y = self.branch(x, stride, preact)
        y = self.shortcut(x, stride) + y if skip else y
        return y if preact else F.relu(y)


def expected(module: nn.Module, x: Tensor, **how: Any) -> Tensor:
    with torch.no_grad():
        return Parts(module).whole(x, **how)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def size_of_network(width: int, blocks: tuple[int, int], classes: int, skip: bool) -> int:
    """The number of parameters, by hand."""

    def of_block(cin: int, cout: int) -> int:
        projection = (cin * cout + 2 * cout) if skip and cin != cout else 0
        return 9 * cin * cout + 9 * cout * cout + 4 * cout + projection

    first = blocks[0] * of_block(width, width)
    second = of_block(width, 2 * width) + (blocks[1] - 1) * of_block(2 * width, 2 * width)
    return 9 * width + 2 * width + first + second + 2 * width * classes + classes


@contextmanager
def seen_blocks(model: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """(input, output) of every call of a block, in order; a block is what has the parts of one."""
    seen: list[tuple[Tensor, Tensor]] = []
    handles = [
        part.register_forward_hook(lambda _part, inputs, output: seen.append((inputs[0], output)))
        for part in model.modules()
        if all(hasattr(part, name) for name in NAMES)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def calls_of_blocks(model: nn.Module, x: Tensor) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """(block, input, output) of every block in one forward pass, in order."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    handles = [
        part.register_forward_hook(
            lambda part, inputs, output: calls.append((part, inputs[0].clone(), output))
        )
        for part in model.modules()
        if all(hasattr(part, name) for name in NAMES)
    ]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def true_slopes(model: nn.Module, x: Tensor, y: Tensor, of: str = "outputs") -> list[Tensor]:
    """∂loss/∂output (or input) of each block; the running statistics are put back afterwards."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with seen_blocks(model) as seen:
        loss = F.cross_entropy(model(x), y)
        slopes = torch.autograd.grad(loss, [pair[of == "outputs"] for pair in seen])
    model.load_state_dict(state)
    return list(slopes)


def network(a: Any, t: Trial, *args: Any, **how: Any) -> nn.Module:
    torch.manual_seed(t.random.getrandbits(31))
    made: nn.Module = a.TinyResNet(*args, **how).double()
    return made
