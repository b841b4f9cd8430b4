"""The known mistakes of grad_cam, tried on a small model of the check's own."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_oracle import cam, enlarge, maps_and_slopes
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_watch import Seer, fingerprint, first_change
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()


def scene(t: Trial) -> tuple[Seer, Tensor, int]:
    """A model, an image and a class whose map is positive in some places and negative in others."""
    while True:
        model, x = Seer(t), t.randn(2, 6, 9)
        for cls in range(4):
            maps, slopes = maps_and_slopes(model, x, lambda z, cls=cls: z[cls])
            raw = (slopes.mean((1, 2))[:, None, None] * maps).sum(0)
            likeliest = int(model(x[None])[0].argmax())
            if raw.max() > 0.02 and raw.min() < -0.02 and cls != likeliest:
                return model, x, cls


def right_cam(model: Seer, x: Tensor, cls: int) -> Tensor:
    return enlarge(cam(*maps_and_slopes(model, x, lambda z: z[cls])), x.shape[1:])


@probe("cam-does-not-run")
def does_not_run(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    attempt = t.tried(lambda: a.grad_cam(model, x, cls))
    if attempt.error is not None:
        return (
            f"grad_cam of a model that is not yours (images [2, 6, 9], a map 3×5) ends in "
            f"{error_text(attempt.error)}: all it may rely on is `model(images)` and `model.features`"
        )
    return None


@probe("cam-has-another-shape")
def other_shape(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    if own.shape == (3, 5):
        return "the map is 3×5, as large as the features: enlarge it to the size of the image, 6×9"
    if own.shape != (6, 9):
        return f"an image [2, 6, 9] has a map of shape (6, 9), yours is {shape(own)}"
    if own.requires_grad:
        return "the map still hangs on the graph (requires_grad): return it detached"
    return None


@probe("cam-without-relu")
def without_relu(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    maps, slopes = maps_and_slopes(model, x, lambda z: z[cls])
    raw = (slopes.mean((1, 2))[:, None, None] * maps).sum(0)
    large = enlarge(raw, (6, 9))
    if same(own, large) or bool((own < -1e-9).any()):
        return (
            f"there are negative values in your map, down to {float(own.min()):.3g}: the relu is "
            "missing. They are evidence against the class"
        )
    if same(own, large.abs()) or same(own, enlarge(raw.abs(), (6, 9))):
        return (
            "you take the absolute value: evidence *against* the class lights up too. A relu leaves it dark"
        )
    if same(own, large.clamp(min=0)):
        return (
            "you enlarge first and apply the relu then: the relu belongs to the small map, L, which is "
            "enlarged"
        )
    small = F.relu(slopes.mean((1, 2)))[:, None, None] * maps
    if same(own, enlarge(small.sum(0).relu(), (6, 9))) or same(own, enlarge(small.relu().sum(0), (6, 9))):
        return (
            "the relu acts on the weights α or on single channels: add all channels up, with signs, then relu"
        )
    each = (slopes.mean((1, 2))[:, None, None] * maps).relu().sum(0)
    if same(own, enlarge(each, (6, 9))):
        return (
            "you apply the relu to each channel before adding: channels that speak against the class "
            "must count"
        )
    return None


@probe("cam-of-another-score")
def other_score(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    likeliest = int(model(x[None])[0].argmax())
    scores = (
        (lambda z: z.sum(), "the sum of all logits: all classes at once, whatever `cls` is"),
        (lambda z: z.mean(), "the mean of all logits: all classes at once, whatever `cls` is"),
        (lambda z: z[likeliest], f"the logit of the likeliest class, {likeliest}; asked for is `cls`, {cls}"),
        (lambda z: z.softmax(0)[cls], "the probability; asked for is the logit"),
        (lambda z: z.log_softmax(0)[cls], "the log-probability; asked for is the logit"),
        (
            lambda z: -z.log_softmax(0)[cls],
            "the loss, which falls where the evidence grows; asked for is the logit",
        ),
        (lambda z: -z[cls], "minus the logit"),
    )
    for of, words in scores:
        if same(own, enlarge(cam(*maps_and_slopes(model, x, of)), (6, 9))):
            return f"you differentiate {words}"
    return None


@probe("cam-weights-are-wrong")
def weights_wrong(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    maps, slopes = maps_and_slopes(model, x, lambda z: z[cls])
    small, places = cam(maps, slopes), maps[0].numel()
    by_place = "you multiply gradients and maps place by place; α_k is *one* number a channel, their mean"
    no_slope = "the gradient plays no role: all channels have the same weight"
    no_map = "the feature maps play no role: you show the gradient itself"

    def weighed(alpha: Tensor) -> Tensor:
        return (alpha[:, None, None] * maps).sum(0).relu()

    for wrong, words in (
        ((slopes * maps).sum(0).relu(), by_place),
        ((slopes * maps).mean(0).relu(), by_place),
        (small * places, f"α_k is a sum in your answer, {places} times too large: a mean over the places"),
        (small / len(maps), "you average over the channels; asked for is the sum Σ_k α_k A_k"),
        (maps.mean(0).relu(), no_slope),
        (maps.sum(0).relu(), no_slope),
        (slopes.mean(0).relu(), no_map),
        (slopes.sum(0).relu(), no_map),
        (weighed(slopes.amax((1, 2))), "α_k is the largest slope; asked for is the mean"),
        (weighed(slopes.relu().mean((1, 2))), "negative slopes are cut off before the mean"),
        (weighed(slopes.abs().mean((1, 2))), "α_k is a mean of |slopes|: keep the sign"),
        (
            (slopes.mean((1, 2))[:, None, None] * maps).amax(0).relu(),
            "you keep the strongest channel: add them",
        ),
        (weighed(slopes.square().mean((1, 2))), "α_k is a mean of squared slopes: no square is asked for"),
        (weighed(slopes.mean((1, 2)).softmax(0)), "the α_k went through a softmax: none is asked for"),
        (
            weighed(slopes.mean((1, 2)) / slopes.mean((1, 2)).norm()),
            "the α_k are divided by their norm: no scaling is asked for",
        ),
        (
            (slopes.mean(0) * maps).sum(0).relu(),
            "the slopes are averaged over the channels; α_k is the mean over the places",
        ),
        (weighed(slopes.mean((1, 2)).abs()), "α_k lost its sign: channels may speak against the class"),
    ):
        if same(own, enlarge(wrong, (6, 9))):
            return words
    return None


@probe("cam-from-the-pixels")
def from_pixels(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    pixels = x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(model(pixels[None])[0, cls], pixels)
    times = slopes * x
    for wrong in (
        *(slopes.abs().amax(0), slopes.abs().mean(0), slopes.abs().sum(0), slopes.norm(dim=0)),
        *(slopes.sum(0).relu(), slopes.mean(0).relu(), slopes.amax(0).relu()),
        *(times.sum(0).relu(), times.sum(0).abs(), times.mean(0).relu()),
    ):
        if same(own, wrong):
            return (
                "your map is made of the slopes of the *pixels*; Grad-CAM takes those of the feature maps "
                "A, the output of `model.features`"
            )
    return None


@probe("cam-scaled")
def scaled(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own, right = a.grad_cam(model, x, cls), right_cam(model, x, cls)
    small = cam(*maps_and_slopes(model, x, lambda z: z[cls]))
    span = right - right.min()
    for wrong in (
        right / right.max(),
        right / right.sum(),
        span / span.max(),
        enlarge(small / small.max(), (6, 9)),
        enlarge((small - small.min()) / (small.max() - small.min()), (6, 9)),
    ):
        if same(own, wrong, rtol=1e-5, atol=1e-6):
            return (
                "your map is divided by its largest value (or its sum): asked for is L itself. A scaled "
                "map hides whether there was any evidence at all"
            )
    return None


@probe("cam-enlarged-another-way")
def enlarged(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    own = a.grad_cam(model, x, cls)
    small = cam(*maps_and_slopes(model, x, lambda z: z[cls]))
    for how, words in (
        ({"mode": "nearest"}, "nearest"),
        ({"mode": "nearest-exact"}, "nearest-exact"),
        ({"mode": "bilinear", "align_corners": True}, "bilinear with align_corners=True"),
        ({"mode": "bicubic", "align_corners": False}, "bicubic"),
        ({"mode": "bicubic", "align_corners": True}, "bicubic"),
        ({"mode": "area"}, "area"),
    ):
        if same(own, enlarge(small, (6, 9), **how)):
            return f"you enlarge by {words}; asked for is mode='bilinear', align_corners=False"
    return None


@probe("cam-in-training-mode")
def training_mode(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    right = right_cam(model, x, cls)
    if not same(a.grad_cam(model, x, cls), right):
        return None
    attempt = t.tried(lambda: a.grad_cam(model.train(), x, cls))
    if attempt.error is not None or not same(attempt.value, right):
        return (
            "right for a model in evaluation mode, wrong for one that comes in training mode: its batch "
            "norms then use the statistics of this one image, and dropout draws. Switch to `eval()`, "
            "and back afterwards"
        )
    return None


@probe("cam-leaves-traces")
def traces(a: Any, t: Trial) -> str | None:
    model, x, cls = scene(t)
    for training in (False, True):
        for p in model.train(training).parameters():
            p.grad = torch.full_like(p, 2.0)
        before = fingerprint(model)
        a.grad_cam(model, x, cls)
        if changed := first_change(before, fingerprint(model)):
            return f"after grad_cam {changed} changed: the model belongs to the caller and stays as it was"
    return None
