"""Wrong answers to E5, as a stranger would write them."""

import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from tests.labs.answers import Answers

wrong = Answers()


def crooked(x, generator, turn=0.5, grow=0.15, move=0.3):
    u = 2 * torch.rand(4, len(x), generator=generator) - 1
    angle, scale = turn * u[0], 1 + grow * u[1]
    cos, sin = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack([cos, -sin, move * u[2], sin, cos, move * u[3]], dim=1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def pipeline(change=crooked, data=lambda x, y: (x, y), order=True, **how):
    def build_pipeline(X200, y200, *, seed):
        generator = torch.Generator().manual_seed(seed)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            found = change(x, generator)
            return found if isinstance(found, tuple) else (found, y)

        settings = {"batch_size": 50, "collate_fn": collate}
        if order:
            settings |= {"shuffle": True, "generator": torch.Generator().manual_seed(seed)}
        return DataLoader(TensorDataset(*data(X200, y200)), **{**settings, **how})

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def vertical_flips():
    def change(x, generator):
        flip = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
        return torch.where(flip, crooked(x, generator).flip(-2), crooked(x, generator))

    return pipeline(change)


@wrong("E5")
def degrees_for_radians():
    return pipeline(lambda x, generator: crooked(x, generator, turn=25))


@wrong("E5")
def quarter_turns():
    def change(x, generator):
        turns = torch.randint(0, 4, (len(x),), generator=generator)
        return torch.stack(
            [image.rot90(int(k), (-2, -1)) for image, k in zip(crooked(x, generator), turns, strict=True)]
        )

    return pipeline(change)


@wrong("E5")
def standardised_images():
    def change(x, generator):
        x = crooked(x, generator)
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1e-6)

    return pipeline(change)


@wrong("E5")
def pixels_as_bytes():
    return pipeline(lambda x, generator: (crooked(x, generator) * 255).round())


@wrong("E5")
def float64_images():
    return pipeline(lambda x, generator: crooked(x, generator).double())


@wrong("E5")
def flattened_images():
    return pipeline(lambda x, generator: crooked(x, generator).flatten(1))


@wrong("E5")
def not_shuffled():
    return pipeline(order=False)


@wrong("E5")
def shuffled_by_the_global_generator():
    return pipeline(order=False, shuffle=True)


@wrong("E5")
def seeds_the_global_generator_once():
    def build_pipeline(X200, y200, *, seed):
        torch.manual_seed(seed)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            return crooked(x, None), y

        return DataLoader(TensorDataset(X200, y200), batch_size=50, shuffle=True, collate_fn=collate)

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def with_replacement():
    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator().manual_seed(seed)
        sampler = WeightedRandomSampler(torch.ones(len(X200)), len(X200), replacement=True, generator=g)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            return crooked(x, g), y

        return DataLoader(TensorDataset(X200, y200), batch_size=50, sampler=sampler, collate_fn=collate)

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def five_copies_in_advance():
    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator().manual_seed(seed)
        x = torch.cat([crooked(X200, g) for _ in range(5)])
        return DataLoader(TensorDataset(x, y200.repeat(5)), batch_size=50, shuffle=True, generator=g)

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def distorts_the_stored_images():
    class Stored(Dataset):
        def __init__(self, x, y, g):
            self.x, self.y, self.g = x, y, g

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            self.x[i] = crooked(self.x[i : i + 1], self.g)[0]
            return self.x[i], int(self.y[i])

    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator().manual_seed(seed)
        return DataLoader(Stored(X200, y200, g), batch_size=50, shuffle=True, generator=g)

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def images_and_labels_shuffled_apart():
    def change(x, generator):
        return crooked(x[torch.randperm(len(x), generator=generator)], generator)

    return pipeline(change)


@wrong("E5")
def half_of_them_distorted():
    def change(x, generator):
        chosen = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.3
        return torch.where(chosen, crooked(x, generator), x)

    return pipeline(change)


@wrong("E5")
def a_list_of_batches():
    def build_pipeline(X200, y200, *, seed):
        return list(pipeline()["build_pipeline"](X200, y200, seed=seed))

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def seed_is_forgotten():
    def build_pipeline(X200, y200, *, seed):
        return pipeline()["build_pipeline"](X200, y200, seed=0)

    return {"build_pipeline": build_pipeline}


@wrong("E5")
def soft_labels():
    def change(x, generator):
        return crooked(x, generator), torch.full((len(x), 10), 0.1)

    return pipeline(change)


@wrong("E5", slow=True)
def too_little_turning():
    return pipeline(lambda x, generator: crooked(x, generator, turn=0.02, grow=0.01, move=0.01))


# ---- choose_workers -------------------------------------------------------------------------------------


def clock(measure, choose=lambda seconds: min(seconds, key=seconds.get)):
    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        seconds = {w: measure(dataset, w, budget_s / len(candidates)) for w in candidates}
        return choose(seconds), seconds

    return {"choose_workers": choose_workers}


def run(dataset, workers, share, size=32):
    loader, start, seen = DataLoader(dataset, batch_size=size, num_workers=workers), time.perf_counter(), 0
    for _ in loader:
        seen += 1
        if time.perf_counter() - start > share:
            break
    return time.perf_counter() - start, seen, len(loader)


@wrong("E5")
def times_the_constructor():
    def measure(dataset, workers, share):
        start = time.perf_counter()
        DataLoader(dataset, batch_size=32, num_workers=workers)
        return time.perf_counter() - start

    return clock(measure)


