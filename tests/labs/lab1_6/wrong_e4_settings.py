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
