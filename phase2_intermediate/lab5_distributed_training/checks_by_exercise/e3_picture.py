"""Reward of E3: when gradients are complete, and when buckets leave."""

from typing import Any

from shared.plotting import COLOURS, panels, show

LAYERS = 8


def timeline(a: Any) -> None:
    """Events of one backward pass on rank 0 of two, in the order in which they came."""
    from shared.distributed import ready_ranks

    wrapper = a.raw("MiniDDP")

    def record() -> list[str]:
        import torch
        import torch.distributed as dist
        from torch import nn

        events: list[str] = []
        start, wait = dist.ProcessGroup.allreduce, dist.Work.wait

        def reduce(self: Any, *args: Any, **kwargs: Any) -> Any:
            events.append("starts")
            return start(self, *args, **kwargs)

        def waits(self: Any, *args: Any) -> Any:
            events.append("waits")
            return wait(self, *args)

        dist.ProcessGroup.allreduce, dist.Work.wait = reduce, waits  # type: ignore[method-assign]
        model = nn.Sequential(*(nn.Linear(32, 32) for _ in range(LAYERS)))
        for layer in model:
            layer.weight.register_post_accumulate_grad_hook(lambda p: events.append("gradient"))
        ddp = wrapper(model, bucket_bytes=2 * 32 * 33 * 4)
        events.clear()
        ddp(torch.ones(1, 32)).sum().backward()
        events.append("end")
        ddp.finish()
        return events

    events = ready_ranks().run(record)[0]
    rows = {
        "gradient": ("a layer's gradient is complete", "blue"),
        "starts": ("an all-reduce starts", "green"),
    }
    rows["waits"] = ("finish waits for it", "orange")
    fig, ax = panels(height=2.0)
    for row, (kind, (_, colour)) in enumerate(rows.items()):
        at = [i for i, event in enumerate(events) if event == kind]
        ax.scatter(at, [row] * len(at), color=COLOURS[colour], marker="s", s=40)
    ax.axvline(events.index("end"), color=COLOURS["black"], linestyle=":")
    ax.text(events.index("end"), -0.7, " end of backward", fontsize=8)
    ax.set(yticks=range(3), xlabel="events in their order", ylim=(2.6, -1))
    ax.set_yticklabels([words for words, _ in rows.values()], fontsize=8)
    early = events[: events.index("end")].count("starts")
    show(
        fig,
        caption=f"One backward pass through {LAYERS} layers, two layers a bucket: {early} of "
        f"{events.count('starts')} "
        "all-reduces leave while backward still computes.",
        alt="Three rows of marks. All-reduces start between the gradients; the waits come after "
        "the end of backward.",
    )
