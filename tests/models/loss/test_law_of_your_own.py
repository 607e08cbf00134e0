import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Posterior, fit_law
from bayeslaw.models.loss.laws import registry


def test_a_law_of_one_s_own_is_one_file_and_one_row(tmp_path, table, request):
    file = tmp_path / "log_law.py"
    file.write_text(
        "from bayeslaw.models.loss.laws import Coefficient, LossLaw\n"
        "LOG_LAW = LossLaw(\n"
        "    name='log_law',\n"
        "    inputs=('n_params', 'n_tokens'),\n"
        "    letters=('N', 'D'),\n"
        "    coefficients=(\n"
        "        Coefficient('K', 'loss at one FLOP', 'loss', 1.0, 0.2, (('N', 'k', 1.0),\n"
        "                    ('D', 'k', 1.0)), reason='the table says'),\n"
        "        Coefficient('k', 'how fast compute lowers it', 'real', 0.05, 0.05, reason='guess'),\n"
        "    ),\n"
        "    formula=lambda theta, x: theta['K'] * (x['N'] * x['D']) ** -theta['k'],\n"
        "    source='this test',\n"
        ")\n"
    )
    spec = importlib.util.spec_from_file_location("log_law", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(InvalidInputError, match="not a row of LAWS"):
        fit_law(module.LOG_LAW, table)

    request.addfinalizer(lambda: registry._rows.pop("log_law"))
    assert registry.register_law(module.LOG_LAW) is LAWS["log_law"]
    posterior = fit_law(LAWS["log_law"], table, method="map")
    again = Posterior.load(posterior.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.losses(table), posterior.losses(table))
    assert (
        np.median(np.abs(np.log(np.median(again.losses(table), axis=0) / table["loss_nats"]))) < 0.1
    )
    with pytest.raises(InvalidInputError, match="named 'log_law' is there already"):
        registry.register_law(replace(module.LOG_LAW, source="another"))
