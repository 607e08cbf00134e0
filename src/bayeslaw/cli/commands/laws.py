"""``bayeslaw laws``: which laws there are."""

from __future__ import annotations

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import print_json, print_table


def laws(as_json: AsJson = False) -> None:
    """List the loss laws, what each needs, and where it comes from."""
    from bayeslaw.models.loss.laws import LAWS

    if as_json:
        print_json(
            [
                {
                    "name": law.name,
                    "inputs": list(law.inputs),
                    "coefficients": list(law.coefficient_names),
                    "source": law.source,
                }
                for law in LAWS.values()
            ]
        )
        return
    print_table(
        "loss laws",
        ["law", "needs", "coefficients", "source"],
        [
            [law.name, ", ".join(law.inputs), ", ".join(law.coefficient_names), law.source]
            for law in LAWS.values()
        ],
        left=4,
    )
