"""Wrong answers to E4, third part: a limit of 0, a mode that is changed, entries that are cut one by one."""

import math

import torch

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def zero_is_no_limit():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        limit = max_norm or None
        return solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer, max_norm=limit)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def turns_to_evaluation():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        return solution.accumulate_step(
            model.eval(), loss_sum_fn, micro_batches, optimizer, max_norm=max_norm
        )

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def cuts_each_entry():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = list(params)
        norm = solution.clip_grad_norm_(params, math.inf, norm_type, error_if_nonfinite)
        for p in params:
            if p.grad is not None and norm > max_norm:
                torch.clamp_(p.grad, -max_norm, max_norm)
        return norm

    return {"clip_grad_norm_": clip_grad_norm_}
