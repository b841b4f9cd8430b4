"""The doctor says what is wrong in words, and never falls ill itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from courseware.doctor import Finding, examination, examine, report
from courseware.doctor.kernel import kernel
from courseware.doctor.machine import disk, python, threads
from courseware.doctor.software import packages
from courseware.doctor.workspace import workspace

ROOT = Path(__file__).parents[2]


def test_a_round_looks_at_everything_and_finds_this_machine_well(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    findings = list(examine(ROOT, tmp_path))
    subjects = ["Python", "packages", "torch", "device", "threads", "disk", "kernel", "workspace"]
    assert [finding.subject for finding in findings] == subjects
    # The packages of a machine that tries a newer release differ from the lock, and rightly so.
    assert [finding for finding in findings if finding.wrong and finding.subject != "packages"] == []


def test_the_report_tells_what_is_wrong_after_what_was_found():
    text = report([Finding("disk", "0.1 GB free", "make room"), Finding("torch", "2.13.0")])
    assert text.splitlines() == ["disk   0.1 GB free", "torch  2.13.0", "", "wrong: disk: make room"]


def test_a_healthy_report_says_so():
    assert report([Finding("torch", "2.13.0")]).endswith("Nothing is wrong.")


def test_an_unsupported_python_is_wrong(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert python((3, 12)).wrong is None
    assert "3.11 to 3.13" in python((3, 10)).wrong
    assert python((3, 14)).wrong


def test_a_pythonpath_is_wrong(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/opt/robot/lib")
    assert "/opt/robot/lib" in python((3, 12)).wrong


@pytest.mark.parametrize(
    ("used", "cores", "well"), [(2, 2.0, True), (1, 0.5, True), (8, 2.0, False), (2, 1.5, False)]
)
def test_more_threads_than_cores_are_wrong(used, cores, well):
    finding = threads(used, cores)
    assert (finding.wrong is None) == well
    assert well or f"OMP_NUM_THREADS={int(cores)}" in finding.wrong


def test_a_full_disk_is_wrong_also_where_the_workspace_is_not_there_yet(tmp_path):
    assert disk(tmp_path / "not" / "yet", free=5_000_000_000).wrong is None
    assert "make room" in disk(tmp_path / "not" / "yet", free=200_000_000).wrong


def test_packages_of_other_versions_are_named(tmp_path):
    (tmp_path / "requirements.lock").write_text("pytest==0.1\nnever-heard-of==1.0\n")
    finding = packages(tmp_path)
    assert "pytest" in finding.wrong
    assert "instead of 0.1" in finding.wrong
    assert "never-heard-of" not in finding.wrong


def test_a_missing_kernel_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel.kernelspec", None)  # as if ipykernel were not installed
    assert "no kernel named python3" in kernel(tmp_path).wrong


def test_a_kernel_that_does_not_start_is_wrong(tmp_path):
    (tmp_path / "python3").mkdir()
    (tmp_path / "python3" / "kernel.json").write_text(
        '{"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}'
    )
    finding = kernel(tmp_path)
    assert finding.found == "does not start"
    assert finding.wrong


def test_a_workspace_that_is_not_there_yet_is_fine_and_one_that_is_a_file_is_not(tmp_path):
    assert workspace(tmp_path / "work").wrong is None
    (tmp_path / "file").touch()
    assert "is a file" in workspace(tmp_path / "file").wrong


def test_a_probe_that_breaks_becomes_a_finding(tmp_path, monkeypatch):
    def broken(home: Path) -> Finding:
        raise PermissionError("no entry")

    monkeypatch.setattr(examination, "disk", broken)
    (finding,) = [finding for finding in examine(ROOT, tmp_path) if finding.subject == "disk"]
    assert "PermissionError: no entry" in finding.wrong
