"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from phase1_foundations.lab5_gpu_mixed_precision.solution import MasterWeights, Net, to_format
from shared.data import digits
from tests.labs.answers import Answers
from tests.labs.lab1_5.wrong_e2_weights import Unrounded

wrong = Answers()


class Settings(dict):
    """Parts of the loop below; each wrong answer exchanges one."""

    __getattr__ = dict.__getitem__


def sound_adam(masters):
    return torch.optim.Adam(masters, lr=2e-3, eps=1e-30)


DEFAULTS = Settings(
    net=lambda fmt, dropout: Net(fmt, dropout),
    seed=torch.manual_seed,
    adam=sound_adam,
    masters=MasterWeights,
    fmt=lambda fmt: fmt,
    order=lambda X, epoch: torch.randperm(len(X)),
    size=128,
    micro=lambda micro: micro,
    reduction="mean",
    divide=lambda loss, micro, loss_div: loss / micro / loss_div,
    ckpt=lambda ckpt: ckpt,
    clear_each_piece=False,
    backward_last_piece=False,
    step_each_piece=False,
    scaling=True,
    updates=True,
    publish=True,
    final_round=False,
    zeros=lambda g: (g == 0).double().mean().item(),
    counted=lambda model: model.parameters(),
    loss=lambda total: total,
    row=lambda row: row,
    rows=lambda log, epoch_rows: log,
    result=lambda model, log: (model, log),
    stepped=lambda stepped: stepped,
    data=lambda X, y: (X, y),
    train_mode=True,
    anew=False,
)


def trainer(**exchanged):
    s = Settings({**DEFAULTS, **exchanged})

    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        s.seed(seed)
        X, y = s.data(X, y)
        model, log = s.net(s.fmt(fmt), dropout).train(s.train_mode), []
        weights = s.masters(model, s.adam, s.fmt(fmt))
        micro, ckpt = s.micro(micro), s.ckpt(ckpt)

        def forward(x):
            if not ckpt:
                return model(x)
            for part in (model.blocks[:2], model.blocks[2:]):
                x = checkpoint(nn.Sequential(*part), x, use_reentrant=False)
            return x

        def move():
            weights.collect_grads()
            stepped = True
            if scaler is not None:
                stepped = scaler.step(weights.optimizer)
                if s.updates:
                    scaler.update()
            else:
                weights.optimizer.step()
            if s.publish:
                weights.publish()
            return stepped

        for epoch in range(epochs):
            if s.anew:
                weights.optimizer = s.adam(weights.masters)
            order = s.order(X, epoch)
            for batch in order[: len(order) // s.size * s.size].split(s.size):
                total, stepped = 0.0, True
                pieces = batch.chunk(micro)
                for i, rows in enumerate(pieces):
                    loss = F.cross_entropy(forward(X[rows]), y[rows], reduction=s.reduction)
                    total += loss.item() / micro
                    loss = s.divide(loss, micro, loss_div)
                    if s.clear_each_piece:
                        model.zero_grad()
                    if s.backward_last_piece and i < len(pieces) - 1:
                        continue
                    (scaler.scale(loss) if scaler is not None and s.scaling else loss).backward()
                    gradients = torch.cat([p.grad.flatten() for p in s.counted(model)])
                    scale = scaler.get_scale() if scaler is not None else 1.0
                    if s.step_each_piece:
                        stepped = move()
                if not s.step_each_piece:
                    stepped = move()
                row = {"loss": s.loss(total), "scale": scale, "stepped": s.stepped(stepped)}
                log.append(s.row({**row, "zeros": s.zeros(gradients)}))
        if s.final_round:
            with torch.no_grad():
                for p in model.parameters():
                    p.copy_(p + 1e-7 * p)
        return s.result(model, log)

    return train_amp


def variant(name, *, slow=False, **exchanged):
    wrong.add("E5", name, lambda: {"train_amp": trainer(**exchanged)}, slow=slow)


class OnTheModel(MasterWeights):
    """The optimizer moves the rounded weights themselves."""

    def __init__(self, model, optimizer_factory, fmt):
        super().__init__(model, optimizer_factory, fmt)
        self.model, self.fmt = model, fmt
        self.optimizer = optimizer_factory(list(model.parameters()))

    def collect_grads(self):
        pass

    def publish(self):
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(to_format(p, self.fmt))
                p.grad = None


class StartsRounded(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(to_format(p, fmt))
        super().__init__(model, optimizer_factory, fmt)


def plain_net(fmt, dropout):
    net = nn.Sequential()
    net.blocks = nn.ModuleList(
        [
            nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(dropout)),
            nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout)),
            nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(128, 10),
        ]
    )
    net.forward = lambda x: nn.Sequential(*net.blocks)(x)
    return net


