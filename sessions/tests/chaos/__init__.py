"""The production shape under load while its parts are killed, restarted and cut off; and what must hold afterwards.

    report = run(Options(seed=7, users=2), directory)
    assert not report["breaches"]

`fleet` is what runs, `weather` the provider, `load` the people and what they are told, `faults` what is done to it all,
`verdict` the provider's count against the ledger. Runs in a process of its own, whose settings name the PostgreSQL that
it restarts: `bench/chaos.py`, which the test starts too.
"""
