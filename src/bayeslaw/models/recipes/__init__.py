from bayeslaw.models.recipes.mup import mup
from bayeslaw.models.recipes.penalty import RecipePenalty, recipe_penalty
from bayeslaw.models.recipes.penalty_fit import fit_recipe_penalty
from bayeslaw.models.recipes.recipe import Recipe
from bayeslaw.models.recipes.step_law import step_law
from bayeslaw.models.recipes.tiny import tiny

RECIPES: dict[str, Recipe] = {"mup": mup, "step_law": step_law, "tiny": tiny}
"""Recipe by name."""

__all__ = [
    "RECIPES",
    "Recipe",
    "RecipePenalty",
    "fit_recipe_penalty",
    "mup",
    "recipe_penalty",
    "step_law",
    "tiny",
]
