"""CloudWatch metrics, written to the log in embedded metric format by Powertools."""

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from facepair.domain.metric import Metric

UNITS = dict.fromkeys(
    (
        Metric.SECONDS_TO_VERDICT,
        Metric.OLDEST_DEFERRED,
        Metric.SECONDS_TO_RECEIVER,
        Metric.SECONDS_UNDELIVERED,
        Metric.SECONDS_TO_DECISION,
    ),
    MetricUnit.Seconds,
)
"""Units of the metrics that are not counts."""


class PowertoolsMetrics:
    """The `Metrics` port over CloudWatch, by Powertools."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def add(self, metric: Metric, value: float = 1) -> None:
        """Add to a metric of this invocation."""
        self._metrics.add_metric(metric, UNITS.get(metric, MetricUnit.Count), value)
