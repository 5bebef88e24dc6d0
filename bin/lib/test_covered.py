"""What bin/test --coverage prints."""

import covered


def file(percent, lines=10):
    return {"summary": {"percent_covered": percent, "num_statements": lines}}


def test_the_total_comes_first_and_then_low_files_from_the_lowest():
    files = {"a.py": file(80.0), "b.py": file(79.9), "c.py": file(5.0), "empty.py": file(100.0, lines=0)}
    report = {"files": files, "totals": {"percent_covered": 91.26, "num_statements": 30}}
    assert list(covered.lines(report)) == [
        "coverage: 91.3 % of 30 lines",
        "  5.0 %  c.py",
        " 79.9 %  b.py",
    ]
