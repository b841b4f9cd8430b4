"""The kernel that runs the notebooks: it is started and asked for one sum."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from queue import Empty

from courseware.doctor.finding import Finding

NAME = "python3"
START_LIMIT = 60.0
REMEDY = "`make clean setup` installs it anew"


def kernel(folder: Path | None = None) -> Finding:
    """The kernel of this environment; `folder` is where kernels are registered."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from jupyter_client.manager import KernelManager

    folder = folder or Path(sys.prefix) / "share" / "jupyter" / "kernels"
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    try:
        specs.get_kernel_spec(NAME)
    except NoSuchKernel:
        return Finding("kernel", "none", f"no kernel named {NAME} is in {folder}; {REMEDY}")
    manager = KernelManager(kernel_name=NAME, kernel_spec_manager=specs)
    try:
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=START_LIMIT)
            reply = client.execute_interactive(
                "assert 1 + 1 == 2", timeout=START_LIMIT, output_hook=lambda _: None
            )
        finally:
            client.stop_channels()
    except (OSError, RuntimeError, TimeoutError, Empty) as error:
        return Finding("kernel", "does not start", f"{error}; {REMEDY}")
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        return Finding("kernel", "does not compute", REMEDY)
    return Finding("kernel", f"{NAME} starts and computes")
