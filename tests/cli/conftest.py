import sys

import pytest

from bayeslaw.cli import main


@pytest.fixture
def bayeslaw(monkeypatch, capsys):
    """Call the command line in this process: returns (exit code, output, errors)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["bayeslaw", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call
