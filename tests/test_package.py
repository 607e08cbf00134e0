"""The package as its users get it: light to import, whole in its wheel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bayeslaw

ROOT = Path(__file__).parents[1]


def python(code, **options):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "act",
    [
        "import bayeslaw",
        "import bayeslaw.cli.app",
        "import sys; sys.argv = ['bayeslaw', '--help']\ntry: bayeslaw_main()\nexcept SystemExit: pass",
        "from bayeslaw.study.opening import open_state",
        "import bayeslaw.store, bayeslaw.executors, bayeslaw.space, bayeslaw.runs",
    ],
)
def test_what_a_scheduler_uses_loads_neither_torch_nor_jax(act):
    prelude = "def bayeslaw_main():\n    from bayeslaw.cli import main\n    main()\n"
    check = "\nimport sys\nloaded = {'torch', 'jax', 'botorch', 'numpyro'} & set(sys.modules)\n"
    python(prelude + act + check + "assert not loaded, loaded")


def test_a_lab_needs_torch_numpy_and_the_standard_library():
    heavy = "{'jax', 'numpyro', 'pandas', 'pyarrow', 'pydantic', 'sqlalchemy', 'yaml', 'scipy'}"
    python(f"import bayeslaw.lab, sys; assert not {heavy} & set(sys.modules)")


def test_every_public_name_is_there():
    for name in bayeslaw.__all__:
        assert getattr(bayeslaw, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'unheard'"):
        _ = bayeslaw.unheard  # pyright: ignore[reportAttributeAccessIssue]


def test_the_wheel_installed_elsewhere_brings_its_yaml_and_migrations(tmp_path):
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(wheels)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, capture_output=True)
    code = """
import bayeslaw, sys
from pathlib import Path
assert Path(bayeslaw.__file__).is_relative_to(sys.argv[1]), bayeslaw.__file__
from bayeslaw.shipped import shipped_file, shipped_folder
from bayeslaw.study.config import StudyConfig
assert StudyConfig.read(shipped_file("search", "demo")).name == "demo"
assert sorted(p.name for p in shipped_folder("models").glob("*.yaml"))
from bayeslaw.store import SqlStore
SqlStore(sys.argv[1] + "/new.db").close()
"""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
