"""Wrong answers to E4, as strangers might write them."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e4_depth import (
    Sound,
    network,
    with_block,
)
from phase1_foundations.lab6_cnn_classifier.solution import BasicBlock
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def other_names():
    class Block(nn.Module):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__()
            self.inner = Sound(cin, cout, stride, preact, zero_gamma, skip)

        def forward(self, x):
            return self.inner(x)

    return with_block(Block)


@wrong("E4")
def forgets_super():
    class Block(nn.Module):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)

    return {"BasicBlock": Block}


@wrong("E4")
def no_last_relu():
    class Block(Sound):
        def join(self, x, y):
            return self.shortcut(x) + y if self.skip else F.relu(y)

    return with_block(Block)


@wrong("E4")
def no_relu_inside():
    class Block(Sound):
        def branch(self, x):
            if self.preact:
                return super().branch(x)
            return self.bn2(self.conv2(self.bn1(self.conv1(x))))

    return with_block(Block)


@wrong("E4")
def relu_before_the_norm():
    class Block(Sound):
        def branch(self, x):
            if self.preact:
                return super().branch(x)
            return self.bn2(self.conv2(self.bn1(F.relu(self.conv1(x)))))

    return with_block(Block)


@wrong("E4")
def shortcut_from_the_middle():
    class Block(Sound):
        def forward(self, x):
            if self.preact or not self.skip or not isinstance(self.shortcut, nn.Identity):
                return super().forward(x)
            h = F.relu(self.bn1(self.conv1(x)))
            return F.relu(h + self.bn2(self.conv2(h)))

    return with_block(Block)


@wrong("E4")
def norm_after_the_sum():
    class Block(Sound):
        def forward(self, x):
            if self.preact or not self.skip:
                return super().forward(x)
            return F.relu(self.bn2(self.shortcut(x) + self.conv2(F.relu(self.bn1(self.conv1(x))))))

    return with_block(Block)


@wrong("E4")
def second_convolution_twice():
    class Block(Sound):
        def branch(self, x):
            if self.preact or not self.skip:
                return super().branch(x)
            return self.bn2(self.conv2(F.relu(self.bn1(self.conv2(F.relu(self.bn1(self.conv1(x))))))))

    return with_block(Block)


@wrong("E4")
def leaky():
    class Block(Sound):
        def join(self, x, y):
            if self.preact:
                return super().join(x, y)
            return F.leaky_relu(self.shortcut(x) + y if self.skip else y, 0.1)

    return with_block(Block)


@wrong("E4")
def bare_projection():
    class Block(Sound):
        def make_shortcut(self, cin, cout, stride):
            if stride == 1 and cin == cout:
                return nn.Identity()
            return nn.Conv2d(cin, cout, 1, stride, bias=False)

    return with_block(Block)


@wrong("E4")
def large_projection():
    class Block(Sound):
        def make_shortcut(self, cin, cout, stride):
            if stride == 1 and cin == cout:
                return nn.Identity()
            return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout))

    return with_block(Block)


@wrong("E4")
def projection_only_for_channels():
    class Block(Sound):
        def make_shortcut(self, cin, cout, stride):
            if cin == cout:
                return nn.Identity()
            return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    return with_block(Block)


@wrong("E4")
def averages_in_the_shortcut():
    class Block(Sound):
        def make_shortcut(self, cin, cout, stride):
            if stride == 1 and cin == cout:
                return nn.Identity()
            return nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(cin, cout, 1, bias=False),
                nn.BatchNorm2d(cout),
            )

    return with_block(Block)


@wrong("E4")
def never_zero():
    class Block(Sound):
        def zero(self):
            pass

    return with_block(Block)


@wrong("E4")
def always_zero():
    class Block(Sound):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, preact, True, skip)

    return with_block(Block)


@wrong("E4")
def zeroes_both_norms():
    class Block(Sound):
        def zero(self):
            super().zero()
            nn.init.zeros_(self.bn1.weight)

    return with_block(Block)


@wrong("E4")
def preact_ignored():
    class Block(Sound):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, False, zero_gamma, skip)

    return with_block(Block)


@wrong("E4")
def preact_projects_the_activated():
    class Block(Sound):
        def forward(self, x):
            if not (self.preact and self.skip):
                return super().forward(x)
            h = F.relu(self.bn1(x))
            y = self.conv2(F.relu(self.bn2(self.conv1(h))))
            return (x if isinstance(self.shortcut, nn.Identity) else self.shortcut(h)) + y

    return with_block(Block)


@wrong("E4")
def skip_ignored_by_the_block():
    class Block(Sound):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, preact, zero_gamma and skip, True)

    return with_block(Block)


@wrong("E4")
def forgets_to_return():
    class Block(Sound):
        def forward(self, x):
            super().forward(x)

    return with_block(Block)


@wrong("E4")
def adds_to_x_in_place():
    class Block(Sound):
        def join(self, x, y):
            if self.skip and isinstance(self.shortcut, nn.Identity):
                x += y
                return x if self.preact else F.relu(x)
            return super().join(x, y)

    return with_block(Block)


def net(change):
    """A sound network whose `__init__` is followed by `change(self, width, blocks, num_classes, skip)`."""

    class TinyResNet(network(BasicBlock)):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__(width, blocks, num_classes, skip)
            change(self, width, blocks, num_classes, skip)

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def preact_blocks_in_the_network():
    class Early(BasicBlock):
        def __init__(self, cin, cout, stride=1, skip=True):
            super().__init__(cin, cout, stride, preact=True, skip=skip)

    class TinyResNet(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            self.whole = network(BasicBlock)(width, blocks, num_classes, skip)
            self.features, self.head = self.whole.features, self.whole.head
            for i, part in enumerate(self.features):
                if isinstance(part, BasicBlock):
                    conv = part.conv1
                    self.features[i] = Early(conv.in_channels, conv.out_channels, conv.stride[0], skip)

        def forward(self, x):
            return self.head(self.features(x).mean((2, 3)))

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def zeroes_the_projection_too():
    class Block(Sound):
        def zero(self):
            super().zero()
            if not isinstance(self.shortcut, nn.Identity):
                nn.init.zeros_(self.shortcut[1].weight)

    return with_block(Block)


@wrong("E4")
def skip_not_handed_on():
    class TinyResNet(network(BasicBlock)):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__(width, blocks, num_classes)

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def ten_classes_always():
    def change(self, width, blocks, num_classes, skip):
        self.head = nn.Linear(2 * width, 10)

    return net(change)


@wrong("E4")
def one_block_a_stage():
    class TinyResNet(network(BasicBlock)):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__(width, (1, 1), num_classes, skip)

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def stem_without_relu():
    def change(self, width, blocks, num_classes, skip):
        self.features[2] = nn.Identity()

    return net(change)


@wrong("E4")
def stem_with_bias():
    def change(self, width, blocks, num_classes, skip):
        self.features[0] = nn.Conv2d(1, width, 3, padding=1)

    return net(change)


@wrong("E4")
def second_stage_keeps_the_size():
    def change(self, width, blocks, num_classes, skip):
        self.features[3 + blocks[0]] = BasicBlock(width, 2 * width, 1, skip=skip)

    return net(change)


@wrong("E4")
def every_block_halves():
    def change(self, width, blocks, num_classes, skip):
        for i in range(blocks[1]):
            cin = width if i == 0 else 2 * width
            self.features[3 + blocks[0] + i] = BasicBlock(cin, 2 * width, 2, skip=skip)

    return net(change)


@wrong("E4")
def takes_the_maximum():
    class TinyResNet(network(BasicBlock)):
        def forward(self, x):
            return self.head(self.features(x).amax((2, 3)))

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def ends_in_log_softmax():
    class TinyResNet(network(BasicBlock)):
        def forward(self, x):
            return F.log_softmax(super().forward(x), dim=1)

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def flattens():
    class TinyResNet(network(BasicBlock)):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__(width, blocks, num_classes, skip)
            self.head = nn.Linear(2 * width * 16, num_classes)

        def forward(self, x):
            return self.head(self.features(x).flatten(1))

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def blocks_called_without_features():
    class TinyResNet(network(BasicBlock)):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__(width, blocks, num_classes, skip)
            self.body = self.features
            del self.features

        def forward(self, x):
            return self.head(self.body(x).mean((2, 3)))

    return {"TinyResNet": TinyResNet}


@wrong("E4")
def dropout_before_the_head():
    class TinyResNet(network(BasicBlock)):
        def forward(self, x):
            return self.head(0.9 * self.features(x).mean((2, 3)))

    return {"TinyResNet": TinyResNet}


def profile(of, prepare=copy.deepcopy, loss=F.cross_entropy, kind=BasicBlock):
    def gradient_profile(model, x, y):
        model = prepare(model)
        outputs, handles = [], []
        for part in model.modules():
            if isinstance(part, kind):
                handles.append(part.register_forward_hook(lambda _p, i, o: outputs.append((i[0], o))))
        value = loss(model(x), y)
        for handle in handles:
            handle.remove()
        return of(value, outputs)

    return {"gradient_profile": gradient_profile}


def norms(value, outputs):
    return [s.norm().item() for s in torch.autograd.grad(value, [o for _, o in outputs])]


@wrong("E4")
def profile_backwards():
    return profile(lambda value, outputs: norms(value, outputs)[::-1])


@wrong("E4")
def profile_of_the_inputs():
    return profile(
        lambda value, outputs: [s.norm().item() for s in torch.autograd.grad(value, [i for i, _ in outputs])]
    )


@wrong("E4")
def profile_squared():
    return profile(lambda value, outputs: [v**2 for v in norms(value, outputs)])


@wrong("E4")
def profile_of_the_sum():
    return profile(norms, loss=lambda z, y: F.cross_entropy(z, y, reduction="sum"))


@wrong("E4")
def profile_on_the_callers_model():
    return profile(norms, prepare=lambda model: model)


@wrong("E4")
def profile_in_evaluation_mode():
    return profile(norms, prepare=lambda model: copy.deepcopy(model).eval())


@wrong("E4")
def profile_in_training_mode():
    return profile(norms, prepare=lambda model: copy.deepcopy(model).train())


@wrong("E4")
def profile_of_every_convolution():
    return profile(norms, kind=nn.Conv2d)


@wrong("E4")
def profile_as_tensors():
    return profile(lambda value, outputs: [torch.tensor(v) for v in norms(value, outputs)])


@wrong("E4")
def profile_as_one_tensor():
    return profile(lambda value, outputs: torch.tensor(norms(value, outputs)))


@wrong("E4")
def profile_switches_the_mode():
    def gradient_profile(model, x, y):
        found = profile(norms)["gradient_profile"](model, x, y)
        model.train()
        return found

    return {"gradient_profile": gradient_profile}


@wrong("E4")
def profile_leaves_hooks():
    def gradient_profile(model, x, y):
        for part in model.modules():
            if isinstance(part, BasicBlock):
                part.register_forward_hook(lambda *_all: None)
        return profile(norms)["gradient_profile"](model, x, y)

    return {"gradient_profile": gradient_profile}
