"""Commands in the foreground that end in order when this process is interrupted."""

import signal
import subprocess
import sys
from typing import Any

from processes import dies_with_parent


class CommandRunner:
    """Runs commands, one by one or several at once, and passes an interruption on to them."""

    def __init__(self) -> None:
        self.interrupted = False
        self._children: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> "CommandRunner":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    def run(self, command: list[str], **popen: Any) -> int:
        """Return the exit code."""
        return self.wait(self.start(command, **popen))

    def start(self, command: list[str], **popen: Any) -> subprocess.Popen[Any]:
        child = subprocess.Popen(command, preexec_fn=dies_with_parent(signal.SIGTERM), text=True, **popen)
        self._children.append(child)
        return child

    def wait(self, child: subprocess.Popen[Any]) -> int:
        """Return the exit code of a command that was started."""
        code = child.wait()
        self._children.remove(child)
        return code

    def _pass_on(self, number: int, frame: object) -> None:
        first, self.interrupted = not self.interrupted, True
        if not self._children:
            raise KeyboardInterrupt
        # A terminal sends Ctrl-C to the commands as well; pytest takes a second one for haste.
        if first and not (number == signal.SIGINT and sys.stdin.isatty()):
            for child in self._children:
                child.send_signal(signal.SIGINT)
