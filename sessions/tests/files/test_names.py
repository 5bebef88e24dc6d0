"""Names of files as people see them."""

from __future__ import annotations

import pytest

from sessions.files.names import clean_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("lease.pdf", "lease.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("", "file"),
        ("..", "file"),
        ("/", "file"),
        (" .hidden ", "hidden"),
        ("a\0b.txt", "ab.txt"),
        ("a\tb\nc  d.txt", "abc d.txt"),
        ("\u202etxt.exe", "txt.exe"),
        ("\ud800x.txt", "x.txt"),
        ("e\u0301.txt", "é.txt"),
        ("日本語 報告.pdf", "日本語 報告.pdf"),
        ("n" * 300, "n" * 255),
        ("n" * 300 + ".pdf", "n" * 251 + ".pdf"),
        ("a." + "n" * 300, "a." + "n" * 253),
    ],
)
def test_a_name_is_short_plain_and_no_path(name: str, shown: str) -> None:
    assert clean_name(name) == shown
