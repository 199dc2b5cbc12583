"""Every constraint of template.yaml's parameters: the message names the parameter and what it must be."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.deploy import deploy
from sandbox.intrinsics import TemplateError
from sandbox.parameters import ParameterError, parameter_values
from sandbox.template import read_template
from tests.support import ROOT

DECLARED: dict[str, dict[str, Any]] = read_template(ROOT / "template.yaml")["Parameters"]


def limits() -> Iterator[tuple[str, str, str]]:
    """Yield (parameter, a value at the limit, one just beyond it)."""
    for name, attributes in DECLARED.items():
        if "MinValue" in attributes:
            yield name, str(attributes["MinValue"]), str(attributes["MinValue"] - 1)
        if "MaxValue" in attributes:
            yield name, str(attributes["MaxValue"]), str(attributes["MaxValue"] + 1)


@pytest.mark.parametrize(("name", "allowed", "beyond"), list(limits()))
def test_a_number_is_accepted_at_its_limit_and_refused_beyond_it(name: str, allowed: str, beyond: str) -> None:
    assert parameter_values(DECLARED, {name: allowed})[name] == allowed

    with pytest.raises(ParameterError, match=f"Parameter {name} must be .*; it is '{beyond}'"):
        parameter_values(DECLARED, {name: beyond})


@pytest.mark.parametrize("name", [name for name, attributes in DECLARED.items() if attributes["Type"] == "Number"])
@pytest.mark.parametrize("value", ["many", "", "NaN", "Infinity"])
def test_what_is_not_a_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"Parameter {name} must be a number"):
        parameter_values(DECLARED, {name: value})


@pytest.mark.parametrize("name", [name for name, attributes in DECLARED.items() if "AllowedValues" in attributes])
def test_a_choice_is_accepted_and_anything_else_refused(name: str) -> None:
    choices = DECLARED[name]["AllowedValues"]
    other = "2" if DECLARED[name]["Type"] == "Number" else "other"

    assert [parameter_values(DECLARED, {name: choice})[name] for choice in choices] == [str(one) for one in choices]
    with pytest.raises(ParameterError, match=f"Parameter {name} must be one of {choices[0]}, .*; it is '{other}'"):
        parameter_values(DECLARED, {name: other})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.advance.ai",
        "https://sg-api.advance.ai/",
        "http://127.0.0.1:8080",
        "http://localhost:80",
        "http://[::1]:1",
        "http://api.advance.test",
    ],
)
def test_a_base_url_is_accepted(url: str) -> None:
    assert parameter_values(DECLARED, {"AdvanceBaseUrl": url})["AdvanceBaseUrl"] == url


@pytest.mark.parametrize(
    "url", ["http://api.advance.ai", "https://api.advance.ai/v4", "api.advance.ai", "", "https://a b", "https://"]
)
def test_a_wrong_base_url_is_refused_with_what_it_must_be(url: str) -> None:
    with pytest.raises(ParameterError, match="Parameter AdvanceBaseUrl must be https://host, without a path"):
        parameter_values(DECLARED, {"AdvanceBaseUrl": url})


@pytest.mark.parametrize("name", ["FirstName", "SecondName"])
@pytest.mark.parametrize("stem", ["", "a/b", "a.b"])
def test_a_stem_with_a_slash_or_a_dot_is_refused(name: str, stem: str) -> None:
    with pytest.raises(ParameterError, match=f"Parameter {name} must be a file name's stem"):
        parameter_values(DECLARED, {name: stem})


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(
        ParameterError, match=r"Parameters: \[PassAbov\] do not exist in the template; it has .*PassAbove"
    ):
        parameter_values(DECLARED, {"PassAbov": 70})


def test_a_parameter_without_default_must_be_given() -> None:
    with pytest.raises(ParameterError, match=r"Parameters: \[Bucket\] must have values"):
        parameter_values({"Bucket": {"Type": "String"}}, {})


def test_a_constraint_that_the_sandbox_does_not_know_is_an_error() -> None:
    with pytest.raises(TemplateError, match="MaxLength"):
        parameter_values({"Name": {"Type": "String", "MaxLength": 3}}, {"Name": "long"})


def test_equal_names_break_the_templates_rule(local_aws: Any) -> None:
    with pytest.raises(ParameterError, match="FirstName and SecondName must differ"):
        deploy(local_aws, ROOT / "template.yaml", "equal-names", {"FirstName": "a", "SecondName": "a"})
