import pytest
from loss_examples import synthetic_table

from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.runs import RunTable


@pytest.fixture(scope="session")
def table() -> RunTable:
    return synthetic_table()


@pytest.fixture(scope="session")
def nuts(table):
    return fit_law(LAWS["chinchilla"], table, method="nuts", seed=0)


@pytest.fixture(scope="session")
def laplace(table):
    return fit_law(LAWS["chinchilla"], table, method="laplace", seed=0)
