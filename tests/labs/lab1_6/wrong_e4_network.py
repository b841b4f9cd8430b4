"""Wrong answers to E4, TinyResNet."""

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
