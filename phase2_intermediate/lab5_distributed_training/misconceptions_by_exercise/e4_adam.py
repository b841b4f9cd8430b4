"""Wrong answers to E4: one sharded optimizer, with one mistake at a time."""

import torch
import torch.distributed as dist

from courseware.check import misconception


class Sound:
    """A sound answer, which keeps a count of steps for each number; the mistakes override a method."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, group=None):
        self.params, self.lr, self.betas, self.eps, self.decay = list(params), lr, betas, eps, weight_decay
        self.group = dist.group.WORLD if group is None else group
        self.rank, self.world = dist.get_rank(self.group), dist.get_world_size(self.group)
        self.n = sum(p.numel() for p in self.params)
        self.size = -(-self.n // self.world)
        self.m, self.v = (torch.zeros(self.kept(), dtype=self.params[0].dtype) for _ in range(2))
        self.steps = [0] * len(self.params)

    def kept(self):
        return self.size

    def flat(self, tensors, dtype=None):
        whole = torch.cat([t.detach().flatten() for t in tensors])
        return torch.cat([whole, whole.new_zeros(self.size * self.world - self.n)]).to(dtype or whole.dtype)

    def own(self, whole):
        return whole[self.rank * self.size : (self.rank + 1) * self.size]

    def gather(self, own):
        parts = [torch.empty_like(own) for _ in range(self.world)]
        dist.all_gather(parts, own.contiguous(), group=self.group)
        return torch.cat(parts)

    def pieces(self, whole):
        sizes = [p.numel() for p in self.params]
        return [x.view(p.shape) for x, p in zip(whole[: self.n].split(sizes), self.params, strict=True)]

    def reduced(self, grads):
        dist.all_reduce(grads, group=self.group)
        return grads / self.world

    def count(self):
        return [s + (p.grad is not None) for s, p in zip(self.steps, self.params, strict=True)]

    def update(self, value, grad, m, v, steps):
        one, two = self.betas
        m_hat, v_hat = m / (1 - one**steps), v / (1 - two**steps)
        return value * (1 - self.lr * self.decay) - self.lr * m_hat / (v_hat.sqrt() + self.eps)

    @torch.no_grad()
    def step(self):
        grads = self.own(
            self.reduced(self.flat(torch.zeros_like(p) if p.grad is None else p.grad for p in self.params))
        )
        self.steps = self.count()
        moves = self.own(self.flat(torch.full(p.shape, p.grad is not None) for p in self.params))
        steps = self.own(
            self.flat(torch.full(p.shape, float(s)) for s, p in zip(self.steps, self.params, strict=True))
        )
        one, two = self.betas
        m, v = one * self.m + (1 - one) * grads, two * self.v + (1 - two) * grads**2
        value = self.own(self.flat(self.params))
        new = self.update(value, grads, m, v, steps.clamp(min=1).double()).to(value.dtype)
        self.m, self.v = torch.where(moves, m, self.m), torch.where(moves, v, self.v)
        self.publish(torch.where(moves, new, value))

    def publish(self, own):
        for p, x in zip(self.params, self.pieces(self.gather(own)), strict=True):
            p.copy_(x)

    def state_bytes(self):
        return self.m.nbytes + self.v.nbytes

    def state_dict_full(self):
        m, v = self.gather(self.m), self.gather(self.v)
        if self.rank:
            return {}
        return {
            "step": list(self.steps),
            "exp_avg": [x.clone() for x in self.pieces(m)],
            "exp_avg_sq": [x.clone() for x in self.pieces(v)],
        }

    def load_state_dict_full(self, state):
        self.steps = list(state["step"])
        self.m = self.own(self.flat(state["exp_avg"])).clone()
        self.v = self.own(self.flat(state["exp_avg_sq"])).clone()


@misconception("E4", diagnosis="every-rank-keeps-all-moments")
def everything_everywhere():
    class ShardedAdam(Sound):
        def kept(self):
            self.rank, self.size = 0, self.n * self.world  # one part, and it is the whole
            return self.n

        def flat(self, tensors, dtype=None):
            return torch.cat([t.detach().flatten() for t in tensors])

        def gather(self, own):
            return own

        def state_dict_full(self):
            state = super().state_dict_full()
            return state if dist.get_rank(self.group) == 0 else {}

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="ranks-own-different-weights")
def forgets_the_all_gather():
    class ShardedAdam(Sound):
        def publish(self, own):
            whole = self.flat(self.params)
            whole[self.rank * self.size : (self.rank + 1) * self.size] = own
            for p, x in zip(self.params, self.pieces(whole), strict=True):
                p.copy_(x)

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="gradients-are-added")
def sum_of_gradients():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            dist.all_reduce(grads, group=self.group)
            return grads

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="own-gradients")
def own_gradients():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            return grads

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="resumes-elsewhere")
def steps_begin_again():
    class ShardedAdam(Sound):
        def load_state_dict_full(self, state):
            super().load_state_dict_full(state)
            self.steps = [0] * len(self.params)

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="none-is-not-left-alone")
def none_counts_as_zero():
    class ShardedAdam(Sound):
        def step(self):
            for p in self.params:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            super().step()

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="decay-in-the-gradient")
def decay_as_l2():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            return super().reduced(grads) + self.decay * self.flat(self.params)

        def update(self, value, grad, m, v, steps):
            one, two = self.betas
            return value - self.lr * (m / (1 - one**steps)) / ((v / (1 - two**steps)).sqrt() + self.eps)

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="no-bias-correction")
def raw_moments():
    class ShardedAdam(Sound):
        def update(self, value, grad, m, v, steps):
            return value * (1 - self.lr * self.decay) - self.lr * m / (v.sqrt() + self.eps)

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="state-in-another-form")
def saves_the_padding():
    class ShardedAdam(Sound):
        def state_dict_full(self):
            m, v = self.gather(self.m), self.gather(self.v)
            return {} if self.rank else {"step": list(self.steps), "exp_avg": [m], "exp_avg_sq": [v]}

    return {"ShardedAdam": ShardedAdam}


@misconception("E4", diagnosis="plan-divides-something-else")
def stage_1_divides_everything():
    def memory_plan(n_params, world, stage):
        if stage not in range(4):
            raise ValueError(stage)
        share = world if stage else 1
        plan = {
            "params": 2.0 * n_params / share,
            "grads": 2.0 * n_params / share,
            "states": 12.0 * n_params / share,
        }
        return {**plan, "total": sum(plan.values())}

    return {"memory_plan": memory_plan}


@misconception("E4", diagnosis="plan-rounds")
def whole_bytes():
    def memory_plan(n_params, world, stage):
        if stage not in range(4):
            raise ValueError(stage)
        part = -(-n_params // world)
        plan = {
            "params": 2.0 * (part if stage == 3 else n_params),
            "grads": 2.0 * (part if stage >= 2 else n_params),
            "states": 12.0 * (part if stage >= 1 else n_params),
        }
        return {**plan, "total": sum(plan.values())}

    return {"memory_plan": memory_plan}
