"""Teaches a nearest-mean reader some digits and says how many unseen ones it reads."""

import argparse

import torch
from sklearn.datasets import load_digits


def share_read(examples: int, seed: int) -> float:
    """Share of the unseen digits that lie nearest to the mean of their own class."""
    data = load_digits()
    images, labels = torch.tensor(data.data), torch.tensor(data.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    seen, unseen = order[:examples], order[examples:]
    means = torch.stack([images[seen][labels[seen] == digit].mean(0).nan_to_num() for digit in range(10)])
    nearest = torch.cdist(images[unseen], means).argmin(1)
    return float((nearest == labels[unseen]).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src", description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=900, help="how many digits to learn from (default 900)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which of them (default 0)")
    options = parser.parse_args()
    print(f"{share_read(options.examples, options.seed):.1%} of unseen digits are read rightly")


if __name__ == "__main__":
    main()
