"""The command line: one command a file, none of which loads torch or jax before it runs."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer
from typer.exceptions import TyperException

from bayeslaw.cli.commands import (
    allocate,
    corpus,
    diagnose,
    export,
    fit,
    import_latency,
    import_runs,
    init,
    latency,
    laws,
    measure,
    observe,
    predict,
    recommend,
    remote,
    report,
    run,
    schema,
    serve,
    status,
    store,
    suggest,
    suite,
    token,
    train,
)
from bayeslaw.cli.output import print_error
from bayeslaw.errors import BayeslawError, InvalidInputError

app = typer.Typer(
    name="bayeslaw",
    help="Decide which language-model architecture to train next, and how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 2 bad input, 3 something is missing, 4 not possible in this "
    "state, 5 a run failed, 6 cannot tell, 130 interrupted (start it again to go on).",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"bayeslaw {metadata.version('bayeslaw')}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


_ANY_TABLE = "On anyone's table"
_STUDY = "In a study"
_OPEN_TABLE = "For a table of your own"
_SERVICE = "As a service"

app.command("fit", rich_help_panel=_ANY_TABLE)(fit.fit)
app.command("predict", rich_help_panel=_ANY_TABLE)(predict.predict)
app.command("allocate", rich_help_panel=_ANY_TABLE)(allocate.allocate)
app.command("diagnose", rich_help_panel=_ANY_TABLE)(diagnose.diagnose)
app.command("laws", rich_help_panel=_ANY_TABLE)(laws.laws)
app.command("serve", rich_help_panel=_SERVICE)(serve.serve)
app.add_typer(token.token, name="token", rich_help_panel=_SERVICE)
app.add_typer(remote.remote, name="remote", rich_help_panel=_SERVICE)
app.add_typer(store.store, name="store", rich_help_panel=_SERVICE)
app.add_typer(corpus.corpus, name="corpus", rich_help_panel=_OPEN_TABLE)
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
app.command("import-latency", rich_help_panel=_OPEN_TABLE)(import_latency.import_latency)
app.add_typer(latency.latency, name="latency", rich_help_panel=_OPEN_TABLE)
app.command("suite", rich_help_panel=_OPEN_TABLE)(suite.suite)
app.command("schema", rich_help_panel=_STUDY)(schema.schema)


def main() -> None:
    """Run the command line and exit with a code that means something.

    With ``--json``, standard output is one JSON value whatever happens: an error that nobody
    foresaw is told there too, and its traceback goes to standard error.
    """
    as_json = "--json" in sys.argv
    try:
        # Typer prints wrong usage for people by itself; a program is to get it as JSON.
        sys.exit(app(standalone_mode=not as_json))
    except BayeslawError as error:
        print_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except (OSError, TyperException) as error:  # a folder that is missing, a word that is wrong
        print_error(error, as_json=as_json)
        sys.exit(InvalidInputError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if as_json:
            print_error(error, as_json=True)
        raise
