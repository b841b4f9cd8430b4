"""More wrong answers to E4."""

from phase1_foundations.lab3_training_loop import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def clips_a_little_early():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = list(params)
        norm = solution.clip_grad_norm_(params, float("inf"), norm_type, error_if_nonfinite)
        if max_norm * 0.9 < norm <= max_norm:
            max_norm *= 0.9
        return solution.clip_grad_norm_(params, max_norm, norm_type, error_if_nonfinite)

    return {"clip_grad_norm_": clip_grad_norm_}