def notebook_data(X, y):
    found = digits(flat=True).train
    return found.inputs, found.targets


variant("adam_with_its_own_eps", adam=lambda m: torch.optim.Adam(m, lr=2e-3))
variant("another_learning_rate", slow=True, adam=lambda m: torch.optim.Adam(m, lr=1e-3, eps=1e-30))
variant("sgd", slow=True, adam=lambda m: torch.optim.SGD(m, lr=2e-3))
variant("adamw", slow=True, adam=lambda m: torch.optim.AdamW(m, lr=2e-3, eps=1e-30))
variant("never_seeded", seed=lambda seed: None)
variant("always_the_same_seed", seed=lambda seed: torch.manual_seed(0))
variant("never_shuffled", order=lambda X, epoch: torch.arange(len(X)))
variant(
    "shuffled_once",
    slow=True,
    order=lambda X, epoch: torch.randperm(len(X), generator=torch.Generator().manual_seed(0)),
)
variant("drawn_with_repetition", order=lambda X, epoch: torch.randint(len(X), (len(X),)))
variant("batches_of_64", size=64)
variant("micro_ignored", micro=lambda micro: 1)
variant("pieces_added_up", divide=lambda loss, micro, loss_div: loss / loss_div)
variant(
    "divided_by_128_rows_again", slow=True, divide=lambda loss, micro, loss_div: loss / 128 / micro / loss_div
)
variant("sum_over_rows", reduction="sum")
variant("loss_not_divided", divide=lambda loss, micro, loss_div: loss / micro)
variant("fixed_divisor", divide=lambda loss, micro, loss_div: loss / micro / 2.0**18)
variant(
    "loss_divided_twice", slow=True, divide=lambda loss, micro, loss_div: loss / micro / loss_div / loss_div
)
variant("cleared_in_each_piece", clear_each_piece=True)
variant("last_piece_alone", backward_last_piece=True)
variant("a_step_for_each_piece", step_each_piece=True)
variant("scaler_only_steps", scaling=False)
variant("never_updates", updates=False)
variant("never_publishes", publish=False)
variant("returned_weights_off", slow=True, final_round=True)
variant("no_masters", masters=OnTheModel)
variant("weights_not_rounded", masters=Unrounded)
variant("starts_rounded", masters=StartsRounded)
variant("format_ignored", fmt=lambda fmt: None)
variant("always_half", slow=True, fmt=lambda fmt: (5, 10))
variant("a_net_of_its_own", net=plain_net)
variant("no_dropout", net=lambda fmt, dropout: Net(fmt))
variant("in_eval_mode", train_mode=False)
variant("always_checkpoints", ckpt=lambda ckpt: True)
variant("never_checkpoints", ckpt=lambda ckpt: False)
variant("zeros_counted_the_other_way", zeros=lambda g: (g != 0).double().mean().item())
variant("zeros_in_percent", slow=True, zeros=lambda g: 100 * (g == 0).double().mean().item())
variant("zeros_of_the_first_block", counted=lambda model: model.blocks[0].parameters())
variant("zeros_without_the_biases", counted=lambda model: [p for p in model.parameters() if p.dim() > 1])
variant("tiny_counts_as_zero", zeros=lambda g: (g.abs() < 1e-7).double().mean().item())
variant("zeros_as_a_tensor", slow=True, zeros=lambda g: (g == 0).double().mean())
variant("loss_as_a_tensor", slow=True, loss=lambda total: torch.tensor(total))
variant("loss_of_the_sum", slow=True, loss=lambda total: total * 4)
variant("always_stepped", stepped=lambda stepped: True)
variant("stepped_reversed", stepped=lambda stepped: not stepped)
variant("no_zeros_in_the_log", row=lambda row: {k: v for k, v in row.items() if k != "zeros"})
variant("lists_in_the_log", slow=True, row=lambda row: list(row.values()))
variant("model_alone", slow=True, result=lambda model, log: model)
variant("log_first", result=lambda model, log: (log, model))
variant("losses_alone", result=lambda model, log: (model, [row["loss"] for row in log]))
variant("the_notebooks_digits", data=notebook_data)
variant("a_new_adam_each_epoch", anew=True)
