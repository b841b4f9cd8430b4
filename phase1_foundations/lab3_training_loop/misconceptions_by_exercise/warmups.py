"""Wrong answers to W1 to W4."""

import torch

from courseware.check import misconception

# ---- W1 ------


@misconception("W1", diagnosis="nothing-moves")
def binds_a_new_name():
    def descend_(param, lr):
        if param.grad is not None:
            param = param - lr * param.grad

    return {"descend_": descend_}


@misconception("W1", diagnosis="update-is-recorded")
def forgets_no_grad():
    def descend_(param, lr):
        if param.grad is not None:
            param -= lr * param.grad

    return {"descend_": descend_}


@misconception("W1", diagnosis="goes-uphill")
def adds_the_gradient():
    def descend_(param, lr):
        if param.grad is not None:
            with torch.no_grad():
                param += lr * param.grad

    return {"descend_": descend_}


@misconception("W1", diagnosis="fails-without-a-gradient")
def takes_a_gradient_for_granted():
    def descend_(param, lr):
        with torch.no_grad():
            param -= lr * param.grad

    return {"descend_": descend_}


@misconception("W1", diagnosis="gradient-changed")
def clears_the_gradient():
    def descend_(param, lr):
        if param.grad is not None:
            with torch.no_grad():
                param -= lr * param.grad
            param.grad.zero_()

    return {"descend_": descend_}


# ---- W2 ------


def averages(report, remember=lambda m, corrected: m, first=1, mix=lambda b, m, x: b * m + (1 - b) * x):
    def running_averages(values, beta):
        m, found = 0.0, []
        for t, x in enumerate(values, start=first):
            m = mix(beta, m, x)
            corrected = report(m, beta, t)
            found.append(corrected)
            m = remember(m, corrected)
        return found

    return {"running_averages": running_averages}


@misconception("W2", diagnosis="not-corrected")
def reports_m_itself():
    return averages(lambda m, beta, t: m)


@misconception("W2", diagnosis="t-starts-at-0")
def counts_from_zero():
    return averages(lambda m, beta, t: m / (1 - beta**t), first=0)


@misconception("W2", diagnosis="corrected-value-remembered")
def remembers_the_corrected():
    return averages(lambda m, beta, t: m / (1 - beta**t), remember=lambda m, corrected: corrected)


@misconception("W2", diagnosis="weights-exchanged")
def exchanges_the_weights():
    return averages(
        lambda m, beta, t: m / (1 - beta**t),
        mix=lambda b, m, x: (1 - b) * m + b * x,
    )


# ---- W3 ------


@misconception("W3", diagnosis="mean-of-means")
def averages_means():
    def overall_mean(means, counts):
        return sum(means) / len(means)

    return {"overall_mean": overall_mean}


@misconception("W3", diagnosis="nan-of-an-empty-batch")
def multiplies_nan_by_zero():
    def overall_mean(means, counts):
        if sum(counts) == 0:
            return 0.0
        return sum(m * n for m, n in zip(means, counts, strict=True)) / sum(counts)

    return {"overall_mean": overall_mean}


@misconception("W3", diagnosis="no-examples-at-all")
def divides_by_zero():
    def overall_mean(means, counts):
        return sum(m * n for m, n in zip(means, counts, strict=True) if n) / sum(counts)

    return {"overall_mean": overall_mean}


@misconception("W3", diagnosis="sum-of-losses")
def forgets_to_divide():
    def overall_mean(means, counts):
        return float(sum(m * n for m, n in zip(means, counts, strict=True) if n))

    return {"overall_mean": overall_mean}


# ---- W4 ------


@misconception("W4", diagnosis="generator-moved-on")
def just_draws():
    def peek(generator, count):
        return torch.rand(count, generator=generator)

    return {"peek": peek}


@misconception("W4", diagnosis="back-to-the-beginning")
def seeds_a_second_generator():
    def peek(generator, count):
        twin = torch.Generator().manual_seed(generator.initial_seed())
        return torch.rand(count, generator=twin)

    return {"peek": peek}


@misconception("W4", diagnosis="other-generator")
def forgets_the_generator():
    def peek(generator, count):
        state = generator.get_state()
        numbers = torch.rand(count)
        generator.set_state(state)
        return numbers

    return {"peek": peek}


@misconception("W4", diagnosis="seeded-anew")
def seeds_with_a_number():
    def peek(generator, count):
        state = generator.get_state()
        numbers = torch.rand(count, generator=generator)
        generator.set_state(state)
        generator.manual_seed(0)
        return numbers

    return {"peek": peek}
