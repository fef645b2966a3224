"""The other side of a side-by-side benchmark, in an environment of its own.

A benchmark script starts itself with `--serve` under another interpreter. That process reads one JSON request per line
and answers each with one JSON line, so both sides can take turns, round by round, on the same machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

TERRATORCH_PYTHON = "TERRATORCH_PYTHON"


class Peer:
    """A benchmark script that runs under another interpreter and answers requests."""

    def __init__(self, python: str, script: str) -> None:
        """Start it; its imports happen before the first answer."""
        self._process = subprocess.Popen(
            [python, script, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if "PEER_ERRORS" in os.environ else subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries may greet on stdout
                return json.loads(line)
        raise RuntimeError("the other side has ended; set PEER_ERRORS=1 to see why")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def start_terratorch(script: str) -> Peer | None:
    """Start the script under the Python that `$TERRATORCH_PYTHON` names, if it names one."""
    python = os.environ.get(TERRATORCH_PYTHON)
    return Peer(python, script) if python else None


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests until there are no more."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print must not come between the answers
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios of measurements that were taken in the same round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
