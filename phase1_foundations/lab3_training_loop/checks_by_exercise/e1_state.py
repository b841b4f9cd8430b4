"""The known mistakes of E1 around the step: groups, zero_grad, saving and loading."""

import copy
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, through_a_file
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()


def stepped(a: Any, gradient: float = 4.0, **options: Any) -> tuple[Any, list[Tensor]]:
    """Two parameters, at 1 and 2, after one step; the second had no gradient."""
    params = [leaf([1.0]), leaf([2.0])]
    optimizer = a.SGD(params, **{"lr": 0.1, "momentum": 0.5, **options})
    params[0].grad = torch.full_like(params[0], gradient)
    optimizer.step()
    return optimizer, params


@probes("nesterov-without-momentum")
def nesterov_alone(a: Any, t: Trial) -> str | None:
    for how in ({}, {"momentum": 0.9, "dampening": 0.5}):
        attempt = t.tried(lambda h=how: a.SGD([leaf([1.0])], lr=0.1, nesterov=True, **h))
        if attempt.error is None or not (
            attempt.raised(ValueError) or isinstance(attempt.error, NotImplementedError)
        ):
            did = f"raises {type(attempt.error).__name__}" if attempt.error else "is accepted"
            what = ", ".join(f"{k}={v}" for k, v in {"nesterov": True, **how}.items())
            return (
                f"SGD(params, lr=0.1, {what}) {did}: Nesterov needs a momentum and no dampening, else "
                "ValueError"
            )
    if t.attempt(lambda: a.SGD([leaf([1.0])], lr=0.1, momentum=0.9, nesterov=True)).raised(ValueError):
        return (
            "SGD(params, lr=0.1, momentum=0.9, nesterov=True) raises ValueError, but nothing is wrong with it"
        )
    return None


@probes("options-of-a-group-ignored")
def group_options(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([1.0])]
    optimizer = a.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    found = [p.item() for p in params]
    if not close(found, [0.9, 0.5]):
        return (
            "two groups, the second with lr = 0.5 of its own and the first with 0.1 from the arguments: from "
            f"1 with gradients 1 they should go to 0.9 and 0.5, yours are at {numbers(found)}"
        )
    found_groups = len(optimizer.param_groups)
    if found_groups != 2:
        return f"two dicts make two groups, your `param_groups` has {found_groups}"
    return None


@probes("callers-groups-changed")
def callers_groups(a: Any, t: Trial) -> str | None:
    given = {"params": [leaf([1.0])]}
    first = a.SGD([given], lr=0.5)
    second = a.SGD([given], lr=0.1)
    rates = [first.param_groups[0]["lr"], second.param_groups[0]["lr"]]
    if rates != [0.5, 0.1]:
        return (
            f"two optimizers made from one dict with lr = 0.5 and lr = 0.1 have the rates {rates}: you fill "
            "in the caller's dict itself. Make a new one: `{**defaults, **group}`"
        )
    return None


@probes("zero-grad-does-nothing")
def zero_grad_nothing(a: Any, t: Trial) -> str | None:
    optimizer, params = stepped(a)
    optimizer.zero_grad()
    if params[0].grad is not None:
        return (
            f"after zero_grad() a gradient is {numbers(params[0].grad)}, expected None (the default of "
            "`set_to_none` is True)"
        )
    return None


@probes("zero-grad-without-zeros")
def zero_grad_zeros(a: Any, t: Trial) -> str | None:
    optimizer, params = stepped(a)
    attempt = t.tried(lambda: optimizer.zero_grad(set_to_none=False))
    if attempt.raised(AttributeError, TypeError):
        return (
            f"zero_grad(set_to_none=False) fails ({attempt.error}): a parameter may have no gradient to fill"
        )
    if params[0].grad is None or params[0].grad.item() != 0:
        return "zero_grad(set_to_none=False) should fill the gradient with zeros, and keep it"
    if params[1].grad is not None:
        return "zero_grad(set_to_none=False) made a gradient where there was None: leave None alone"
    return None


