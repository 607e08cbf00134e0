from bayeslaw.report.figures.front import front_figure
from bayeslaw.report.figures.latency import latency_figure
from bayeslaw.report.figures.scaling import scaling_figure
from bayeslaw.report.figures.shape import SHAPES, shape_columns, shape_figure

__all__ = [
    "SHAPES",
    "front_figure",
    "latency_figure",
    "scaling_figure",
    "shape_columns",
    "shape_figure",
]
