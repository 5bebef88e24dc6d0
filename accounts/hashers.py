"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB in one thread. Source: OWASP, "Password Storage Cheat Sheet".

    Django's 100 MB and 8 threads per hash let anybody who signs in often enough, without an account, use up the memory
    of a small server. A hash with other parameters is replaced at the next sign-in.
    """

    memory_cost = 19 * 1024  # KiB
    parallelism = 1
