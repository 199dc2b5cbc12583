"""Deploying small templates: resolution, order and refusals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from sandbox.intrinsics import TemplateError
from sandbox.stack import SandboxStack

HEAD = "Transform: AWS::Serverless-2016-10-31\n"


class Deployer:
    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.template = folder / "template.yaml"
        self.stack_name = f"stack-{uuid4().hex[:8]}"

    def __call__(self, template: str, previous: SandboxStack | None = None, **parameters: object) -> SandboxStack:
        self.template.write_text(HEAD + template)
        return deploy(self.aws, self.template, self.stack_name, parameters, previous)

    def with_values(
        self, template: str, overrides: Mapping[str, Mapping[str, Any]], **environment: str
    ) -> SandboxStack:
        self.template.write_text(HEAD + template)
        return deploy(self.aws, self.template, self.stack_name, {}, overrides=overrides, environment=environment)


@pytest.fixture
def deployer(local_aws: LocalAws, tmp_path: Path) -> Deployer:
    return Deployer(local_aws, tmp_path)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Sub '${AWS::StackName}-x'", "{stack}-x"),
        ("!Sub ['${A}-${!B}', {A: !Ref Colour}]", "red-${B}"),
        ("!Join ['/', [a, !Ref Colour, 3, true]]", "a/red/3/true"),
        ("!Select [1, !Split [':', 'a:b:c']]", "b"),
        ("!FindInMap [Sizes, big, metres]", "9"),
        ("!If [IsRed, warm, cold]", "warm"),
        ("!If [IsNeither, warm, cold]", "cold"),
        ("!Select [1, [a, !Ref AWS::NoValue, b]]", "b"),
        ("!Sub 'arn:${AWS::Partition}:x:${AWS::Region}:${AWS::AccountId}'", "arn:aws:x:us-east-1:123456789012"),
    ],
)
def test_functions_give_what_cloudformation_documents(deployer: Deployer, expression: str, value: str) -> None:
    stack = deployer(
        f"""
Parameters: {{Colour: {{Type: String, Default: red}}}}
Mappings: {{Sizes: {{big: {{metres: 9}}}}}}
Conditions:
  IsRed: !Equals [!Ref Colour, red]
  IsBlue: !Equals [!Ref Colour, blue]
  IsNeither: !And [!Not [!Condition IsRed], !Not [!Or [!Condition IsBlue, !Condition IsRed]]]
Resources: {{Queue: {{Type: AWS::SQS::Queue}}}}
Outputs: {{Value: {{Value: {expression}}}}}
"""
    )

    assert stack.outputs == {"Value": value.replace("{stack}", deployer.stack_name)}


def test_a_resource_comes_after_those_that_it_refers_to_wherever_they_stand(deployer: Deployer) -> None:
    stack = deployer(
        """
Resources:
  Uploads:
    Type: AWS::SQS::Queue
    DependsOn: Table
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 3}
  DeadLetters: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
    )

    assert list(stack.resources) == ["Table", "DeadLetters", "Uploads"]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("Resources: {Mail: {Type: AWS::SES::Identity}}", "Mail: the sandbox does not know resources of type AWS::SES"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 3}}}", r"Q .*does not know DelaySeconds"),
        ("Resources: {Q: {Type: AWS::SQS::Queue, CreationPolicy: {}}}", "Q: .*does not know CreationPolicy"),
        ("Hooks: {}\nResources: {Q: {Type: AWS::SQS::Queue}}", "does not know the section Hooks"),
        (
            "Resources: {S: {Type: AWS::SecretsManager::Secret, Properties: {Description: !ImportValue x}}}",
            "ImportValue",
        ),
        ("Resources: {S: {Type: AWS::SecretsManager::Secret, Properties: {Description: !Ref Unknown}}}", "Unknown"),
        ("Resources: {S: {Type: AWS::SecretsManager::Secret, Properties: {Description: !GetAtt S.Arn}}}", "S -> S"),
        (
            "Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: !GetAtt Q.Colour}}",
            "Q .*does not know its attribute Colour",
        ),
        (
            "Resources: {B: {Type: AWS::S3::Bucket, Properties: {LifecycleConfiguration: {Rules: "
            "[{Id: a, Status: Enabled, Transitions: []}]}}}}",
            "B .*does not know Transitions",
        ),
        (
            "Resources: {B: {Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {TopicConfigurations: []}}"
            "}}",
            "B .*does not know TopicConfigurations",
        ),
        (
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {InlineCode: x}}}",
            "F: CodeUri must be a folder",
        ),
        ("Resources: {A: {Type: AWS::SQS::Queue, Condition: Never}}", "there is no condition Never"),
        ("Resources: {A: [", "while parsing"),
    ],
)
def test_what_the_sandbox_does_not_know_is_an_error_that_names_it(
    deployer: Deployer, template: str, complaint: str
) -> None:
    with pytest.raises(TemplateError, match=complaint):
        deployer(template)


