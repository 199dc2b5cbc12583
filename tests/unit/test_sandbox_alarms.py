"""The sandbox's CloudWatch alarms: states, missing data, metric math, and impossible alarms."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from sandbox.alarms import AlarmError, AlarmState, Datapoint, emitted, states

PERIOD = 300
STACK = {"service": "facepair"}
BLOCKED: dict[str, Any] = {
    "AlarmDescription": "The account is refused",
    "Namespace": "facepair",
    "MetricName": "Blocked",
    "Dimensions": [{"Name": "service", "Value": "facepair"}],
    "Statistic": "Sum",
    "Period": PERIOD,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
    "TreatMissingData": "notBreaching",
}
LONG_AGO = Datapoint("facepair", "Blocked", STACK, "Count", 0, -1e6)
"""Declare that the metric is emitted, outside every period of a test."""


def blocked(value: float, time: float) -> Datapoint:
    return Datapoint("facepair", "Blocked", STACK, "Count", value, time)


def state(alarm: dict[str, Any], *datapoints: Datapoint, at: float = PERIOD) -> AlarmState:
    [state] = states(alarm, [LONG_AGO, *datapoints], [at])
    return state


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "OK"), (1, "ALARM")], ids=["at the threshold", "above the threshold"]
)
def test_an_alarm_fires_when_its_statistic_breaches_the_threshold(value: float, expected: AlarmState) -> None:
    assert state(BLOCKED, blocked(value, 10)) == expected


def test_a_period_excludes_its_end() -> None:
    assert state(BLOCKED, blocked(1, PERIOD)) == "OK"
    assert state(BLOCKED, blocked(1, 0)) == "ALARM"


@pytest.mark.parametrize(
    ("statistic", "value"), [("Sum", 12), ("Average", 4), ("Maximum", 7), ("Minimum", 2), ("SampleCount", 3)]
)
def test_a_statistic_covers_the_values_of_one_period(statistic: str, value: float) -> None:
    points = [blocked(2, 1), blocked(7, 2), blocked(3, 3), blocked(100, PERIOD + 1)]
    exactly: dict[str, Any] = {"Statistic": statistic, "Threshold": value}

    assert state(BLOCKED | exactly | {"ComparisonOperator": "GreaterThanOrEqualToThreshold"}, *points) == "ALARM"
    assert state(BLOCKED | exactly | {"ComparisonOperator": "GreaterThanThreshold"}, *points) == "OK"
    assert state(BLOCKED | exactly | {"ComparisonOperator": "LessThanOrEqualToThreshold"}, *points) == "ALARM"
    assert state(BLOCKED | exactly | {"ComparisonOperator": "LessThanThreshold"}, *points) == "OK"


# AWS's two tables: periods from the oldest to the newest (X breaches, 0 does not, - has no data), and the state by
# `missing`, `ignore` (where the alarm was INSUFFICIENT_DATA before), `breaching` and `notBreaching`.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
MISSING = ("missing", "ignore", "breaching", "notBreaching")
UNCHANGED: AlarmState = "INSUFFICIENT_DATA"
THREE_OF_THREE: dict[str, tuple[AlarmState, ...]] = {
    "0-X-X": ("OK", "OK", "OK", "OK"),
    "----0": ("OK", "OK", "OK", "OK"),
    "-----": ("INSUFFICIENT_DATA", UNCHANGED, "ALARM", "OK"),
    "0XX-X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "--X--": ("ALARM", UNCHANGED, "ALARM", "OK"),
}
TWO_OF_THREE: dict[str, tuple[AlarmState, ...]] = {
    "0-X-X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "00X0X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0-X--": ("OK", "OK", "ALARM", "OK"),
    "----0": ("OK", "OK", "ALARM", "OK"),
    "---X-": ("ALARM", UNCHANGED, "ALARM", "OK"),
}


@pytest.mark.parametrize(
    ("to_alarm", "pattern", "treatment", "expected"),
    [
        (to_alarm, pattern, treatment, expected)
        for to_alarm, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
        for pattern, row in table.items()
        for treatment, expected in zip(MISSING, row, strict=True)
    ],
)
def test_missing_data_is_treated_as_aws_documents(
    to_alarm: int, pattern: str, treatment: str, expected: AlarmState
) -> None:
    alarm = BLOCKED | {"EvaluationPeriods": 3, "DatapointsToAlarm": to_alarm, "TreatMissingData": treatment}
    values = {"X": 1.0, "0": 0.0}
    points = [blocked(values[each], n * PERIOD) for n, each in enumerate(pattern) if each in values]

    assert state(alarm, *points, at=len(pattern) * PERIOD) == expected


def test_one_breaching_period_is_not_yet_an_alarm_of_three() -> None:
    alarm = BLOCKED | {"EvaluationPeriods": 3, "TreatMissingData": "missing"}

    assert state(alarm, blocked(1, 0)) == "OK"


def test_ignored_gaps_keep_the_previous_state() -> None:
    alarm = BLOCKED | {"TreatMissingData": "ignore"}

    history = states(alarm, [blocked(1, 0), blocked(0, 10 * PERIOD)], [PERIOD, 9 * PERIOD, 11 * PERIOD, 20 * PERIOD])

    assert history == ["ALARM", "ALARM", "OK", "OK"]


def test_silence_is_an_alarm_where_missing_data_is_breaching() -> None:
    silent = BLOCKED | {"TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold", "Threshold": 1}

    assert states(silent, [blocked(1, 0)], [PERIOD, 9 * PERIOD]) == ["OK", "ALARM"]


def math(expression: str, **more: Any) -> dict[str, Any]:
    """Return an alarm on an expression of two metrics: `crashes`, and `unexpected` of the same service."""

    def metric(name: str) -> dict[str, Any]:
        return {"Namespace": "facepair", "MetricName": name, "Dimensions": BLOCKED["Dimensions"]}

    return {
        "Metrics": [
            {
                "Id": name.lower(),
                "ReturnData": False,
                "MetricStat": {"Metric": metric(name), "Period": PERIOD, "Stat": "Sum"},
            }
            for name in ("Crashes", "Unexpected")
        ]
        + [{"Id": "value", "Expression": expression}],
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "TreatMissingData": "notBreaching",
    } | more


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("crashes + unexpected", 8),
        ("crashes - unexpected", 4),
        ("crashes * 3", 18),
        ("crashes / unexpected", 3),
        ("(crashes + unexpected) / 4", 2),
        ("IF(crashes > 5, 10, 20)", 10),
        ("IF(crashes >= 7, 10, unexpected)", 2),
        ("crashes != unexpected", 1),
        ("FILL(crashes, 0) + FILL(unexpected, 0)", 8),
    ],
)
def test_metric_math_gives_a_value_for_each_period(expression: str, value: float) -> None:
    points = [Datapoint("facepair", name, STACK, "Count", v, 1) for name, v in (("Crashes", 6), ("Unexpected", 2))]

    def sounds(comparison: str) -> bool:
        return states(math(expression, ComparisonOperator=comparison, Threshold=value), points, [PERIOD]) == ["ALARM"]

    assert sounds("GreaterThanOrEqualToThreshold")
    assert sounds("LessThanOrEqualToThreshold")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("crashes + unexpected", "OK"),  # one of them has no value, so the sum has none
        ("FILL(crashes, 0) + FILL(unexpected, 0)", "ALARM"),
        ("unexpected / (unexpected - 1)", "OK"),  # division by zero has no value
        ("IF(crashes > 0, 1, 1)", "OK"),
    ],
)
def test_a_missing_value_stays_missing_unless_it_is_filled(expression: str, expected: AlarmState) -> None:
    crash_long_ago = Datapoint("facepair", "Crashes", STACK, "Count", 1, -1e6)
    points = [crash_long_ago, Datapoint("facepair", "Unexpected", STACK, "Count", 1, 1)]

    assert states(math(expression), points, [PERIOD]) == [expected]


@pytest.mark.parametrize(
    "difference",
    [
        {"Namespace": "Facepair"},
        {"MetricName": "Blockd"},
        {"Dimensions": []},
        {"Dimensions": [{"Name": "service", "Value": "facepair-dev"}]},
        {"Dimensions": [*BLOCKED["Dimensions"], {"Name": "function", "Value": "compare"}]},
        {"Unit": "Seconds"},
    ],
    ids=str,
)
def test_an_alarm_on_a_metric_that_is_never_emitted_is_an_error(difference: dict[str, Any]) -> None:
    with pytest.raises(AlarmError, match="no datapoint matches"):
        state(BLOCKED | difference, blocked(1, 1))


def test_an_alarm_with_the_emitted_unit_fires() -> None:
    assert state(BLOCKED | {"Unit": "Count"}, blocked(1, 1)) == "ALARM"


def test_each_metric_of_an_expression_must_be_emitted() -> None:
    with pytest.raises(AlarmError, match=r"no datapoint matches .*'Unexpected'"):
        states(math("FILL(crashes, 0)"), [Datapoint("facepair", "Crashes", STACK, "Count", 1, 1)], [PERIOD])


@pytest.mark.parametrize(
    ("alarm", "complaint"),
    [
        (BLOCKED | {"ExtendedStatistic": "p99"}, "ExtendedStatistic"),
        (BLOCKED | {"Statistic": "p99"}, "p99 is not known here"),
        (BLOCKED | {"ComparisonOperator": "GreaterThanUpperThreshold"}, "GreaterThanUpperThreshold"),
        (BLOCKED | {"TreatMissingData": "nonBreaching"}, "TreatMissingData cannot be nonBreaching"),
        (math("RATE(crashes)"), r"RATE\(crashes\) is not known here"),
        (math("crashes +"), "crashes \\+ is not known here"),
        (math("crashes + crash"), "there is no metric crash"),
    ],
)
def test_an_unsupported_feature_is_an_error_that_names_it(alarm: dict[str, Any], complaint: str) -> None:
    points = [Datapoint("facepair", name, STACK, "Count", 1, 1) for name in ("Blocked", "Crashes", "Unexpected")]

    with pytest.raises(AlarmError, match=complaint):
        states(alarm, points, [PERIOD])


def test_metrics_are_read_from_the_lines_that_powertools_writes(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics(namespace="facepair", service="my-stack")
    metrics.add_metric("Blocked", MetricUnit.Count, 1)
    metrics.add_metric("Blocked", MetricUnit.Count, 2)
    metrics.add_metric("SecondsToVerdict", MetricUnit.Seconds, 1.5)
    metrics.flush_metrics()
    metrics_line = capsys.readouterr().out
    timestamp = json.loads(metrics_line)["_aws"]["Timestamp"] / 1000

    points = emitted(["START", '{"level": "INFO"}', metrics_line])

    mine = {"service": "my-stack"}
    assert points == [
        Datapoint("facepair", "Blocked", mine, "Count", 1, timestamp),
        Datapoint("facepair", "Blocked", mine, "Count", 2, timestamp),
        Datapoint("facepair", "SecondsToVerdict", mine, "Seconds", 1.5, timestamp),
    ]
