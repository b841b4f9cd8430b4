"""JupyterLab starts on any machine, apart from a person's own Jupyter, and stops when asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from courseware.jupyter import LabProblem, LabServer
from courseware.jupyter.launch import has_display
from courseware.jupyter.layout import FILE_NAME, seed_layout
from courseware.jupyter.server import SETTINGS, server_environment


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A workspace, and a home directory of the person in which nothing may appear."""
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    (tmp_path / "person").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_a_taken_port_is_passed_over_and_the_person_keeps_a_clean_home(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = LabServer.start(home, port=port)
        try:
            address = urlsplit(server.url)
            assert address.port != port
            assert address.path == "/lab/tree/START_HERE.ipynb"
            with urllib.request.urlopen(server.url) as page:
                assert b"JupyterLab" in page.read()
            with urllib.request.urlopen(f"http://{address.netloc}/api/kernelspecs?{address.query}") as answer:
                assert "python3" in json.load(answer)["kernelspecs"]
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"http://{address.netloc}/api/contents")
        finally:
            server.stop()
    assert list((home.parent / "person").iterdir()) == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_kill_and_a_closed_terminal_end_cleanly(home, end):
    code = (
        "import sys; from pathlib import Path; "
        "from courseware.jupyter import open_course;"
        "sys.exit(open_course(Path(sys.argv[1])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, home], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = next(line.strip() for line in process.stdout if "?token=" in line)
    process.send_signal(end)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest.strip().endswith("Stopped. Your work is kept.")
    assert errors == ""
    assert (
        list((home / ".course" / "jupyter" / "runtime").glob("jpserver-*")) == []
    )  # the server left in order
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


def test_a_server_that_dies_at_once_gets_one_line_that_names_its_log(home, monkeypatch):
    monkeypatch.setattr(
        "courseware.jupyter.server.server_command", lambda *a, **k: ["sh", "-c", "echo no luck; exit 3"]
    )
    with pytest.raises(LabProblem, match=r"no luck\. .*server\.log") as problem:
        LabServer.start(home)
    assert "\n" not in str(problem.value)


def test_a_workspace_that_cannot_be_written_gets_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabProblem, match="cannot be written"):
        LabServer.start(tmp_path / "file")


def test_nothing_of_the_persons_own_jupyter_comes_in(tmp_path):
    theirs = {
        "PATH": "/usr/bin",
        "HOME": "/home/ada",
        "JUPYTER_PATH": "/home/ada/kernels",
        "JUPYTER_CONFIG_DIR": "/home/ada/.jupyter",
        "JUPYTERLAB_SETTINGS_DIR": "/home/ada/.jupyter/lab",
        "IPYTHONDIR": "/home/ada/.ipython",
    }
    ours = server_environment(tmp_path, theirs)
    assert ours["HOME"] == "/home/ada"
    assert [name for name, value in ours.items() if name != "HOME" and "/home/ada" in value] == []


def test_the_course_command_is_found_in_the_servers_terminal(tmp_path):
    first = server_environment(tmp_path, {"PATH": "/usr/bin"})["PATH"].split(os.pathsep)[0]
    assert Path(first) == Path(sys.executable).parent


def test_our_settings_are_ones_that_jupyterlab_knows():
    """A setting that an upgrade renames would be dropped without a word."""
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    for plugin, settings in json.loads((SETTINGS / "overrides.json").read_text()).items():
        package, _, name = plugin.partition(":")
        known = json.loads((schemas / package / f"{name}.json").read_text())["properties"]
        assert set(settings) <= set(known), plugin


def test_the_learners_own_layout_is_kept(tmp_path):
    seed_layout(tmp_path, "START_HERE.ipynb")
    assert "START_HERE.ipynb" in (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text("the learner's")
    seed_layout(tmp_path, "START_HERE.ipynb")
    assert (tmp_path / FILE_NAME).read_text() == "the learner's"


@pytest.mark.parametrize(
    ("environment", "platform", "shown"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "1"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_opened_only_where_somebody_would_see_it(environment, platform, shown):
    assert has_display(environment, platform) == shown
