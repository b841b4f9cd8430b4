"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from phase2_intermediate.lab6_model_export.solution import GatedNet, ParityReport
from tests.labs.answers import Answers

right = Answers()


@right("E1")
def with_cond():
    class ExportableNet(GatedNet):
        def forward(self, x):
            h = torch.cond(
                x.mean() > self.threshold,
                lambda x: torch.relu(self.bright(x)),
                lambda x: torch.tanh(self.dark(x)),
                (x,),
            )
            scores = self.out(self.dropout(h))
            return scores - scores.mean(0, keepdim=True)

    return {"ExportableNet": ExportableNet}


@right("E1")
def a_module_of_its_own():
    class ExportableNet(nn.Module):
        def __init__(self, features=6, hidden=8, threshold=0.0):
            super().__init__()
            self.bright = nn.Linear(features, hidden)
            self.dark = nn.Linear(features, hidden)
            self.out = nn.Linear(hidden, 3)
            self.drop = nn.Dropout(p=0.2)
            self.level = float(threshold)

        def forward(self, x):
            both = torch.stack([self.dark(x).tanh(), self.bright(x).relu()])
            gate = torch.gt(x.sum(), self.level * x.numel()).long()
            scores = self.out(self.drop(both[gate]))
            return scores - scores.sum(dim=0) / x.shape[0]

    return {"ExportableNet": ExportableNet}


@right("E1")
def functional_dropout():
    class ExportableNet(GatedNet):
        def forward(self, x):
            gate = (x.mean() > self.threshold).to(x.dtype)
            h = gate * self.bright(x).relu() + (1 - gate) * self.dark(x).tanh()
            h = nn.functional.dropout(h, 0.2, training=self.training)
            s = nn.functional.linear(h, self.out.weight, self.out.bias)
            return s.sub(torch.mean(s, dim=0))

    return {"ExportableNet": ExportableNet}


@right("E1")
def automatic_dims():
    def export_dynamic(model, example, dims):
        sizes = [2 if axis in dims and n == 1 else n for axis, n in enumerate(example.shape)]
        example = example.expand(sizes).contiguous()
        training = {name: m.training for name, m in model.named_modules()}
        model.eval()
        spec = dict.fromkeys(dims, torch.export.Dim.AUTO) or None
        program = torch.export.export(model, (example,), dynamic_shapes=(spec,))
        for name, m in model.named_modules():
            m.training = training[name]
        return program

    return {"export_dynamic": export_dynamic}


@right("E1")
def exports_a_copy():
    import copy

    def export_dynamic(model, example, dims):
        model = copy.deepcopy(model).eval()
        named = {}
        shapes = [
            named.setdefault(dims[i], torch.export.Dim(dims[i], min=1, max=4096)) if i in dims else None
            for i in range(example.dim())
        ]
        repeats = [2 if i in dims and example.shape[i] == 1 else 1 for i in range(example.dim())]
        return torch.export.export(model, (example.repeat(*repeats),), dynamic_shapes=(tuple(shapes),))

    return {"export_dynamic": export_dynamic}


@right("E1")
def a_zero_example():
    def export_dynamic(model, example, dims):
        shape = [3 if axis in dims else size for axis, size in enumerate(example.shape)]
        fresh = torch.zeros(shape, dtype=example.dtype)
        modes = [(m, m.training) for m in model.modules()]
        by_name = {n: torch.export.Dim(n, max=4096) for n in set(dims.values())}
        try:
            return torch.export.export(
                model.eval(), (fresh,), dynamic_shapes=[{a: by_name[n] for a, n in dims.items()}]
            )
        finally:
            for m, mode in modes:
                m.training = mode

    return {"export_dynamic": export_dynamic}


@right("E1")
def parity_with_numpy():
    def parity(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        left, right = [], []
        with torch.no_grad():
            for x in batches:
                r, c = ref(x), cand(x)
                if tuple(r.shape) != tuple(c.shape):
                    raise ValueError("shapes")
                left.append(r.double().numpy())
                right.append(c.double().numpy())
        if not sum(len(r) for r in left):
            raise ValueError("nothing to compare")
        width = max(r.shape[1] for r in left)
        r = np.concatenate([x.reshape(-1, width) for x in left])
        c = np.concatenate([x.reshape(-1, width) for x in right])
        with np.errstate(all="ignore"):
            ok = np.isfinite(r) & np.isfinite(c)
            bad = ~ok & ~((r == c) | (np.isnan(r) & np.isnan(c)))
            diff = np.where(ok, np.abs(r - c), 0)
        rr, cc, dd = r[ok], c[ok], diff[ok]
        rows = np.where(bad.any(1), np.inf, diff.max(1))
        a, b = np.linalg.norm(rr), np.linalg.norm(cc)
        return ParityReport(
            passed=bool(not bad.any() and (dd <= atol + rtol * np.abs(rr)).all()),
            max_abs=float(dd.max(initial=0)),
            max_rel=float((dd / np.maximum(np.abs(rr), max(atol, 1e-12))).max(initial=0)),
            cosine=float(rr @ cc / (a * b)) if a and b else (1.0 if a == b else 0.0),
            argmax_agreement=float(
                (torch.from_numpy(r).argmax(1) == torch.from_numpy(c).argmax(1)).double().mean()
            ),
            worst_input_index=int(rows.argmax()),
            nonfinite_mismatch=int(bad.sum()),
        )

    return {"parity": parity}


@right("E1")
def parity_that_streams():
    def parity(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        rows = agree = mismatches = 0
        max_abs = max_rel = dot = rr = cc = 0.0
        passed, worst, worst_at = True, -1.0, 0
        with torch.inference_mode():
            for x in batches:
                r, c = ref(x).to(torch.float64), cand(x).to(torch.float64)
                if r.shape != c.shape:
                    raise ValueError(f"{r.shape} against {c.shape}")
                for u, v in zip(r, c, strict=True):
                    agree += int(u.argmax() == v.argmax())
                    here = 0.0
                    for p, q in zip(u.tolist(), v.tolist(), strict=True):
                        if math.isfinite(p) and math.isfinite(q):
                            d = abs(p - q)
                            max_abs, here = max(max_abs, d), max(here, d)
                            max_rel = max(max_rel, d / max(abs(p), atol, 1e-12))
                            dot, rr, cc = dot + p * q, rr + p * p, cc + q * q
                            passed = passed and d <= atol + rtol * abs(p)
                        elif p != q and not (math.isnan(p) and math.isnan(q)):
                            mismatches, here, passed = mismatches + 1, math.inf, False
                    if here > worst:
                        worst, worst_at = here, rows
                    rows += 1
        if not rows:
            raise ValueError("no rows")
        cosine = dot / math.sqrt(rr) / math.sqrt(cc) if rr and cc else float(rr == cc)
        return SimpleNamespace(
            passed=passed,
            max_abs=max_abs,
            max_rel=max_rel,
            cosine=cosine,
            argmax_agreement=agree / rows,
            worst_input_index=worst_at,
            nonfinite_mismatch=mismatches,
        )

    return {"parity": parity}