@probes("buffer-zeroed-with-the-gradients")
def buffer_zeroed(a: Any, t: Trial) -> str | None:
    optimizer, params = stepped(a)
    optimizer.zero_grad(set_to_none=False)
    before = params[0].item()
    optimizer.step()
    if close(params[0].item(), before):
        return "zero_grad also cleared the momentum: it clears gradients, never what is remembered"
    return None


@probes("state-dict-of-another-form")
def other_form(a: Any, t: Trial) -> str | None:
    optimizer, _ = stepped(a)
    saved = optimizer.state_dict()
    if not isinstance(saved, dict) or not {"state", "param_groups"} <= saved.keys():
        keys = list(saved) if isinstance(saved, dict) else type(saved).__name__
        return f'state_dict() should be a dict with "state" and "param_groups"; yours is {keys}'
    return None


@probes("state-by-identity")
def by_identity(a: Any, t: Trial) -> str | None:
    optimizer, _ = stepped(a)
    saved = optimizer.state_dict()
    if wrong := [key for key in saved["state"] if key not in (0, 1) or isinstance(key, Tensor)]:
        kind = "a tensor" if isinstance(wrong[0], Tensor) else f"{wrong[0]!r:.40}"
        return (
            f'"state" is keyed by {kind}, which means nothing in another process: number the '
            "parameters, 0, 1, "
            "… through all groups"
        )
    numbered = saved["param_groups"][0].get("params")
    if not isinstance(numbered, list | tuple) or list(numbered) != [0, 1] or _holds_tensor(numbered):
        return (
            'in the state_dict, "params" of a group should be the numbers [0, 1] of its parameters; '
            "yours is "
            f"{'a list of tensors' if _holds_tensor(numbered) else numbered!r:.60}"
        )
    return None


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value)


@probes("numbers-begin-anew")
def begin_anew(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([2.0])]
    optimizer = a.SGD([{"params": [p]} for p in params], lr=0.1, momentum=0.5)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    saved = optimizer.state_dict()
    found = [list(group["params"]) for group in saved["param_groups"]]
    if found != [[0], [1]] or sorted(saved["state"]) != [0, 1]:
        return (
            'two groups of one parameter each: their "params" should be [0] and [1], yours are '
            f"{found}, and "
            f'"state" has {sorted(saved["state"])}. The numbers run through all groups'
        )
    return None


@probes("numbers-without-gaps")
def without_gaps(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([2.0])]
    optimizer = a.SGD(params, lr=0.1, momentum=0.5)
    params[1].grad = torch.ones_like(params[1])
    optimizer.step()
    kept = {number for number, value in optimizer.state_dict()["state"].items() if value}
    if kept == {0}:
        return (
            "of two parameters only number 1 has a momentum, and it is saved under 0: the number is the "
            "parameter's place among all, not its place among those that have something to remember"
        )
    return None


@probes("state-of-a-skipped-parameter")
def state_of_skipped(a: Any, t: Trial) -> str | None:
    optimizer, _ = stepped(a)
    kept = optimizer.state_dict()["state"].get(1)
    if kept and any(isinstance(value, Tensor) for value in kept.values()):
        return (
            "parameter 1 never had a gradient, but something is remembered about it: make the buffer "
            "when needed"
        )
    return None


@probes("buffer-not-in-the-state")
def not_in_state(a: Any, t: Trial) -> str | None:
    optimizer, _ = stepped(a)
    kept = optimizer.state_dict()["state"].get(0)
    if not isinstance(kept, dict) or "momentum_buffer" not in kept:
        return (
            f'after a step with momentum state_dict()["state"][0] is {kept!r:.60}, expected '
            '{"momentum_buffer": v}'
        )
    if not close(kept["momentum_buffer"], 4.0):
        return (
            f"after one step with gradient 4 the saved buffer is {kept['momentum_buffer']!r:.60}, expected 4"
        )
    missing = {"lr", "momentum", "dampening", "nesterov", "weight_decay"} - set(
        optimizer.state_dict()["param_groups"][0]
    )
    if missing:
        return f"the groups in the state_dict lack {', '.join(sorted(missing))}: all options are saved"
    return None


