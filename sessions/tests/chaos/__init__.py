"""The production setup under load while its parts are killed, restarted and disconnected; and the checks afterwards.

    report = run(Options(seed=7, users=2), directory)
    assert not report["breaches"]

`fleet` runs the processes, `weather` is the provider, `load` the people and what they receive, `faults` the faults,
`verdict` compares the provider's count with the ledger. Runs in a process of its own, whose settings name the
PostgreSQL that it restarts: `bench/chaos.py`, which the test starts too.
"""
