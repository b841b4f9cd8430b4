"""Wrong answers to E5: one training loop, with one mistake at a time."""

import torch

from courseware.check import misconception
from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e2_tape import first_tape
from phase1_foundations.lab1_tensors.solution import Var, load_digits


def cross_entropy(z, onehot):
    Var = type(z)
    z = z - Var(z.data.amax(dim=1, keepdim=True))
    return -((z - z.exp().sum(dim=1, keepdim=True).log()) * Var(onehot)).sum() / len(onehot)


def random_weights(inputs, outputs, generator):
    return torch.randn(inputs, outputs, generator=generator) * (2 / inputs) ** 0.5


def descend(parameters, lr):
    for p in parameters:
        p.data = p.data - lr * p.grad
        p.grad = None


def trainer(
    Var=Var,
    weights=random_weights,
    update=descend,
    prepare=lambda x, X: x,
    report=lambda total, rows: total / rows,
):
    """A sound `train_digits` with parts to be exchanged."""

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        generator = torch.Generator().manual_seed(seed)
        first, second = weights(X.shape[1], hidden, generator), weights(hidden, 10, generator)
        parameters = [Var(first), Var(torch.zeros(hidden)), Var(second), Var(torch.zeros(10))]

        def scores(x):
            W1, b1, W2, b2 = parameters
            return (Var(prepare(x, X)) @ W1 + b1).relu() @ W2 + b2

        onehot, losses = torch.eye(10)[y], []
        for _ in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(X), generator=generator).split(batch_size):
                loss = cross_entropy(scores(X[rows]), onehot[rows])
                loss.backward()
                update(parameters, lr)
                total += loss.data.item() * len(rows)
            losses.append(report(total, len(X)))
        return lambda x: scores(x).data, losses

    return train_digits


@misconception("E5", diagnosis="gradients-never-cleared")
def never_clears_gradients():
    def update(parameters, lr):
        for p in parameters:
            p.data = p.data - lr * p.grad

    return {"train_digits": trainer(update=update)}


@misconception("E5", diagnosis="all-units-equal")
def starts_from_zeros():
    def zeros(inputs, outputs, generator):
        return torch.zeros(inputs, outputs)

    return {"train_digits": trainer(weights=zeros)}


@misconception("E5", diagnosis="graph-keeps-growing")
def updates_on_the_tape():
    Var = first_tape()  # inner nodes keep their gradients, so nothing stops this update

    def update(parameters, lr):
        for i, p in enumerate(parameters):
            parameters[i] = p - Var(lr * p.grad)

    return {"train_digits": trainer(Var, update=update), "Var": Var}


@misconception("E5", diagnosis="parameter-without-a-gradient")
def updates_make_results():
    def update(parameters, lr):
        for i, p in enumerate(parameters):
            parameters[i] = p - Var(lr * p.grad)

    return {"train_digits": trainer(update=update)}


@misconception("E5", diagnosis="depends-on-the-other-digits")
def standardises_with_the_batch():
    def prepare(x, X):
        return (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + 1e-2)

    return {"train_digits": trainer(prepare=prepare)}


@misconception("E5", diagnosis="true-labels-leak-in")
def trains_on_the_notebooks_variables():
    X_train, y_train, _, _ = load_digits()

    def train_digits(X, y, **settings):
        return trainer()(X_train, y_train, **settings)

    return {"train_digits": train_digits}


@misconception("E5", diagnosis="goes-uphill")
def adds_the_gradient():
    def update(parameters, lr):
        for p in parameters:
            p.data = p.data + lr * p.grad
            p.grad = None

    return {"train_digits": trainer(update=update)}


@misconception("E5", diagnosis="losses-are-sums")
def reports_the_sum():
    return {"train_digits": trainer(report=lambda total, rows: total)}


@misconception("E5", diagnosis="var-never-runs-backward")
def support_vector_machine():
    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        from sklearn.svm import SVC

        machine = SVC().fit(X.numpy(), y.numpy())
        losses = [2.3 * 0.85**epoch for epoch in range(epochs)]
        return lambda x: torch.tensor(machine.predict(x.numpy())), losses

    return {"train_digits": train_digits}


@misconception("E5", diagnosis="learns-nothing")
def changes_a_local_name():
    def update(parameters, lr):
        for p in parameters:
            data = p.data
            data = data - lr * p.grad
            p.grad = None

    return {"train_digits": trainer(update=update)}


@misconception("E5", diagnosis="forbidden")
def lets_torch_differentiate():
    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))
        optimizer = torch.optim.SGD(net.parameters(), lr)
        losses = []
        for _ in range(epochs):
            loss = torch.nn.functional.cross_entropy(net(X), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return net, losses

    return {"train_digits": train_digits}
