"""Right answers to E4, written otherwise than the reference."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.solution import BasicBlock
from tests.labs.answers import Answers

right = Answers()


@right("E4")
def with_relu_modules_and_stages():
    class Block(nn.Module):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__()
            self.conv1 = nn.Conv2d(cin, cout, kernel_size=3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(cin if preact else cout)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(cout, cout, kernel_size=3, stride=1, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(cout)
            self.preact = preact
            if not skip:
                self.shortcut = None
            elif cin == cout and stride == 1:
                self.shortcut = nn.Identity()
            else:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout)
                )
            if zero_gamma and skip:
                with torch.no_grad():
                    last = self.conv2 if preact else self.bn2
                    last.weight.zero_()

        def forward(self, x):
            if self.preact:
                out = self.conv1(self.relu(self.bn1(x)))
                out = self.conv2(self.relu(self.bn2(out)))
            else:
                out = self.relu(self.bn1(self.conv1(x)))
                out = self.bn2(self.conv2(out))
            if self.shortcut is not None:
                out = out + self.shortcut(x)
            return out if self.preact else self.relu(out)

    class Net(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            self.head = nn.Linear(width * 2, num_classes)
            stem = nn.Sequential(
                nn.Conv2d(1, width, 3, padding="same", bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            one = nn.Sequential(*(Block(width, width, skip=skip) for _ in range(blocks[0])))
            two = nn.Sequential(
                *(
                    Block(2 * width if i else width, 2 * width, 1 if i else 2, skip=skip)
                    for i in range(blocks[1])
                )
            )
            self.features = nn.Sequential(stem, one, two)

        def forward(self, images):
            maps = self.features(images)
            return self.head(F.adaptive_avg_pool2d(maps, 1).flatten(1))

    def gradient_profile(model, x, y):
        from copy import deepcopy

        twin = deepcopy(model)
        seen = []
        for part in twin.modules():
            if isinstance(part, Block):
                part.register_full_backward_hook(lambda _m, _gi, go: seen.insert(0, go[0].norm().item()))
        F.cross_entropy(twin(x), y).backward()
        return seen

    return {"BasicBlock": Block, "TinyResNet": Net, "gradient_profile": gradient_profile}


@right("E4")
def two_forwards_and_a_module_list():
    class BasicBlock(nn.Module):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__()
            self.shortcut = nn.Sequential()
            if skip:
                if stride > 1 or cin != cout:
                    self.shortcut.append(nn.Conv2d(cin, cout, (1, 1), (stride, stride), bias=False))
                    self.shortcut.append(nn.BatchNorm2d(cout))
                else:
                    self.shortcut = nn.Identity()
            self.bn2, self.bn1 = nn.BatchNorm2d(cout), nn.BatchNorm2d((cout, cin)[preact])
            self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
            self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
            self.skip = skip
            self.forward = self.before if preact else self.after
            if skip and zero_gamma:
                nn.init.constant_((self.bn2, self.conv2)[preact].weight, 0.0)

        def after(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            if self.skip:
                y = y + self.shortcut(x)
            return torch.clamp(y, min=0)

        def before(self, x):
            y = self.conv1(self.bn1(x).relu())
            y = self.conv2(self.bn2(y).relu())
            return y + self.shortcut(x) if self.skip else y

    class Features(nn.Module):
        def __init__(self, width, blocks, skip):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
            sizes = [(width, width, 1)] * blocks[0] + [(width, 2 * width, 2)]
            sizes += [(2 * width, 2 * width, 1)] * (blocks[1] - 1)
            self.blocks = nn.ModuleList(BasicBlock(*size, skip=skip) for size in sizes)

        def forward(self, x):
            x = F.relu(self.norm(self.conv(x)))
            for block in self.blocks:
                x = block(x)
            return x

    class TinyResNet(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            self.features = Features(width, blocks, skip)
            self.head = nn.Linear(2 * width, num_classes)

        def forward(self, x):
            return self.head(torch.einsum("nchw->nc", self.features(x)) / self.cells(x))

        @staticmethod
        def cells(x):
            return math.ceil(x.shape[2] / 2) * math.ceil(x.shape[3] / 2)

    def gradient_profile(model, x, y):
        state = {k: v.clone() for k, v in model.state_dict().items()}
        outputs = []
        handles = [
            m.register_forward_hook(lambda m, i, o: outputs.append(o))
            for m in model.modules()
            if isinstance(m, BasicBlock)
        ]
        try:
            logits = model(x)
        finally:
            for handle in handles:
                handle.remove()
        loss = -logits.log_softmax(1).gather(1, y[:, None]).mean()
        slopes = torch.autograd.grad(loss, outputs)
        model.load_state_dict(state)
        return [math.sqrt(float((s * s).sum())) for s in slopes]

    return {"BasicBlock": BasicBlock, "TinyResNet": TinyResNet, "gradient_profile": gradient_profile}


@right("E4")
def kaiming_weights_in_the_network():
    class Network(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            parts = [nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
            for stage, count in enumerate(blocks):
                for number in range(count):
                    out = width * 2**stage
                    parts.append(BasicBlock(channels, out, 2 if stage and not number else 1, skip=skip))
                    channels = out
            self.features = nn.Sequential(*parts)
            self.head = nn.Linear(channels, num_classes)
            for part in self.modules():
                if isinstance(part, nn.Conv2d):
                    nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, x):
            return self.head(self.features(x).flatten(2).mean(-1))

    return {"TinyResNet": Network}


@right("E4")
def a_family_of_blocks():
    class Base(nn.Module):
        def __init__(self, cin, cout, stride, first, zero, skip):
            super().__init__()
            conv = {"bias": False, "padding": 1, "kernel_size": 3}
            self.add_module("conv1", nn.Conv2d(cin, cout, stride=stride, **conv))
            self.add_module("bn1", nn.BatchNorm2d(first))
            self.add_module("conv2", nn.Conv2d(cout, cout, **conv))
            self.add_module("bn2", nn.BatchNorm2d(cout))
            self.shortcut = nn.Identity()
            if skip and not (stride == 1 and cin == cout):
                self.shortcut = nn.Sequential(
                    nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
                )
            self.add = (lambda x, y: self.shortcut(x) + y) if skip else (lambda x, y: y)

    class BasicBlock(Base):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, cin if preact else cout, zero_gamma, skip)
            self.order = ("bn1", "relu", "conv1", "bn2", "relu", "conv2") if preact else (
                "conv1", "bn1", "relu", "conv2", "bn2"
            )  # fmt: skip
            self.last = nn.Identity() if preact else nn.ReLU()
            if zero_gamma and skip:
                getattr(self, self.order[-1]).weight.data = torch.zeros_like(
                    getattr(self, self.order[-1]).weight
                )

        def forward(self, x):
            y = x
            for name in self.order:
                y = F.relu(y) if name == "relu" else getattr(self, name)(y)
            return self.last(self.add(x, y))

    return {"BasicBlock": BasicBlock}


@right("E4")
def profile_with_retained_gradients():
    def gradient_profile(model, x, y):
        import copy

        work = copy.deepcopy(model)
        work.zero_grad()
        outputs = []

        def keep(_module, _inputs, output):
            output.retain_grad()
            outputs.append(output)

        for module in work.modules():
            if isinstance(module, BasicBlock):
                module.register_forward_hook(keep)
        nn.CrossEntropyLoss()(work(x), y).backward()
        return [float(torch.linalg.vector_norm(output.grad)) for output in outputs]

    return {"gradient_profile": gradient_profile}


@right("E4")
def profile_by_walking_the_blocks():
    def gradient_profile(model, x, y):
        import copy

        twin = copy.deepcopy(model)
        h, outputs = x, []
        for part in twin.features:
            h = part(h)
            if isinstance(part, BasicBlock):
                outputs.append(h)
        loss = F.cross_entropy(twin.head(h.mean((2, 3))), y)
        return [slope.pow(2).sum().sqrt().item() for slope in torch.autograd.grad(loss, outputs)]

    return {"gradient_profile": gradient_profile}


@right("E4")
def head_by_pooling_layers():
    class Net(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            n, m = blocks
            self.features = nn.Sequential()
            self.features.add_module("conv", nn.Conv2d(1, width, 3, 1, 1, bias=False))
            self.features.add_module("norm", nn.BatchNorm2d(width))
            self.features.add_module("relu", nn.ReLU())
            for i in range(n):
                self.features.add_module(f"narrow{i}", BasicBlock(width, width, skip=skip))
            for i in range(m):
                block = BasicBlock(width * (2 if i else 1), 2 * width, 1 if i else 2, skip=skip)
                self.features.add_module(f"wide{i}", block)
            self.pool = nn.AdaptiveAvgPool2d((1, 1))
            self.head = nn.Linear(2 * width, num_classes, bias=True)

        def forward(self, x):
            return self.head(torch.flatten(self.pool(self.features(x)), 1))

    return {"TinyResNet": Net}


@right("E4")
def subclass_of_sequential():
    class TinyResNet(nn.Sequential):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            from collections import OrderedDict

            first = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            rest = [BasicBlock(width, width, skip=skip) for _ in range(blocks[0])]
            rest += [
                BasicBlock(width if i == 0 else 2 * width, 2 * width, 2 if i == 0 else 1, skip=skip)
                for i in range(blocks[1])
            ]
            super().__init__(
                OrderedDict(
                    features=nn.Sequential(*first, *rest),
                    pool=nn.AdaptiveAvgPool2d(1),
                    flat=nn.Flatten(),
                    head=nn.Linear(2 * width, num_classes),
                )
            )

    return {"TinyResNet": TinyResNet}


@right("E4")
def named_projection():
    from collections import OrderedDict

    class Block(BasicBlock):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, preact, zero_gamma, skip)
            if skip and not (stride == 1 and cin == cout):
                conv, norm = nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
                self.shortcut = nn.Sequential(OrderedDict(project=conv, norm=norm))

    return {"BasicBlock": Block}
