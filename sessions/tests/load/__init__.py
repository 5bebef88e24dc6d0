"""Many concurrent readers: a cheap model server, and readers that record what arrives live.

    with ModelServer() as models, production_set(directory, authorization, REDIS_URL=...) as server:
        report = run_job(Job("pantheon", server.port, authorization=..., path=..., body=..., streams=24, turns=120))

`model_server` and `readers` run as processes of their own, so that neither waits for the other nor for the tests.
`bench/load.py` measures with them; the suite has a test that only counts.
"""
