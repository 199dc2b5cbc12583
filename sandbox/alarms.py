"""Evaluate CloudWatch alarms over the metrics in functions' logs.

On AWS an alarm on a metric that is never emitted stays silent; here it is an error.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import ast
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.resources import flag, whole

type AlarmState = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
type Properties = Mapping[str, Any]

EXTRA_PERIODS = 2
"""Periods beyond its evaluation periods that an alarm looks back if data is missing: as in AWS's examples; the general
rule is undocumented.
"""

STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}
BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
METRIC = {"Dimensions", "MetricName", "Namespace"}
SINGLE_METRIC = METRIC | {"Period", "Statistic", "Unit"}
ANY_ALARM = {
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "AlarmName",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "InsufficientDataActions",
    "OKActions",
    "Tags",
    "Threshold",
    "TreatMissingData",
}


class AlarmError(ValueError):
    """The alarm watches a metric that is never emitted, or uses an unsupported feature."""


@dataclass(frozen=True)
class Datapoint:
    """A value of a metric; `time` in epoch seconds."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    value: float
    time: float


@dataclass(frozen=True)
class _Query:
    """A statistic of a metric; without a unit, any matches."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    unit: str | None

    def matches(self, point: Datapoint) -> bool:
        return (
            (point.namespace, point.name) == (self.namespace, self.name)
            and dict(point.dimensions) == dict(self.dimensions)
            and self.unit in (None, point.unit)
        )

    def value(self, values: Sequence[float]) -> float | None:
        return STATISTICS[self.statistic](values) if values else None


def emitted(log: Iterable[str]) -> list[Datapoint]:
    """Return the metrics in a function's log lines (embedded metric format).

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    return [point for line in log if line.startswith("{") and '"_aws"' in line for point in _of_line(json.loads(line))]