@wrong("E5")
def seconds_per_batch():
    def measure(dataset, workers, share):
        elapsed, seen, _ = run(dataset, workers, share)
        return elapsed / seen

    return clock(measure)


@wrong("E5")
def milliseconds():
    def measure(dataset, workers, share):
        elapsed, seen, total = run(dataset, workers, share)
        return 1000 * elapsed * total / seen

    return clock(measure)


@wrong("E5")
def one_by_one():
    def measure(dataset, workers, share):
        elapsed, seen, total = run(dataset, workers, share, size=1)
        return elapsed * total / seen

    return clock(measure)


@wrong("E5")
def place_of_the_best():
    def choose(seconds):
        values = list(seconds.values())
        return values.index(min(values))

    def measure(dataset, workers, share):
        elapsed, seen, total = run(dataset, workers, share)
        return elapsed * total / seen

    return clock(measure, choose)


@wrong("E5")
def only_the_best():
    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        return min(candidates, key=lambda w: run(dataset, w, budget_s / len(candidates))[0])

    return {"choose_workers": choose_workers}


@wrong("E5")
def zero_for_small_data():
    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        return (0 if len(dataset) < 2000 else max(candidates)), dict.fromkeys(candidates, 1.0)

    return {"choose_workers": choose_workers}


@wrong("E5")
def three_batches_are_enough():
    def measure(dataset, workers, share):
        loader, start = DataLoader(dataset, batch_size=32, num_workers=workers), time.perf_counter()
        for seen, _ in enumerate(loader, 1):
            if seen == 3:
                break
        return (time.perf_counter() - start) * len(loader) / min(3, len(loader))

    return clock(measure)


# ---- train ----------------------------------------------------------------------------------------------


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def trainer(model=net, step=None, epochs=False, finish=lambda m: m.eval(), seeded=True, first=False):
    def train(loader, steps=1500, seed=0):
        if seeded:
            torch.manual_seed(seed)
        m = model()
        opt = torch.optim.Adam(m.parameters(), lr=2e-3)
        done = 0
        fixed = list(loader) if first else None
        while done < steps:
            for x, y in fixed or loader:
                loss = F.cross_entropy(m(x), y)
                if step:
                    step(opt, loss)
                else:
                    opt.zero_grad()
                    loss.backward()
                    opt.step()
                if not epochs:
                    done += 1
                    if done == steps:
                        break
            if epochs:
                done += 1
        return finish(m)

    return {"train": train}


@wrong("E5")
def counts_epochs():
    return trainer(epochs=True)


@wrong("E5")
def keeps_the_first_epoch():
    return trainer(first=True)


@wrong("E5")
def forgets_the_step():
    def step(opt, loss):
        opt.zero_grad()
        loss.backward()

    return trainer(step=step)


@wrong("E5")
def climbs():
    def step(opt, loss):
        opt.zero_grad()
        (-loss).backward()
        opt.step()

    return trainer(step=step)


@wrong("E5")
def clears_after_backward():
    def step(opt, loss):
        loss.backward()
        opt.zero_grad(set_to_none=False)
        opt.step()

    return trainer(step=step)


@wrong("E5")
def returns_the_weights():
    return trainer(finish=lambda m: m.state_dict())


@wrong("E5")
def returns_the_labels():
    class Labels(nn.Module):
        def __init__(self, m):
            super().__init__()
            self.m = m.eval()

        def forward(self, x):
            return self.m(x).argmax(1)

    return trainer(finish=lambda m: Labels(m).eval())


@wrong("E5")
def global_weights():
    return trainer(seeded=False)


@wrong("E5")
def normalises_the_test_batch():
    class PerBatch(nn.Module):
        def forward(self, x):
            return (x - x.mean()) / (x.std() + 1e-6)

    return trainer(model=lambda: nn.Sequential(PerBatch(), net()))


@wrong("E5")
def dropout_for_ever():
    class Always(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.2)

    return trainer(model=lambda: nn.Sequential(Always(), net()))


@wrong("E5")
def loads_the_digits_itself():
    def train(loader, steps=1500, seed=0):
        from shared.data import digits

        torch.manual_seed(seed)
        m, data = net(), digits().train
        opt = torch.optim.Adam(m.parameters())
        for _ in range(min(steps, 20)):
            opt.zero_grad()
            F.cross_entropy(m(data.inputs), data.targets).backward()
            opt.step()
        return m.eval()

    return {"train": train}


@wrong("E5")
def one_step_too_many():
    def train(loader, steps=1500, seed=0):
        return trainer()["train"](loader, steps + 1, seed)

    return {"train": train}


@wrong("E5")
def a_new_epoch_for_each_step():
    def train(loader, steps=1500, seed=0):
        torch.manual_seed(seed)
        m = net()
        opt = torch.optim.Adam(m.parameters(), lr=2e-3)
        for _ in range(steps):
            x, y = next(iter(loader))
            opt.zero_grad()
            F.cross_entropy(m(x), y).backward()
            opt.step()
        return m.eval()

    return {"train": train}


@wrong("E5")
def turns_to_one_side_only():
    def change(x, generator):
        u = torch.rand(4, len(x), generator=generator)
        angle, scale = 0.5 * u[0], 1 + 0.15 * u[1]
        cos, sin = scale * angle.cos(), scale * angle.sin()
        theta = torch.stack([cos, -sin, 0.3 * u[2], sin, cos, 0.3 * u[3]], dim=1).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)

    return pipeline(change)
