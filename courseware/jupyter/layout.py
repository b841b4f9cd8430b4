"""What JupyterLab shows the first time: one notebook, and its table of contents beside it."""

from __future__ import annotations

import json
from pathlib import Path

# JupyterLab's own name for the file that keeps the layout of the workspace "default".
FILE_NAME = "default-37a8.jupyterlab-workspace"
TABLE_OF_CONTENTS = "@jupyterlab/toc:plugin"


def first_layout(notebook: str) -> dict[str, object]:
    """A JupyterLab workspace that has `notebook` (relative to the server's root) open."""
    widget = f"notebook:{notebook}"
    return {
        "data": {
            "layout-restorer:data": {
                "main": {
                    "dock": {"type": "tab-area", "currentIndex": 0, "widgets": [widget]},
                    "current": widget,
                },
                "left": {"collapsed": False, "visible": True, "current": TABLE_OF_CONTENTS, "widgets": []},
                "right": {"collapsed": True, "visible": True},
                "relativeSizes": [0.22, 0.78, 0],
                "top": {"simpleVisibility": True},
            },
            widget: {"data": {"path": notebook, "factory": "Notebook"}},
        },
        "metadata": {"id": "default"},
    }


def seed_layout(folder: Path, notebook: str) -> None:
    """Write the first layout into JupyterLab's workspaces folder, once: then it is the learner's own."""
    file = folder / FILE_NAME
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(first_layout(notebook)), encoding="utf-8")
