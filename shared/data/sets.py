"""Data sets that come with scikit-learn: small, real, and there without a network.

Each has one fixed split, made by ``shared.data.examples.split``. Baselines to state beside a model's own
number: of the test digits, a logistic regression gets 0.969 right, and a support vector machine with an RBF
kernel 0.994 (with C = 10; 0.983 with scikit-learn's defaults).
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from shared.data.examples import Examples, Split, split


def digits(*, flat: bool = False) -> Split:
    """1,437 and 360 scanned digits of 8×8 pixels from 0 to 1: [B, 1, 8, 8], or [B, 64] if ``flat``; ten
    classes."""
    found = _load("digits")
    images = torch.from_numpy(found.images).float() / 16  # the scanner counted sixteen grey levels
    images = images.flatten(1) if flat else images.unsqueeze(1)
    return split(_labelled(images, found.target), classes=tuple(map(str, range(10))))


def iris() -> Split:
    """120 and 30 flowers by four lengths in cm; three species."""
    return _table(_load("iris"))


def wine() -> Split:
    """142 and 36 wines by thirteen chemical measurements of very different size; three cultivars."""
    return _table(_load("wine"))


def breast_cancer() -> Split:
    """455 and 114 tumours by thirty measurements of their cells; class 0 is malignant, 1 is benign."""
    return _table(_load("breast_cancer"))


def diabetes() -> Split:
    """353 and 89 patients by ten measurements, already standardised; the target is the disease's progress
    in a year, 25 to 346, as [B, 1]."""
    found = _load("diabetes")
    progress = torch.from_numpy(found.target).float().unsqueeze(1)
    return split(
        Examples(torch.from_numpy(found.data).float(), progress), features=tuple(found.feature_names)
    )


def photographs() -> dict[str, Float[Tensor, "3 427 640"]]:
    """Two photographs, "china" (a temple) and "flower" (a dahlia), in red, green and blue from 0 to 1."""
    found = _load("sample_images")
    names = [str(path).rsplit("/", 1)[-1].removesuffix(".jpg") for path in found.filenames]
    images = [torch.from_numpy(np.array(image)).movedim(-1, 0).float() / 255 for image in found.images]
    return dict(sorted(zip(names, images, strict=True)))


def _load(name: str) -> Any:
    from sklearn import datasets  # costs as much as torch to import, and many programs need no data set of it

    return getattr(datasets, f"load_{name}")()


def _table(found: Any) -> Split:
    examples = _labelled(torch.from_numpy(found.data).float(), found.target)
    return split(
        examples, features=tuple(map(str, found.feature_names)), classes=tuple(map(str, found.target_names))
    )


def _labelled(inputs: Tensor, labels: Any) -> Examples:
    return Examples(inputs, torch.from_numpy(labels).long())
