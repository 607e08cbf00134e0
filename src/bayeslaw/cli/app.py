"""The command line: one command a file, none of which loads torch or jax before it runs."""

from __future__ import annotations

import sys

import typer

from bayeslaw.cli.commands import (
    export,
    fit,
    import_runs,
    init,
    laws,
    measure,
    observe,
    predict,
    recommend,
    report,
    run,
    status,
    suggest,
    train,
)
from bayeslaw.cli.output import print_error
from bayeslaw.errors import BayeslawError

app = typer.Typer(
    name="bayeslaw",
    help="Decide which language-model architecture to train next, and how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 2 bad input, 3 something is missing, 4 not possible in this "
    "state, 5 a run failed, 6 cannot tell, 130 interrupted (start it again to go on).",
)

_ANY_TABLE = "On anyone's table"
_STUDY = "In a study"

app.command("fit", rich_help_panel=_ANY_TABLE)(fit.fit)
app.command("predict", rich_help_panel=_ANY_TABLE)(predict.predict)
app.command("laws", rich_help_panel=_ANY_TABLE)(laws.laws)
app.command("run", rich_help_panel=_STUDY)(run.run)
app.command("init", rich_help_panel=_STUDY)(init.init)
app.command("import", rich_help_panel=_STUDY)(import_runs.import_runs)
app.command("measure", rich_help_panel=_STUDY)(measure.measure)
app.command("suggest", rich_help_panel=_STUDY)(suggest.suggest)
app.command("train", rich_help_panel=_STUDY)(train.train)
app.command("observe", rich_help_panel=_STUDY)(observe.observe)
app.command("recommend", rich_help_panel=_STUDY)(recommend.recommend)
app.command("status", rich_help_panel=_STUDY)(status.status)
app.command("report", rich_help_panel=_STUDY)(report.report)
app.command("export", rich_help_panel=_STUDY)(export.export)


def main() -> None:
    """Run the command line and exit with a code that means something."""
    try:
        app()
    except BayeslawError as error:
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
