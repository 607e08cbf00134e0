"""Every loss law: one file and one row here."""

from bayeslaw.models.loss.laws.aspect_ratio import ASPECT_RATIO
from bayeslaw.models.loss.laws.aspect_ratio_tied import ASPECT_RATIO_TIED
from bayeslaw.models.loss.laws.aspect_ratio_u import ASPECT_RATIO_U
from bayeslaw.models.loss.laws.chinchilla import CHINCHILLA
from bayeslaw.models.loss.laws.chinchilla_tied import CHINCHILLA_TIED
from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.conditional_additive import CONDITIONAL_ADDITIVE
from bayeslaw.models.loss.laws.conditional_multiplicative import CONDITIONAL_MULTIPLICATIVE
from bayeslaw.models.loss.laws.conditional_varying import CONDITIONAL_VARYING
from bayeslaw.models.loss.laws.data_constrained import DATA_CONSTRAINED
from bayeslaw.models.loss.laws.farseer import FARSEER
from bayeslaw.models.loss.laws.kaplan import KAPLAN
from bayeslaw.models.loss.laws.law import COUNTINGS, Columns, LossLaw
from bayeslaw.models.loss.laws.moe_granularity import MOE_GRANULARITY
from bayeslaw.models.loss.laws.moe_leverage import MOE_LEVERAGE
from bayeslaw.models.loss.laws.moe_sparsity import MOE_SPARSITY
from bayeslaw.models.loss.laws.over_training import OVER_TRAINING
from bayeslaw.models.loss.laws.parallel_scaling import PARALLEL_SCALING
from bayeslaw.models.loss.laws.precision import PRECISION
from bayeslaw.models.loss.laws.registry import LAWS, register_law
from bayeslaw.models.loss.laws.routed import ROUTED
from bayeslaw.models.loss.laws.routed_floor import ROUTED_FLOOR
from bayeslaw.models.loss.laws.shape_penalty import from_paper, to_paper
from bayeslaw.models.loss.laws.shape_surface import SHAPE_SURFACE
from bayeslaw.models.loss.laws.tuned import TUNED
from bayeslaw.models.loss.laws.upcycled import UPCYCLED
from bayeslaw.models.loss.laws.vocabulary import VOCABULARY
from bayeslaw.models.loss.laws.vocabulary_rows import VOCABULARY_ROWS
from bayeslaw.models.loss.laws.width_depth import WIDTH_DEPTH
from bayeslaw.models.loss.laws.width_depth_params import WIDTH_DEPTH_PARAMS

for _law in (
    CHINCHILLA,
    CHINCHILLA_TIED,
    OVER_TRAINING,
    KAPLAN,
    FARSEER,
    DATA_CONSTRAINED,
    VOCABULARY,
    VOCABULARY_ROWS,
    ASPECT_RATIO_TIED,
    ASPECT_RATIO,
    ASPECT_RATIO_U,
    CONDITIONAL_MULTIPLICATIVE,
    CONDITIONAL_ADDITIVE,
    CONDITIONAL_VARYING,
    WIDTH_DEPTH,
    WIDTH_DEPTH_PARAMS,
    SHAPE_SURFACE,
    MOE_SPARSITY,
    MOE_GRANULARITY,
    ROUTED,
    ROUTED_FLOOR,
    UPCYCLED,
    MOE_LEVERAGE,
    PARALLEL_SCALING,
    PRECISION,
    TUNED,
):
    register_law(_law)

__all__ = [
    "COUNTINGS",
    "LAWS",
    "Coefficient",
    "Columns",
    "LossLaw",
    "from_paper",
    "register_law",
    "to_paper",
]
