"""Wrong answers that beginners write, each with the diagnosis it must get: the test of `checks.py`."""

import torch

from courseware.check import misconception


@misconception("W1", diagnosis="adds-one-row")
def adds_the_first_row():
    def total(x):
        return float(x[0].sum()) if x.dim() else float(x)

    return {"total": total}


@misconception("W1", diagnosis="mean-for-sum")
def takes_the_mean():
    def total(x):
        return float(x.mean())

    return {"total": total}


@misconception("W2", diagnosis="row-means")
def means_of_rows():
    def column_means(x):
        return x.mean(dim=1)

    return {"column_means": column_means}


@misconception("W2", diagnosis="one-mean")
def mean_of_everything():
    def column_means(x):
        return x.mean()

    return {"column_means": column_means}


@misconception("W3", diagnosis="centred-by-one-mean")
def takes_one_mean_away():
    def centred(x):
        return x - x.mean()

    return {"centred": centred}


@misconception("W3", diagnosis="centred-rows")
def centres_rows():
    def centred(x):
        return x - x.mean(dim=1, keepdim=True)

    return {"centred": centred}


@misconception("W4", diagnosis="takes-the-root")
def length_for_square():
    def squared_lengths(x):
        return x.norm(dim=1)

    return {"squared_lengths": squared_lengths}


@misconception("W4", diagnosis="adds-without-squaring")
def sum_of_absolutes():
    def squared_lengths(x):
        return x.abs().sum(dim=1)

    return {"squared_lengths": squared_lengths}


@misconception("E1", diagnosis="divides-by-n-minus-1")
def torch_default():
    def variance(x):
        return x.var(dim=0)

    return {"variance": variance}


@misconception("E1", diagnosis="not-centred")
def mean_of_squares():
    def variance(x):
        return (x * x).mean(dim=0)

    return {"variance": variance}


@misconception("E1", diagnosis="spread-for-variance")
def standard_deviation():
    def variance(x):
        return x.std(dim=0, correction=0)

    return {"variance": variance}


@misconception("E1", diagnosis="absolute-deviation")
def mean_absolute_deviation():
    def variance(x):
        return (x - x.mean(dim=0)).abs().mean(dim=0)

    return {"variance": variance}


@misconception("E2", diagnosis="epsilon-outside-the-root")
def epsilon_added_to_the_spread():
    def standardise(x, epsilon=1e-5):
        return (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + epsilon)

    return {"standardise": standardise}


@misconception("E2", diagnosis="no-epsilon")
def forgets_epsilon():
    def standardise(x, epsilon=1e-5):
        return (x - x.mean(dim=0)) / x.std(dim=0, correction=0)

    return {"standardise": standardise}


@misconception("E2", diagnosis="divides-by-variance")
def no_root():
    def standardise(x, epsilon=1e-5):
        return (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + epsilon)

    return {"standardise": standardise}


@misconception("E2", diagnosis="standardised-rows")
def wrong_axis():
    def standardise(x, epsilon=1e-5):
        centred = x - x.mean(dim=1, keepdim=True)
        return centred / (x.var(dim=1, correction=0, keepdim=True) + epsilon).sqrt()

    return {"standardise": standardise}


@misconception("E3", diagnosis="transposed")
def y_comes_first():
    def squared_distances(x, y):
        return (y[:, None, :] - x[None, :, :]).square().sum(dim=2)

    return {"squared_distances": squared_distances}


@misconception("E3", diagnosis="root-taken")
def distance_for_its_square():
    def squared_distances(x, y):
        return torch.cdist(x, y)

    return {"squared_distances": squared_distances}


@misconception("E3", diagnosis="row-by-row")
def no_pairs():
    def squared_distances(x, y):
        return (x - y).square().sum(dim=1)

    return {"squared_distances": squared_distances}


@misconception("E3", diagnosis="cross-term-once")
def expands_the_square_wrongly():
    def squared_distances(x, y):
        return x.square().sum(1)[:, None] + y.square().sum(1) - x @ y.T

    return {"squared_distances": squared_distances}


@misconception("E4", diagnosis="farthest")
def argmax():
    def nearest(x, centres):
        return torch.cdist(x, centres).argmax(dim=1)

    return {"nearest": nearest}


@misconception("E4", diagnosis="searches-the-points")
def other_axis():
    def nearest(x, centres):
        return torch.cdist(x, centres).argmin(dim=0)

    return {"nearest": nearest}


@misconception("E4", diagnosis="distance-for-index")
def returns_the_minimum():
    def nearest(x, centres):
        return torch.cdist(x, centres).min(dim=1).values

    return {"nearest": nearest}


@misconception("E4", diagnosis="city-block")
def adds_absolute_values():
    def nearest(x, centres):
        return torch.cdist(x, centres, p=1).argmin(dim=1)

    return {"nearest": nearest}


@misconception("E5", diagnosis="sums")
def forgets_to_divide():
    def fit_centres(x, labels, classes):
        return torch.stack([x[labels == c].sum(dim=0) for c in range(classes)])

    return {"fit_centres": fit_centres}


@misconception("E5", diagnosis="first-example")
def keeps_the_first():
    def fit_centres(x, labels, classes):
        centres = x.new_zeros(classes, x.shape[1])
        for c in range(classes):
            if (labels == c).any():
                centres[c] = x[labels == c][0]
        return centres

    return {"fit_centres": fit_centres}


@misconception("E5", diagnosis="one-centre-for-all")
def ignores_labels():
    def fit_centres(x, labels, classes):
        return x.mean(dim=0).repeat(classes, 1)

    return {"fit_centres": fit_centres}


@misconception("E5", diagnosis="empty-class-is-nan")
def mean_of_nothing():
    def fit_centres(x, labels, classes):
        return torch.stack([x[labels == c].mean(dim=0) for c in range(classes)])

    return {"fit_centres": fit_centres}
