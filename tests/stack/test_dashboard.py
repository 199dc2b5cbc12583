"""The dashboard: file and template agree, and it shows everything."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.dashboard.__main__ import body, put_into
from facepair.domain.metric import Metric
from sandbox.intrinsics import SUB_VARIABLE
from sandbox.template import read_template

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
RESOURCES = read_template(TEMPLATE)["Resources"]
DASHBOARD = RESOURCES["Dashboard"]["Properties"]
WIDGETS: list[dict[str, Any]] = json.loads(DASHBOARD["DashboardBody"]["Fn::Sub"])["widgets"]
COLUMNS = 24


def test_the_template_has_the_file_s_dashboard() -> None:
    assert DASHBOARD["DashboardBody"]["Fn::Sub"] == body(), "`make dashboard` puts the file into the template"


def test_an_edited_file_gets_into_the_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited, template = tmp_path / "dashboard.json", tmp_path / "template.yaml"
    edited.write_text('{"widgets": [{"title": "It\'s ${AWS::StackName}\'s: \\\\d+"}]}')
    template.write_text(TEMPLATE.read_text())
    monkeypatch.setattr("deploy.dashboard.__main__.FILE", edited)

    put_into(template)

    before, after = (read_template(each)["Resources"] for each in (TEMPLATE, template))
    text = after["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert json.loads(text) == {"widgets": [{"title": "It's ${AWS::StackName}'s: \\d+"}]}
    assert {**after, "Dashboard": None} == {**before, "Dashboard": None}


def test_everything_that_it_refers_to_exists() -> None:
    names = {name.partition(".")[0] for name in SUB_VARIABLE.findall(DASHBOARD["DashboardBody"]["Fn::Sub"])}

    assert {name for name in names if not name.startswith("AWS::")} <= RESOURCES.keys()


def test_it_shows_every_alarm_of_every_stack() -> None:
    [shown] = [widget["properties"]["alarms"] for widget in WIDGETS if widget["type"] == "alarm"]

    alarms = [
        name
        for name, resource in RESOURCES.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in resource
    ]
    assert shown == [f"${{{name}.Arn}}" for name in alarms]


def test_it_shows_every_metric_under_the_stack_s_name() -> None:
    metrics = [metric for widget in WIDGETS for metric in widget["properties"].get("metrics", [])]
    own = [metric for metric in metrics if metric[0] == "facepair"]

    assert {metric[1] for metric in own} == set(Metric)
    assert {tuple(metric[2:4]) for metric in own} == {("service", "${AWS::StackName}")}


def test_widgets_do_not_overlap() -> None:
    cells = [
        (x, y)
        for widget in WIDGETS
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < COLUMNS
