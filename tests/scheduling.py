"""How the tests are shared out between pytest-xdist's workers."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class OneWorkerPerFile(LoadScopeScheduling):
    """Gives all tests of a file to one worker, so that their fixtures are set up once.

    The cells of a notebook have to stay together: they share a kernel. The tests of the labs are few in files
    and many in cases, so each is given out alone.

    A worker begins a test when it knows the one after it, or that none will follow. xdist's own class forgets
    that when it hands a crashed worker's tests to the next one, and both wait for ever.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.startswith("tests/labs/") else file

    def remove_node(self, node: Any) -> str | None:
        """Give back what a worker has not begun; the test that it died in has failed, and is not repeated."""
        units = self.assigned_work.pop(node)
        begun = next((test for unit in units.values() for test, done in unit.items() if not done), None)
        for scope, unit in units.items():
            if left := {test: False for test, done in unit.items() if not done and test != begun}:
                self.workqueue[scope] = left
        for other in self.nodes:
            self._reschedule(other)
        return begun

    def _reschedule(self, node: Any) -> None:
        if node not in self.registered_collections:
            return  # it has just replaced a crashed worker, and does not know the tests yet
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            if self.workqueue:
                self._assign_work_unit(node)
            else:
                node.shutdown()

    def _assign_work_unit(self, node: Any) -> None:
        with contextlib.suppress(OSError):  # it has died: when that is noticed, its tests come back
            super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return OneWorkerPerFile(config, log)
