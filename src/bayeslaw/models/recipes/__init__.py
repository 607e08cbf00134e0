from bayeslaw.models.recipes.recipe import Recipe
from bayeslaw.models.recipes.step_law import step_law
from bayeslaw.models.recipes.tiny import tiny

RECIPES: dict[str, Recipe] = {"step_law": step_law, "tiny": tiny}
"""Recipe by name."""

__all__ = ["RECIPES", "Recipe", "step_law", "tiny"]
