from bayeslaw.models.recipes.mup import mup
from bayeslaw.models.recipes.recipe import Recipe
from bayeslaw.models.recipes.step_law import step_law
from bayeslaw.models.recipes.tiny import tiny

RECIPES: dict[str, Recipe] = {"mup": mup, "step_law": step_law, "tiny": tiny}
"""Recipe by name."""

__all__ = ["RECIPES", "Recipe", "mup", "step_law", "tiny"]
