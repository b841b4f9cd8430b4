"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab1_attention import solution
from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e5_digits import Pieces, model, trainer
from phase2_intermediate.lab1_attention.solution import PatchAttention as Sound
from tests.labs.answers import Answers

wrong = Answers()


def case(name, **objects):
    wrong.add("E5", name, lambda: objects)


def variant(name, **methods):
    wrong.add("E5", name, lambda: model(type("Wrong", (Pieces,), methods)))


case("patches_column_by_column", patches=lambda x: solution.patches(x.transpose(1, 2)))
case("pixels_column_by_column", patches=lambda x: solution.patches(x)[..., [0, 2, 1, 3]])
case("four_by_four_patches", patches=lambda x: x.reshape(-1, 2, 4, 2, 4).transpose(2, 3).reshape(-1, 4, 16))
case("patches_with_a_grid", patches=lambda x: solution.patches(x).reshape(-1, 4, 4, 4))
case("patches_of_one_image", patches=lambda x: solution.patches(x)[0])
case("patches_transposed", patches=lambda x: solution.patches(x).transpose(1, 2))
case(
    "patches_every_second_pixel",
    patches=lambda x: torch.stack([x[:, i::4, j::4].flatten(1) for i in range(4) for j in range(4)], 1),
)
case("patches_rows_reversed", patches=lambda x: solution.patches(x.flip(1)))
case("patches_standardised", patches=lambda x: solution.patches(x - x.mean()))


def rolled(weights, change):
    total = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
    for w in weights:
        total = change(w, torch.eye(w.shape[-1], dtype=w.dtype)) @ total
    return total


case("rollout_not_halved", rollout=lambda ws: rolled(ws, lambda w, eye: w + eye))
case(
    "rollout_last_only",
    rollout=lambda ws: 0.5 * ws[-1] + 0.5 * torch.eye(ws[-1].shape[-1], dtype=ws[-1].dtype),
)
case("rollout_mean", rollout=lambda ws: sum(ws) / len(ws))
case(
    "rollout_columns_normalised",
    rollout=lambda ws: (lambda r: r / r.sum(-2, keepdim=True))(
        rolled(ws, lambda w, eye: 0.5 * w + 0.5 * eye)
    ),
)
case("rollout_nine_to_one", rollout=lambda ws: rolled(ws, lambda w, eye: 0.9 * w + 0.1 * eye))
case(
    "rollout_transposed", rollout=lambda ws: rolled(ws, lambda w, eye: 0.5 * w + 0.5 * eye).transpose(-1, -2)
)
case("rollout_skips_the_first", rollout=lambda ws: rolled(ws[1:] or ws, lambda w, eye: 0.5 * w + 0.5 * eye))
case(
    "rollout_of_the_batch",
    rollout=lambda ws: rolled(
        [w.mean(0, keepdim=True).expand_as(w) for w in ws], lambda w, eye: 0.5 * w + 0.5 * eye
    ),
)
case(
    "rollout_elementwise",
    rollout=lambda ws: torch.stack([0.5 * w + 0.5 * torch.eye(w.shape[-1], dtype=w.dtype) for w in ws]).prod(
        0
    ),
)
variant(
    "positions_in_another_order",
    place=lambda self, h: h if self.position is None else h + self.position.flip(0),
)
variant(
    "positions_always_added",
    place=lambda self, h: (
        h
        + (
            self.position
            if self.position is not None
            else torch.sin(torch.outer(torch.arange(16.0), torch.arange(h.shape[-1])))
        )
    ),
)
variant(
    "positions_multiply_by_zero", place=lambda self, h: h if self.position is None else h + 0 * self.position
)
variant(
    "positions_detached", place=lambda self, h: h if self.position is None else h + self.position.detach()
)
variant("log_probabilities", finish=lambda self, z: z.log_softmax(-1))
variant("relu_on_logits", finish=lambda self, z: z.relu())
variant("sigmoid_on_logits", finish=lambda self, z: z.sigmoid())
variant("mean_over_the_batch", pooled=lambda self, h: h.mean(0, keepdim=True).mean(1).expand(len(h), -1))
variant("first_patch_only", pooled=lambda self, h: h[:, 0])
variant("last_patch_only", pooled=lambda self, h: h[:, -1])
variant("no_pooling", pooled=lambda self, h: h)
variant(
    "batch_standardised",
    patches=lambda self, x: (
        solution.patches((x - x.mean(0)) / (x.std(0) + 1)) if len(x) > 1 else solution.patches(x)
    ),
)
variant("one_logit_short", finish=lambda self, z: z[:, :9])
variant("classes_not_logits", finish=lambda self, z: z.argmax(-1))


class Weights(Pieces):
    """Replaces what is kept in `last_weights`."""

    def keep(self, weights):
        return weights

    def forward(self, x):
        out = super().forward(x)
        self.last_weights = self.keep(self.last_weights)
        return out


def kept(name, change):
    wrong.add(
        "E5", name, lambda: model(type("Wrong", (Weights,), {"keep": lambda self, weights: change(weights)}))
    )


kept("uniform_weights", lambda ws: [torch.full_like(w, 1 / 16) for w in ws])
wrong.add(
    "E5",
    "weights_in_evaluation_only",
    lambda: model(type("Wrong", (Weights,), {"keep": lambda self, ws: [] if self.training else ws})),
)
kept("only_the_last_layer", lambda ws: ws[-1])
kept("stacked_weights", lambda ws: torch.stack(ws))
kept("first_image_only", lambda ws: [w[:1] for w in ws])
kept("heads_as_an_axis", lambda ws: [w[:, None].expand(-1, 4, -1, -1) for w in ws])
kept("weights_twice", lambda ws: ws + ws)
kept("columns_not_rows", lambda ws: [w.transpose(-1, -2) for w in ws])
kept("no_weights", lambda ws: None)
kept("last_layer_first", lambda ws: ws[::-1])


