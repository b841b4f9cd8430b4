"""Wrong answers to E5: one training loop, with one mistake at a time."""

import torch
import torch.nn.functional as F

from courseware.check import misconception
from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e3_memory import checkpointed
from phase1_foundations.lab5_gpu_mixed_precision.solution import MasterWeights, Net, to_format


def trainer(
    *,
    checkpoint=None,
    weigh=lambda loss, micro: loss / micro,
    report=lambda losses, scale, div: sum(losses) / len(losses),
    masters=MasterWeights,
    eps=1e-30,
    pieces=lambda batch, micro: batch.chunk(micro),
    whole_batches=True,
    update_each_piece=False,
    clear=True,
    scale_after=False,
    plain_step=False,
    divide=True,
):
    """A sound `train_amp` with parts to be exchanged."""
    checkpoint = checkpoint or checkpointed()

    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        torch.manual_seed(seed)
        model, log = Net(fmt, dropout), []
        weights = masters(model, lambda m: torch.optim.Adam(m, lr=2e-3, eps=eps), fmt)

        def forward(x):
            if not ckpt:
                return model(x)
            for half in (model.blocks[:2], model.blocks[2:]):
                x = checkpoint(torch.nn.Sequential(*half), x)
            return x

        for _ in range(epochs):
            order, losses = torch.randperm(len(X)), []
            kept = order[: len(X) // 128 * 128] if whole_batches else order
            for batch in kept.split(128):
                losses = []
                for rows in pieces(batch, micro):
                    loss = F.cross_entropy(forward(X[rows]), y[rows])
                    losses.append(loss.item())
                    loss = weigh(loss, micro) / (loss_div if divide else 1)
                    (scaler.scale(loss) if scaler else loss).backward()
                    if update_each_piece and scaler:
                        scaler.update()
                gradients = torch.cat([p.grad.flatten() for p in model.parameters()])
                zeros = (gradients == 0).double().mean().item()
                if clear:
                    weights.collect_grads()
                else:
                    for master, p in zip(weights.masters, model.parameters(), strict=True):
                        master.grad = p.grad.clone()
                scale, stepped = scaler.get_scale() if scaler else 1.0, True
                if scaler and not plain_step:
                    stepped = scaler.step(weights.optimizer)
                    if not update_each_piece:
                        scaler.update()
                else:
                    weights.optimizer.step()
                    if scaler:
                        scaler.update()
                weights.publish()
                if scale_after and scaler:
                    scale = scaler.get_scale()
                row = {"loss": report(losses, scale, loss_div), "scale": scale}
                log.append({**row, "stepped": stepped, "zeros": zeros})
        return model, log

    return train_amp


@misconception("E5", diagnosis="gradient-of-another-size")
def divides_by_micro_twice():
    return {"train_amp": trainer(weigh=lambda loss, micro: loss / micro / micro)}


@misconception("E5", diagnosis="masters-are-rounded")
def rounds_after_the_step():
    class Rounded(MasterWeights):
        def publish(self):
            with torch.no_grad():
                for master, p in zip(self.masters, self._parameters, strict=True):
                    master.copy_(to_format(master, self._fmt))
                    p.copy_(master)

    return {"train_amp": trainer(masters=Rounded)}


@misconception("E5", diagnosis="checkpoint-draws-other-numbers")
def generator_not_restored():
    return {"train_amp": trainer(checkpoint=checkpointed(restore=False))}


@misconception("E5", diagnosis="logs-another-loss")
def logs_the_scaled_loss():
    def report(losses, scale, div):
        return sum(losses) / len(losses) * scale / div

    return {"train_amp": trainer(report=report)}


@misconception("E5", diagnosis="logs-the-loss-of-one-piece")
def logs_the_last_piece():
    return {"train_amp": trainer(report=lambda losses, scale, div: losses[-1])}


@misconception("E5", diagnosis="another-optimizer")
def adams_own_eps():
    return {"train_amp": trainer(eps=1e-8)}


@misconception("E5", diagnosis="pieces-of-another-size")
def micro_rows_a_piece():
    return {"train_amp": trainer(pieces=lambda batch, micro: batch.split(micro))}


@misconception("E5", diagnosis="log-is-not-one-row-a-batch")
def keeps_the_rest():
    return {"train_amp": trainer(whole_batches=False)}


@misconception("E5", diagnosis="update-once-a-batch")
def updates_after_each_piece():
    return {"train_amp": trainer(update_each_piece=True)}


@misconception("E5", diagnosis="gradients-never-cleared")
def leaves_gradients():
    return {"train_amp": trainer(clear=False)}


@misconception("E5", diagnosis="skips-not-logged")
def scale_after_the_update():
    return {"train_amp": trainer(scale_after=True)}


@misconception("E5", diagnosis="no-optimizer-step")
def steps_past_the_scaler():
    return {"train_amp": trainer(plain_step=True)}


@misconception("E5", diagnosis="checkpointing-keeps-everything")
def never_checkpoints():
    return {"train_amp": trainer(checkpoint=checkpointed(record=True))}