@probes("file-is-refused")
def file_refused(a: Any, t: Trial) -> str | None:
    saved = stepped(a)[0].state_dict()
    attempt = t.tried(lambda: through_a_file(saved))
    if attempt.error is not None:
        return (
            "the state_dict, written by torch.save, is refused by torch.load(…, weights_only=True) "
            f"({' '.join(str(attempt.error).split())[:120]}): only dicts, lists, numbers, texts and tensors"
        )
    return None


@probes("options-not-restored")
def options_not_restored(a: Any, t: Trial) -> str | None:
    optimizer, _ = stepped(a, lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.01
    again = a.SGD([leaf([1.0]), leaf([2.0])], lr=0.7, momentum=0.5)
    again.load_state_dict(through_a_file(optimizer.state_dict()))
    if again.param_groups[0]["lr"] != 0.01:
        return (
            f"lr was 0.01 when it was saved, and after load_state_dict it is {again.param_groups[0]['lr']}: "
            "the options belong to the state, else a resumed run has the rate of its first step"
        )
    return None


@probes("buffer-not-restored")
def buffer_not_restored(a: Any, t: Trial) -> str | None:
    optimizer, params = stepped(a)
    copies = [leaf(p) for p in params]
    again = a.SGD(copies, lr=0.1, momentum=0.5)
    again.load_state_dict(through_a_file(optimizer.state_dict()))
    if any(p is q for p, q in zip(again.param_groups[0]["params"], copies, strict=False)) is False:
        return (
            'after load_state_dict the group\'s "params" no longer are the tensors that the optimizer '
            "was made "
            "with: take the options from the state_dict, and leave the tensors"
        )
    before = copies[0].item()
    copies[0].grad = torch.zeros_like(copies[0])
    again.step()
    if close(copies[0].item(), before):
        return (
            "saved with a momentum of 4, loaded elsewhere, and the next step (gradient 0) does not move: the "
            "buffer was lost. Look at how load_state_dict finds the parameter that belongs to a number"
        )
    if not close(copies[0].item(), before - 0.2):
        return (
            "saved with a momentum of 4, loaded elsewhere: the next step with gradient 0 goes from "
            f"{before:.3g} to {copies[0].item():.4g}, expected {before - 0.2:.4g} (v = 0.5·4, lr = 0.1)"
        )
    return None


@probes("loaded-state-is-shared")
def shared(a: Any, t: Trial) -> str | None:
    optimizer, params = stepped(a)
    saved = optimizer.state_dict()
    snapshot = copy.deepcopy(saved)
    copies = [leaf(p) for p in params]
    again = a.SGD(copies, lr=0.1, momentum=0.5)
    again.load_state_dict(saved)
    if saved["param_groups"] != snapshot["param_groups"] or list(saved["state"]) != list(snapshot["state"]):
        return "load_state_dict changes the state_dict that it is given (`pop`, `update`): work on a copy"
    copies[0].grad = torch.full_like(copies[0], 100.0)
    again.step()
    again.param_groups[0]["lr"] = 9.0
    if optimizer.param_groups[0]["lr"] != 0.1 or saved["param_groups"] != snapshot["param_groups"]:
        return (
            "who changes lr in the loading optimizer changes the saved one's, too: copy the groups on loading"
        )
    if not close(saved["state"][0]["momentum_buffer"], snapshot["state"][0]["momentum_buffer"]):
        return (
            "a step of the optimizer that loaded changed the buffer of the one that saved: they share a "
            "tensor. Copy on loading (`copy.deepcopy(state_dict)`)"
        )
    return None