@wrong("E5")
def four_heads_always():
    class PatchAttention(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, 4, layers, positions)

    return model(PatchAttention)


@wrong("E5")
def batch_norm_before_pooling():
    class PatchAttention(Sound):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, layers, positions)
            self.last_norm = nn.Sequential(nn.Flatten(1), nn.BatchNorm1d(16 * d), nn.Unflatten(1, (16, d)))

    return model(PatchAttention)


variant("positions_multiply", place=lambda self, h: h if self.position is None else h * self.position)


@wrong("E5")
def position_with_a_batch_axis():
    class PatchAttention(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, layers, positions)
            if positions:
                self.position = nn.Parameter(torch.randn(1, 16, d))

    return model(PatchAttention)


@wrong("E5")
def position_is_a_buffer():
    class PatchAttention(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, layers, False)
            del self.position
            self.register_buffer("position", torch.randn(16, d) if positions else None)

    return model(PatchAttention)


@wrong("E5")
def fixed_width():
    class PatchAttention(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(32, heads, layers, positions)

    return model(PatchAttention)


@wrong("E5")
def one_layer_always():
    class PatchAttention(Pieces):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, 1, positions)

    return model(PatchAttention)


@wrong("E5")
def torchs_attention_inside():
    class PatchAttention(Sound):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__(d, heads, layers, positions)
            self.attentions = nn.ModuleList(
                nn.MultiheadAttention(d, heads, batch_first=True) for _ in range(layers)
            )

        def forward(self, x):
            h = self.embed(solution.patches(x))
            h = h if self.position is None else h + self.position
            self.last_weights = []
            for n, (attention, network) in enumerate(zip(self.attentions, self.networks, strict=True)):
                z = self.norms[2 * n](h)
                update, w = attention(z, z, z)
                h = h + update
                h = h + network(self.norms[2 * n + 1](h))
                self.last_weights.append(w.detach())
            h = self.last_norm(h)
            return self.classify((self.pool(h).softmax(1) * h).sum(1))

    return model(PatchAttention)


@wrong("E5")
def a_network_without_attention():
    class PatchAttention(nn.Module):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__()
            self.position = nn.Parameter(torch.zeros(16, d)) if positions else None
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, d), nn.ReLU(), nn.Linear(d, 10))
            self.layers = layers

        def forward(self, x):
            self.last_weights = [torch.rand(len(x), 16, 16).softmax(-1) for _ in range(self.layers)]
            return self.net(x)

    return model(PatchAttention)


case("returns_the_losses_too", train_attention=lambda X, y, **o: (solution.train_attention(X, y, **o), [0.0]))
case(
    "two_layers_by_default",
    train_attention=lambda X, y, **o: solution.train_attention(X, y, **{"layers": 2, **o}),
)
case("returns_nothing", train_attention=lambda X, y, **o: None)
case("returns_predictions", train_attention=lambda X, y, **o: solution.train_attention(X, y, **o)(X))
case(
    "epochs_ignored",
    train_attention=lambda X, y, *, epochs=25, **o: solution.train_attention(X, y, epochs=25, **o),
)
case(
    "always_one_epoch",
    train_attention=lambda X, y, *, epochs=25, **o: solution.train_attention(X, y, epochs=1, **o),
)
case("seed_ignored", train_attention=lambda X, y, *, seed=0, **o: solution.train_attention(X, y, seed=0, **o))
case(
    "positions_ignored",
    train_attention=lambda X, y, *, positions=True, **o: solution.train_attention(X, y, **o),
)
case("layers_ignored", train_attention=lambda X, y, *, layers=1, **o: solution.train_attention(X, y, **o))
case(
    "never_with_positions",
    train_attention=lambda X, y, *, positions=True, **o: solution.train_attention(X, y, positions=False, **o),
)
case("labels_shifted", train_attention=lambda X, y, **o: solution.train_attention(X, (y + 1) % 10, **o))
case("ascends", train_attention=trainer(Sound, loss=lambda z, y: -F.cross_entropy(z, y)))
case(
    "squared_error_on_the_class",
    train_attention=trainer(
        Sound, loss=lambda z, y: ((z.argmax(1) - y) ** 2).float().mean().requires_grad_()
    ),
)


@wrong("E5", slow=True)
def gradients_never_cleared():
    def train_attention(X, y, *, epochs=25, seed=0, layers=1, positions=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = Sound(layers=layers, positions=positions)
        generator = torch.Generator().manual_seed(seed)
        opt = torch.optim.SGD(net.parameters(), lr=0.05)
        for _ in range(epochs):
            for rows in torch.randperm(len(X), generator=generator).split(64):
                F.cross_entropy(net(X[rows]), y[rows]).backward()
                opt.step()
        return net.eval()

    return {"train_attention": train_attention}


@wrong("E5")
def standardises_in_place():
    def train_attention(X, y, **options):
        X -= X.mean()
        return solution.train_attention(X, y, **options)

    return {"train_attention": train_attention}


@wrong("E5", slow=True)
def labels_from_elsewhere():
    def train_attention(X, y, **options):
        split = solution.digits()
        known = split.train.inputs.squeeze(1)
        if X.shape == known.shape and torch.equal(X, known):
            y = split.train.targets
        return solution.train_attention(X, y, **options)

    return {"train_attention": train_attention}