def _of_line(line: Mapping[str, Any]) -> Iterator[Datapoint]:
    for group in line["_aws"]["CloudWatchMetrics"]:
        for names in group["Dimensions"]:
            dimensions = {name: str(line[name]) for name in names}
            for metric in group["Metrics"]:
                values = line[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    time = line["_aws"]["Timestamp"] / 1000
                    unit = metric.get("Unit", "None")
                    yield Datapoint(group["Namespace"], metric["Name"], dimensions, unit, float(value), time)


def states(alarm: Properties, datapoints: Sequence[Datapoint], moments: Iterable[float]) -> list[AlarmState]:
    """Return the alarm's state at each moment (epoch seconds, ascending), from the periods that end there.

    `alarm`: resolved properties of an AWS::CloudWatch::Alarm, as in `Stack.resources`. Raises AlarmError if no
    datapoint matches one of its metrics, and for unsupported features.
    """
    watched = _Alarm(alarm)
    watched.check(datapoints)
    state: AlarmState = "INSUFFICIENT_DATA"
    history: list[AlarmState] = []
    for moment in moments:
        state = watched.state(datapoints, moment, state)
        history.append(state)
    return history


class _Alarm:
    def __init__(self, properties: Properties) -> None:
        self._queries: dict[str, _Query] = {}
        self._expressions: dict[str, ast.expr] = {}
        if "Metrics" in properties:
            _only(properties, ANY_ALARM | {"Metrics"})
            self._period, self._returned = self._read_metrics(properties["Metrics"])
        else:
            _only(properties, ANY_ALARM | SINGLE_METRIC)
            self._period, self._returned = whole(properties["Period"]), "metric"
            self._queries["metric"] = _query(properties, properties["Statistic"], properties.get("Unit"))
        self._periods = whole(properties["EvaluationPeriods"])
        self._to_alarm = whole(properties.get("DatapointsToAlarm", self._periods))
        self._breaches = _known(BREACHES, properties["ComparisonOperator"])
        self._threshold = float(properties["Threshold"])
        self._missing = properties.get("TreatMissingData", "missing")
        if self._missing not in {"breaching", "ignore", "missing", "notBreaching"}:
            raise AlarmError(f"TreatMissingData cannot be {self._missing}")

    def _read_metrics(self, metrics: Sequence[Properties]) -> tuple[int, str]:
        """Return the period, which must be the same for all metrics, and the id of the metric to compare."""
        periods, returned = set(), []
        for metric in metrics:
            _only(metric, {"Expression", "Id", "Label", "MetricStat", "ReturnData"})
            if "Expression" in metric:
                self._expressions[metric["Id"]] = _parsed(metric["Expression"])
            else:
                wanted = metric["MetricStat"]
                _only(wanted, {"Metric", "Period", "Stat", "Unit"})
                _only(wanted["Metric"], METRIC)
                self._queries[metric["Id"]] = _query(wanted["Metric"], wanted["Stat"], wanted.get("Unit"))
                periods.add(whole(wanted["Period"]))
            if flag(metric.get("ReturnData", True)):
                returned.append(metric["Id"])
        if len(periods) != 1 or len(returned) != 1:
            raise AlarmError(f"an alarm has one period and returns one value; this has {sorted(periods)}, {returned}")
        return periods.pop(), returned[0]

    def check(self, datapoints: Sequence[Datapoint]) -> None:
        """Raise AlarmError for a metric that is never emitted."""
        for query in self._queries.values():
            if not any(query.matches(point) for point in datapoints):
                alike = {str(_without_value(p)) for p in datapoints if p.name == query.name}
                raise AlarmError(
                    f"no datapoint matches {query}; emitted are {', '.join(sorted(alike)) or 'none of it'}"
                )

    def state(self, datapoints: Sequence[Datapoint], moment: float, before: AlarmState) -> AlarmState:
        """Return the state from the periods that end at the moment; `before` is the previous state."""
        looked_at = self._periods + EXTRA_PERIODS
        breaching = [self._breaching(datapoints, moment - age * self._period) for age in range(looked_at)]
        real = [each for each in breaching if each is not None][: self._periods]
        filled = self._periods - len(real)
        if sum(real) >= self._to_alarm:
            return "ALARM"
        if not filled or self._missing == "notBreaching":
            return "OK"
        if self._missing == "breaching":
            return "ALARM" if sum(real) + filled >= self._to_alarm else "OK"
        if not real:
            return before if self._missing == "ignore" else "INSUFFICIENT_DATA"
        # Too few datapoints, but all breach, and the oldest is old enough.
        oldest = max(age for age, each in enumerate(breaching) if each is not None)
        if all(real) and oldest + 1 >= self._to_alarm:
            return before if self._missing == "ignore" else "ALARM"
        return "OK"

    def _breaching(self, datapoints: Sequence[Datapoint], end: float) -> bool | None:
        """Return whether the period with this end breaches the threshold; None without a value."""
        value = self._value(self._returned, datapoints, end)
        return None if value is None else self._breaches(value, self._threshold)

    def _value(self, metric_id: str, datapoints: Sequence[Datapoint], end: float) -> float | None:
        if metric_id in self._queries:
            query = self._queries[metric_id]
            return query.value([p.value for p in datapoints if end - self._period <= p.time < end and query.matches(p)])
        if metric_id in self._expressions:
            return _calculate(self._expressions[metric_id], lambda other: self._value(other, datapoints, end))
        raise AlarmError(f"there is no metric {metric_id}")


def _calculate(expression: ast.expr, value_of: Callable[[str], float | None]) -> float | None:
    """Return the value of metric math in one period; None if an operand is missing or for a division by zero.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """

    def combined(combine: Callable[[float, float], float], *sides: ast.expr) -> float | None:
        left, right = (_calculate(side, value_of) for side in sides)
        try:
            return None if left is None or right is None else float(combine(left, right))
        except ZeroDivisionError:
            return None

    match expression:
        case ast.Constant(int() | float() as number):
            return float(number)
        case ast.Name(name):
            return value_of(name)
        case ast.BinOp(left, sign, right) if type(sign) in ARITHMETIC:
            return combined(ARITHMETIC[type(sign)], left, right)
        case ast.Compare(left, [sign], [right]) if type(sign) in COMPARISONS:
            return combined(COMPARISONS[type(sign)], left, right)
        case ast.Call(ast.Name("FILL"), [series, instead]):
            value = _calculate(series, value_of)
            return _calculate(instead, value_of) if value is None else value
        case ast.Call(ast.Name("IF"), [condition, when_true, when_false]):
            holds = _calculate(condition, value_of)
            return None if holds is None else _calculate(when_true if holds else when_false, value_of)
        case _:
            raise AlarmError(f"the expression {ast.unparse(expression)} is not known here")


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise AlarmError(f"the expression {expression} is not known here") from error


def _query(metric: Properties, statistic: str, unit: str | None) -> _Query:
    _known(STATISTICS, statistic)
    dimensions = {each["Name"]: str(each["Value"]) for each in metric.get("Dimensions", [])}
    return _Query(metric["Namespace"], metric["MetricName"], dimensions, statistic, unit)


def _known[T](table: Mapping[str, T], name: str) -> T:
    if name not in table:
        raise AlarmError(f"{name} is not known here; known are {', '.join(table)}")
    return table[name]


def _only(properties: Properties, known: set[str]) -> None:
    if unknown := sorted(properties.keys() - known):
        raise AlarmError(f"{', '.join(unknown)} of an alarm is not known here")


def _without_value(point: Datapoint) -> tuple[str, str, Mapping[str, str], str]:
    return point.namespace, point.name, point.dimensions, point.unit