def test_a_resource_whose_condition_is_false_is_not_created(deployer: Deployer) -> None:
    stack = deployer(
        """
Conditions: {Never: !Equals [a, b]}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Other: {Type: AWS::SQS::Queue, Condition: Never}
Outputs: {Other: {Condition: Never, Value: !Ref Other}}
"""
    )

    assert list(stack.resources) == ["Queue"]
    assert stack.outputs == {}


def test_what_is_left_out_is_listed_with_the_reason(deployer: Deployer) -> None:
    stack = deployer("Resources: {Dashboard: {Type: AWS::CloudWatch::Dashboard}}")

    assert stack.left_out == {"AWS::CloudWatch::Dashboard": "nothing is measured here"}


def test_a_stack_can_change_its_functions_but_not_its_queues(deployer: Deployer) -> None:
    (deployer.template.parent / "code").mkdir()
    template = """
Parameters: {Colour: {Type: String, Default: red}, Seconds: {Type: Number, Default: 30}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Seconds}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: code
      Environment: {Variables: {COLOUR: !Ref Colour, QUEUE: !Ref Queue}}
"""
    stack = deployer(template)

    changed = deployer(template, stack, Colour="blue")

    assert changed.functions["Work"].environment == {"COLOUR": "blue", "QUEUE": stack.resources["Queue"].physical_id}
    name = changed.functions["Work"].name
    described = deployer.aws.client("lambda").get_function_configuration(FunctionName=name)
    assert described["Environment"]["Variables"]["COLOUR"] == "blue"
    with pytest.raises(TemplateError, match=r"change Queue .*start a new sandbox"):
        deployer(template, stack, Seconds=60)


QUEUE_AND_FUNCTIONS = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 360, MessageRetentionPeriod: 600}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: code
      Timeout: 60
      Environment: {Variables: {COLOUR: red, QUEUE: !Ref Queue}}
  Rest: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.13, Handler: app.handler, CodeUri: code}}
"""


def test_overrides_replace_single_properties_of_resources(deployer: Deployer) -> None:
    (deployer.template.parent / "code").mkdir()

    stack = deployer.with_values(
        QUEUE_AND_FUNCTIONS, {"Queue": {"VisibilityTimeout": 12}, "Work": {"Timeout": 11}, "Rest": {"MemorySize": 256}}
    )

    url = stack.resources["Queue"].physical_id
    queue = deployer.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["VisibilityTimeout"], queue["MessageRetentionPeriod"]) == ("12", "600")
    assert (stack.functions["Work"].timeout, stack.functions["Rest"].memory) == (11, 256)


def test_additional_variables_reach_every_function_beside_its_own(deployer: Deployer) -> None:
    (deployer.template.parent / "code").mkdir()

    stack = deployer.with_values(QUEUE_AND_FUNCTIONS, {}, COLOUR="blue", SHAPE="round")

    url = stack.resources["Queue"].physical_id
    assert stack.functions["Work"].environment == {"COLOUR": "blue", "SHAPE": "round", "QUEUE": url}
    assert stack.functions["Rest"].environment == {"COLOUR": "blue", "SHAPE": "round"}


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"Queu": {"VisibilityTimeout": 12}}, r"overrides: there is no resource Queu in the template; it has .*Queue"),
        ({"Queue": {"VisibilityTimeOut": 12}}, r"Queue .*does not know VisibilityTimeOut"),
    ],
)
def test_an_override_of_what_is_not_there_is_an_error_that_names_it(
    deployer: Deployer, overrides: dict[str, dict[str, Any]], complaint: str
) -> None:
    (deployer.template.parent / "code").mkdir()

    with pytest.raises(TemplateError, match=complaint):
        deployer.with_values(QUEUE_AND_FUNCTIONS, overrides)


TABLE = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
      {more}
Outputs: {{Table: {{Value: !Ref Table}}}}
"""


def test_an_update_changes_a_table_s_protection_and_keeps_the_table(deployer: Deployer) -> None:
    before = deployer(TABLE.format(more=""))
    after = deployer(TABLE.format(more="DeletionProtectionEnabled: true"), before)

    assert after.outputs == before.outputs
    described = deployer.aws.client("dynamodb").describe_table(TableName=after.outputs["Table"])["Table"]
    assert described["DeletionProtectionEnabled"] is True


def test_an_update_that_would_change_a_table_s_stream_is_refused(deployer: Deployer) -> None:
    before = deployer(TABLE.format(more=""))

    with pytest.raises(TemplateError, match="Table: the sandbox cannot change StreamSpecification of a table"):
        deployer(TABLE.format(more="StreamSpecification: {StreamViewType: NEW_IMAGE}"), before)
