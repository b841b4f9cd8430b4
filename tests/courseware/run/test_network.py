"""A notebook reaches this machine and no other."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from courseware.run import execute, guard
from courseware.run.namespace import NAMESPACE

LANES = ["kernel", "warm"]

# An address that is reserved for documentation: no packet to it goes anywhere.
ELSEWHERE = "192.0.2.1"

ATTEMPTS = f"""
import errno, socket, urllib.request
def attempt(action):
    try:
        action()
    except OSError as problem:
        return f"{{type(problem).__name__}}: {{problem}}"
    return "went through"
[
    attempt(lambda: socket.create_connection(("{ELSEWHERE}", 80), timeout=5)),
    attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("{ELSEWHERE}", 9))),
    attempt(lambda: socket.getaddrinfo("example.com", 80)),
    attempt(lambda: urllib.request.urlopen("http://example.com", timeout=5)),
]
"""

LOCAL = """
import socket, threading
def echo(family, host):
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
        with socket.create_connection((host, port), timeout=10) as client:
            return client.recv(5)
[echo(socket.AF_INET, "127.0.0.1"), echo(socket.AF_INET, "localhost"), socket.gethostbyname("localhost")]
"""

# A Python that ignores the environment, and with it the guard: only the system can refuse this one.
UNGUARDED = f"""
import subprocess, sys
code = "import socket; socket.create_connection(('{ELSEWHERE}', 80), timeout=5)"
subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True).stderr.splitlines()[-1]
"""

CHILD = f"""
import subprocess, sys
code = "import socket; socket.create_connection(('{ELSEWHERE}', 80), timeout=5)"
subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.splitlines()[-1]
"""


@pytest.mark.parametrize("lane", LANES)
def test_outside_is_refused_with_words_and_inside_works(notebook, lane: str) -> None:
    result = execute(notebook(ATTEMPTS, LOCAL, CHILD, UNGUARDED), lane=lane)
    assert result.passed, result
    outside, inside, child, unguarded = (
        eval(cell.outputs[0].data["text/plain"]) for cell in result.notebook.cells
    )
    for said in outside:
        assert "refused: a notebook of this course runs without the outside network" in said
    assert inside == [b"hello", b"hello", "127.0.0.1"]
    assert "NetworkRefused" in child
    if result.network == NAMESPACE:
        assert "Network is unreachable" in unguarded


@pytest.mark.parametrize("lane", LANES)
def test_ranks_of_a_process_group_meet_on_this_machine(notebook, lane: str) -> None:
    """Several processes over gloo, as the labs on distributed training start them."""
    program = (
        "import os, torch, torch.distributed as d\n"
        "d.init_process_group('gloo'); t = torch.ones(2); d.all_reduce(t)\n"
        "os.write(1, (str(t.sum().item()) + chr(10)).encode())  # in one call: ranks do not mix\n"
    )
    run = (
        f"import subprocess, sys\nopen('rank.py', 'w').write({program!r})\n"
        "launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']\n"
        "subprocess.run([*launch, 'rank.py'], capture_output=True, text=True).stdout"
    )
    result = execute(
        notebook("import os, tempfile\nos.chdir(tempfile.mkdtemp())", run), lane=lane, timeout=200
    )
    assert eval(result.notebook.cells[1].outputs[0].data["text/plain"]).split() == ["4.0", "4.0"]


def test_the_network_may_be_allowed(notebook) -> None:
    look = (
        "import os\nos.environ['COURSEWARE_NETWORK'], "
        "os.readlink('/proc/self/ns/net') if os.path.exists('/proc') else 0"
    )
    result = execute(notebook(look), lane="warm", network=True)
    assert result.network == "allowed"
    here = Path("/proc/self/ns/net")
    mine = str(here.readlink()) if here.exists() else 0
    assert eval(result.notebook.cells[0].outputs[0].data["text/plain"]) == ("allowed", mine)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *[
            (host, True)
            for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost", "0.0.0.0", "", None)
        ],
        *[(host, True) for host in (b"localhost", socket.gethostname())],
        *[
            (host, False)
            for host in ("example.com", "8.8.8.8", "10.0.0.1", "2001:db8::1", "localhost.example.com")
        ],
        *[(host, False) for host in ("127.0.0.1.example.com", b"example.com")],
    ],
)
def test_which_hosts_are_this_machine(host: object, local: bool) -> None:
    assert guard.is_local(host) is local


def test_a_sitecustomize_of_the_system_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the system said so')")
    startup = Path(guard.__file__).parent / "startup"
    environment = {"PYTHONPATH": f"{startup}:{tmp_path}", "COURSEWARE_NETWORK": "refused"}
    code = (
        f"import sys, socket; print({str(startup)!r} in sys.path); "
        f"socket.create_connection(('{ELSEWHERE}', 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["the system said so", "False"]
    assert "NetworkRefused" in done.stderr.splitlines()[-1]
