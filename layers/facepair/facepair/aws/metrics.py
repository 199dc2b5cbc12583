"""CloudWatch's metrics, by way of the function's log (Powertools' embedded metric format)."""

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
"""Of the metrics that are no counts."""


class PowertoolsMetrics:
    """A facepair.use_cases.ports.Metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def add(self, metric: Metric, value: float = 1) -> None:
        """Add to a metric of this invocation."""
        self._metrics.add_metric(metric, UNITS.get(metric, MetricUnit.Count), value)
