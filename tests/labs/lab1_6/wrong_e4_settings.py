"""Wrong answers to E4 that compute the right numbers most of the time."""

from torch import nn
from torch.nn import functional as F

from phase1_foundations.lab6_cnn_classifier.solution import BasicBlock, TinyResNet
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def slow_running_statistics():
    class Block(BasicBlock):
        def __init__(self, *how, **more):
            super().__init__(*how, **more)
            self.bn1.momentum = 0.01

    return {"BasicBlock": Block}


@wrong("E4")
def squeezes_a_single_image():
    class Network(TinyResNet):
        def forward(self, x):
            return super().forward(x).squeeze()

    return {"TinyResNet": Network}


@wrong("E4")
def detaches_the_shortcut():
    class Block(BasicBlock):
        def forward(self, x):
            if self.preact or not self.skip:
                return super().forward(x)
            branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(self.shortcut(x.detach()) + branch)

    return {"BasicBlock": Block}


@wrong("E4")
def drops_out_in_the_branch():
    class Block(BasicBlock):
        def __init__(self, *how, **more):
            super().__init__(*how, **more)
            self.drop = nn.Dropout(0.2)

        def forward(self, x):
            if self.preact or not self.skip:
                return super().forward(x)
            branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(self.shortcut(x) + self.drop(branch))

    return {"BasicBlock": Block}


@wrong("E4")
def initialises_by_kaiming():
    class Block(BasicBlock):
        def __init__(self, *how, zero_gamma=True, **more):
            super().__init__(*how, zero_gamma=zero_gamma, **more)
            if not zero_gamma:
                for part in self.modules():
                    if isinstance(part, nn.Conv2d):
                        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    return {"BasicBlock": Block}


@wrong("E4")
def keeps_the_zeros():
    class Block(BasicBlock):
        def __init__(self, *how, **more):
            super().__init__(*how, **more)
            for p in self.parameters():
                p.requires_grad_(bool(p.any()) or (p.dim() == 1 and p is not self.bn2.weight))

    return {"BasicBlock": Block}


@wrong("E4")
def drops_out_before_the_head():
    class Network(TinyResNet):
        def forward(self, x):
            return self.head(F.dropout(self.features(x).mean((2, 3)), 0.1, self.training))

    return {"TinyResNet": Network}


@wrong("E4")
def two_blocks_a_stage_by_default():
    class Network(TinyResNet):
        def __init__(self, width=16, blocks=(2, 2), num_classes=10, skip=True):
            super().__init__(width, blocks, num_classes, skip)

    return {"TinyResNet": Network}
