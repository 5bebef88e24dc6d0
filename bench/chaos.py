"""Kill, restart and disconnect parts of the production setup under load, then audit. See bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="at least so long (3)")
    parser.add_argument("--rounds", type=int, default=1, help="each fault at least so often (1)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the plan of a run")
    parser.add_argument(
        "--users", type=int, default=3, help="people, each with a turn in each of three modes (3)"
    )
    parser.add_argument("--lease-s", type=float, default=15.0, help="PANTHEON_LEASE_S (15)")
    parser.add_argument("--recover-every-s", type=float, default=5.0, help="PANTHEON_RECOVER_EVERY_S (5)")
    parser.add_argument(
        "--outage-s", type=float, default=6.0, help="the longest outage of PostgreSQL or Redis (6)"
    )
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this directory")
    return parser.parse_args()


def main() -> int:
    arguments = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that child processes are stopped
    with tempfile.TemporaryDirectory(prefix="pantheon-chaos-", ignore_cleanup_errors=True) as name:
        report = drill(arguments, Path(name))
    print(json.dumps(report, indent=1))
    return 1 if report["breaches"] else 0


def drill(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Set Django up on a PostgreSQL of its own, without the caller's settings, and run."""
    import hermetic

    hermetic.clean(os.environ, data_dir=str(directory))
    os.environ |= {"REDIS_URL": "", "DJANGO_SETTINGS_MODULE": "pantheon.settings"}
    from sessions.tests.support.postgres_process import PostgresProcess

    with PostgresProcess() as postgres:
        os.environ["DATABASE_URL"] = postgres.url
        prepare()
        from sessions.tests.chaos.drill import Options, run

        logs = arguments.logs or directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
        print(f"seed {seed}", file=sys.stderr, flush=True)
        chaos_options = Options(
            seed=seed,
            users=arguments.users,
            rounds=arguments.rounds,
            seconds=60 * arguments.minutes,
            lease_s=arguments.lease_s,
            recover_every_s=arguments.recover_every_s,
            outage_s=arguments.outage_s,
        )
        return run(chaos_options, logs, postgres)


def prepare() -> None:
    """Do the work of bin/run before it starts processes."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
