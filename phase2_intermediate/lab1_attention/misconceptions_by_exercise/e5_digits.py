"""Wrong answers to E5."""

import torch
import torch.nn.functional as F

from courseware.check import misconception
from phase2_intermediate.lab1_attention import solution
from phase2_intermediate.lab1_attention.solution import PatchAttention as Sound
from phase2_intermediate.lab1_attention.solution import patches as right_patches


def trainer(model_class, *, loss=F.cross_entropy, finish=lambda model: model.eval()):
    """A short training loop around another model or loss."""

    def train_attention(X, y, *, epochs=25, seed=0, layers=1, positions=True):
        torch.manual_seed(seed)
        model = model_class(layers=layers, positions=positions)
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                loss(model(X[rows]), y[rows]).backward()
                optimizer.step()
        return finish(model)

    return train_attention


class Pieces(Sound):
    """The model in pieces; each misconception replaces one of them."""

    def place(self, h):
        return h if self.position is None else h + self.position

    def patches(self, x):
        return right_patches(x)

    def pooled(self, h):
        return (self.pool(h).softmax(dim=1) * h).sum(dim=1)

    def finish(self, z):
        return z

    def forward(self, x):
        h = self.place(self.embed(self.patches(x)))
        self.last_weights = []
        for n, (attention, network) in enumerate(zip(self.attentions, self.networks, strict=True)):
            update, weights = attention(self.norms[2 * n](h), need_weights=True)
            h = h + update
            h = h + network(self.norms[2 * n + 1](h))
            self.last_weights.append(weights.detach())
        return self.finish(self.classify(self.pooled(self.last_norm(h))))


def model(pieces):
    class PatchAttention(pieces):
        pass

    return {"PatchAttention": PatchAttention, "train_attention": trainer(PatchAttention)}


@misconception("E5", diagnosis="positions-forgotten")
def never_adds_positions():
    class Wrong(Pieces):
        def place(self, h):
            return h

    return model(Wrong)


@misconception("E5", diagnosis="patches-are-rows")
def four_pixels_of_a_row():
    return {"patches": lambda x: x.reshape(-1, 16, 4)}


@misconception("E5", diagnosis="patches-and-pixels-exchanged")
def unfold_reshaped():
    return {"patches": lambda x: F.unfold(x[:, None], 2, stride=2).reshape(-1, 16, 4)}


@misconception("E5", diagnosis="images-influence-each-other")
def pools_over_the_batch():
    class Wrong(Pieces):
        def pooled(self, h):
            return (self.pool(h).softmax(dim=0) * h).sum(dim=1)

    return model(Wrong)


@misconception("E5", diagnosis="not-logits")
def softmax_at_the_end():
    class Wrong(Pieces):
        def finish(self, z):
            return z.softmax(dim=-1)

    return model(Wrong)


@misconception("E5", diagnosis="places-known-without-positions")
def flattens_the_tokens():
    class Wrong(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, layers, positions)
            self.place_weights = torch.nn.Parameter(torch.randn(16, 1))

        def pooled(self, h):
            return ((self.place_weights if self.position is None else self.pool(h)).softmax(dim=-2) * h).sum(
                dim=1
            )

    return model(Wrong)


@misconception("E5", diagnosis="last-weights-not-detached")
def keeps_the_graph():
    class Wrong(Pieces):
        def forward(self, x):
            kept = []
            hooks = [
                layer.register_forward_hook(lambda _, __, result: kept.append(result[1]))
                for layer in self.attentions
            ]
            out = super().forward(x)
            for hook in hooks:
                hook.remove()
            self.last_weights = kept
            return out

    return model(Wrong)


@misconception("E5", diagnosis="last-weights-count")
def never_starts_anew():
    class Wrong(Pieces):
        def forward(self, x):
            before = list(self.last_weights)
            out = super().forward(x)
            self.last_weights = before + self.last_weights
            return out

    return model(Wrong)


@misconception("E5", diagnosis="rollout-in-the-wrong-order")
def first_layer_on_the_left():
    def rollout(weights):
        total = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
        for layer in weights:
            total = total @ (0.5 * layer + 0.5 * torch.eye(layer.shape[-1], dtype=layer.dtype))
        return total

    return {"rollout": rollout}


@misconception("E5", diagnosis="rollout-without-residual")
def attention_alone():
    def rollout(weights):
        total = weights[0]
        for layer in weights[1:]:
            total = layer @ total
        return total

    return {"rollout": rollout}


@misconception("E5", diagnosis="seed-does-not-decide")
def initial_weights_as_they_come():
    def train_attention(X, y, *, epochs=25, seed=0, layers=1, positions=True):
        model = Sound(layers=layers, positions=positions)
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(epochs):
            for rows in torch.randperm(len(X), generator=generator).split(64):
                optimizer.zero_grad()
                F.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
        return model.eval()

    return {"train_attention": train_attention}


@misconception("E5", diagnosis="not-in-eval-mode")
def leaves_it_in_training():
    return {"train_attention": lambda X, y, **options: solution.train_attention(X, y, **options).train()}


@misconception("E5", diagnosis="does-not-learn")
def never_steps():
    def train_attention(X, y, *, epochs=25, seed=0, layers=1, positions=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Sound(layers=layers, positions=positions)
        for rows in torch.arange(len(X)).split(64):
            F.cross_entropy(model(X[rows]), y[rows]).backward()
        return model.eval()

    return {"train_attention": train_attention}
