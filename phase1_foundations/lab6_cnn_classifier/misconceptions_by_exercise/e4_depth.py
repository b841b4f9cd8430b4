"""Wrong answers to E4: one sound block and network, with one mistake at a time."""

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase1_foundations.lab6_cnn_classifier.solution import BasicBlock


class Sound(nn.Module):
    """A sound block, to be spoilt."""

    bias = False
    project_always = False

    def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
        super().__init__()
        self.preact, self.skip, self.stride = preact, skip, stride
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=self.bias)
        self.bn1 = nn.BatchNorm2d(cin if preact else cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=self.bias)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = self.make_shortcut(cin, cout, stride) if skip else nn.Identity()
        if skip and zero_gamma:
            self.zero()

    def make_shortcut(self, cin, cout, stride):
        if stride == 1 and cin == cout and not self.project_always:
            return nn.Identity()
        return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def zero(self):
        nn.init.zeros_(self.conv2.weight if self.preact else self.bn2.weight)

    def branch(self, x):
        if self.preact:
            return self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))

    def join(self, x, y):
        y = self.shortcut(x) + y if self.skip else y
        return y if self.preact else F.relu(y)

    def forward(self, x):
        return self.join(x, self.branch(x))


def network(Block, widen=2):
    class TinyResNet(nn.Module):
        def __init__(self, width=16, blocks=(1, 1), num_classes=10, skip=True):
            super().__init__()
            first = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            wide = widen * width
            stages = [Block(width, width, skip=skip) for _ in range(blocks[0])]
            stages += [Block(width, wide, 2, skip=skip)]
            stages += [Block(wide, wide, skip=skip) for _ in range(blocks[1] - 1)]
            self.features = nn.Sequential(*first, *stages)
            self.head = nn.Linear(wide, num_classes)

        def forward(self, x):
            return self.head(self.features(x).mean((2, 3)))

    return TinyResNet


def with_block(Block):
    return {"BasicBlock": Block, "TinyResNet": network(Block)}


@misconception("E4", diagnosis="wired-another-way")
def relu_before_the_addition():
    class Block(Sound):
        def join(self, x, y):
            if self.preact or not self.skip:
                return super().join(x, y)
            return self.shortcut(x) + F.relu(y)

    return with_block(Block)


@misconception("E4", diagnosis="projection-everywhere")
def projects_always():
    class Block(Sound):
        project_always = True

    return with_block(Block)


@misconception("E4", diagnosis="shortcut-without-weights")
def slices_and_pads():
    class Slice(nn.Module):
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.more, self.stride = max(0, cout - cin), stride

        def forward(self, x):
            return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))

    class Block(Sound):
        def make_shortcut(self, cin, cout, stride):
            return Slice(cin, cout, stride)

    return with_block(Block)


@misconception("E4", diagnosis="input-changed")
def relu_in_place():
    class Block(Sound):
        def branch(self, x):
            if self.preact:
                return super().branch(x)
            return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(F.relu_(x))))))

    return with_block(Block)


@misconception("E4", diagnosis="idle-bias")
def keeps_the_biases():
    class Block(Sound):
        bias = True

    return with_block(Block)


@misconception("E4", diagnosis="preact-branch-is-dead")
def zeroes_gamma_in_both():
    class Block(Sound):
        def zero(self):
            nn.init.zeros_(self.bn2.weight)

    return with_block(Block)


@misconception("E4", diagnosis="zero-gamma-missing")
def zeroes_the_first_norm():
    class Block(Sound):
        def zero(self):
            nn.init.zeros_(self.conv2.weight if self.preact else self.bn1.weight)

    return with_block(Block)


@misconception("E4", diagnosis="stride-in-the-wrong-place")
def strides_later():
    class Block(Sound):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, preact, zero_gamma, skip)
            self.conv1.stride, self.conv2.stride = (1, 1), (stride, stride)

    return with_block(Block)


@misconception("E4", diagnosis="preact-wired-another-way")
def relu_after_preact():
    class Block(Sound):
        def join(self, x, y):
            return F.relu(super().join(x, y))

    return with_block(Block)


@misconception("E4", diagnosis="plain-block-is-constant")
def zeroes_plain_blocks_too():
    class Block(Sound):
        def __init__(self, cin, cout, stride=1, preact=False, zero_gamma=True, skip=True):
            super().__init__(cin, cout, stride, preact, zero_gamma, skip)
            if zero_gamma:
                self.zero()

    return with_block(Block)


@misconception("E4", diagnosis="softmax-at-the-end")
def ends_in_probabilities():
    class TinyResNet(network(BasicBlock)):
        def forward(self, x):
            return super().forward(x).softmax(dim=1)

    return {"TinyResNet": TinyResNet}


@misconception("E4", diagnosis="image-size-is-fixed")
def flattens_eight_by_eight():
    class TinyResNet(network(BasicBlock)):
        def forward(self, x):
            maps = self.features(x)
            return self.head(maps.reshape(len(x), -1, 16).mean(2))

    return {"TinyResNet": TinyResNet}


@misconception("E4", diagnosis="block-counts")
def one_width_for_all():
    return {"TinyResNet": network(BasicBlock, widen=1)}


def profile(of):
    def gradient_profile(model, x, y):
        outputs, handles = [], []
        for part in model.modules():
            if isinstance(part, BasicBlock):
                handles.append(part.register_forward_hook(lambda _p, _i, output: outputs.append(output)))
        loss = F.cross_entropy(model(x), y)
        for handle in handles:
            handle.remove()
        return of(model, loss, outputs)

    return {"gradient_profile": gradient_profile}


@misconception("E4", diagnosis="profile-of-something-else")
def norms_of_the_weights_gradients():
    def of(model, loss, outputs):
        return [g.norm().item() for g in torch.autograd.grad(loss, list(model.parameters()))]

    return profile(of)


@misconception("E4", diagnosis="profile-leaves-traces")
def calls_backward():
    def of(model, loss, outputs):
        for output in outputs:
            output.retain_grad()
        loss.backward()
        return [output.grad.norm().item() for output in outputs]

    return profile(of)
