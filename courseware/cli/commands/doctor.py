"""Say what this machine is like (Python, torch, device, threads, disk, kernel) and what is wrong with it."""

import argparse

from courseware.cli.place import Place

EXAMPLES = "  course doctor"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    from courseware.doctor import examine, report

    place = Place.here()
    findings = list(examine(place.course.root, place.home))
    print(report(findings))
    return 1 if any(finding.wrong for finding in findings) else 0
