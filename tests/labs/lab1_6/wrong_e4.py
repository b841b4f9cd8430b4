"""Wrong answers to E4, as strangers might write them."""

import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e4_depth import Sound, with_block
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
