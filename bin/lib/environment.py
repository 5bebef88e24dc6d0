"""Install the requirements files into .venv, or check that they are installed.

Standard library only, because it runs before anything is installed. A stamp in .venv records the Python version and
the hash of each installed requirements file. During an installation a marker replaces it; if a marker is left over,
the next run starts with an empty environment.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed.json"
MARKER = VENV / ".installing"
RUNTIME = ["requirements.txt"]
DEVELOPMENT = [*RUNTIME, "requirements-dev.txt"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="include the requirements of the tests")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something is missing")
    options = parser.parse_args()
    files = DEVELOPMENT if options.dev else RUNTIME
    if options.check:
        return 0 if sys.prefix == str(VENV) and is_ready(files) else 1
    try:
        with _exclusively():
            if not (_version_of(PYTHON) and is_ready(files)):
                _make(files)
    except KeyboardInterrupt:
        say("stopped; the next start will begin with an empty environment.")
        return 130
    except (OSError, subprocess.CalledProcessError, SetupError) as error:
        say(str(error))
        return 1
    return 0


class SetupError(Exception):
    """Something is missing that the user has to provide."""


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr)


def is_ready(files: list[str]) -> bool:
    """Return whether the stamp records the current version of these files and of Python."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    return stamp.get("python") == _python_tag() and all(stamp.get(name) == _hash(name) for name in files)


def _python_tag() -> str:
    # Without the patch version: an environment stays usable after a bug-fix release of Python.
    return f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"


def _hash(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


@contextlib.contextmanager
def _exclusively() -> Iterator[None]:
    """Hold a lock, so that commands started at the same time do not install concurrently."""
    if not os.access(ROOT, os.W_OK):
        raise SetupError(
            f"cannot write to {ROOT}: run this as the owner of the directory, or clone it as yourself."
        )
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    with open(ROOT / "var" / "install.lock", "w", opener=_privately) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command to finish installing ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make(files: list[str]) -> None:
    same_python = _version_of(PYTHON) == sys.version_info[:2]
    if not same_python or MARKER.exists():
        _make_empty()
    install = _installer()
    names = " and ".join(files)
    say(
        f"installing {names} into .venv with Python {sys.version.split()[0]} (about a minute the first time) ..."
    )
    MARKER.touch()
    STAMP.unlink(missing_ok=True)
    result = subprocess.run(
        [*install, "--require-hashes", *(part for name in files for part in ("-r", str(ROOT / name)))],
        env={**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
    )
    if result.returncode:
        raise SetupError("the installation failed (see above); fix the cause and run the command again.")
    STAMP.write_text(json.dumps({"python": _python_tag(), **{name: _hash(name) for name in files}}))
    MARKER.unlink()


def _make_empty() -> None:
    """Create an empty virtual environment, with pip if this Python has ensurepip."""
    VENV.mkdir(exist_ok=True)
    MARKER.touch()  # before anything is deleted: a partial environment must not look complete
    for path in VENV.iterdir():
        if path != MARKER:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if importlib.util.find_spec("venv") is None:
        raise SetupError(_missing_venv())
    say("creating the virtual environment .venv ...")
    pip = [] if _has_module("ensurepip") else ["--without-pip"]
    venv = subprocess.run([sys.executable, "-m", "venv", *pip, str(VENV)], capture_output=True, text=True)
    if venv.returncode:
        raise SetupError(f"could not create .venv: {(venv.stderr or venv.stdout).strip()}\n{_missing_venv()}")


def _installer() -> list[str]:
    """Return the command that installs into .venv: its own pip, else the system's pip, else uv."""
    if _works([str(PYTHON), "-I", "-m", "pip", "--version"]):
        return [str(PYTHON), "-I", "-m", "pip", "install", "--quiet"]
    system_pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if _works([*system_pip, "--version"]):
        return [*system_pip, "install", "--quiet"]
    if (uv := shutil.which("uv")) and _works([uv, "--version"]):
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    raise SetupError(_missing_venv())


def _missing_venv() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"{sys.executable} has no ensurepip, and neither uv nor pip is installed, so nothing can be installed. "
        f"Debian, Ubuntu: apt install python{version}-venv (or install uv), then run the command again."
    )


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _version_of(python: Path) -> tuple[int, int] | None:
    try:
        result = subprocess.run(
            [str(python), "-I", "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        major, minor = result.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    sys.exit(main())
