"""Record ministack's IAM decisions, each once."""

import json
import threading
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id


def record(file: Path) -> None:
    """Append every new decision to `file`, as JSON lines: principal, action, resource, allowed.

    The principal is an ARN, or the AWS service that delivers something. Root is not subject to policies. A request
    without a known permission is served undecided and recorded as not allowed.
    """
    seen: set[str] = set()
    writing = threading.Lock()
    file.touch()

    def write(principal: str, action: str, resource: str, *, allowed: bool) -> None:
        line = json.dumps({"principal": principal, "action": action, "resource": resource, "allowed": allowed})
        with writing:
            if line not in seen:
                seen.add(line)
                with file.open("a") as lines:
                    lines.write(line + "\n")

    def write_caller(access_key_id: str, action: str, resource: str, *, allowed: bool) -> None:
        caller = iam_evaluator.resolve_principal(access_key_id or "", get_account_id())
        if isinstance(caller, iam_evaluator.AuthError):
            write(f"nobody ({caller.code})", action, resource, allowed=allowed)
        elif caller.policies is not None:
            write(caller.arn, action, resource, allowed=allowed)

    enforce = iam_evaluator.enforce
    check_credentials = iam_evaluator.check_credentials
    evaluate_resource_policy = iam_evaluator.evaluate_resource_policy

    def recording_enforce(
        access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = "*", **more: Any
    ) -> Any:
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, **more)
        write_caller(access_key_id, iam_action, resource_arn, allowed=denied is None)
        return denied

    def recording_check_credentials(access_key_id: str, service: str | None = None) -> Any:
        write_caller(access_key_id, f"{service}:?", "*", allowed=False)
        return check_credentials(access_key_id, service)

    def recording_evaluate_resource_policy(doc: Any, ctx: Any, service: str | None = None, **more: Any) -> Any:
        result = evaluate_resource_policy(doc, ctx, service=service, **more)
        if service is not None:
            write(service, ctx.action, ctx.resource_arn, allowed=result.decision == "Allow")
        return result

    iam_evaluator.enforce = recording_enforce
    iam_evaluator.check_credentials = recording_check_credentials
    iam_evaluator.evaluate_resource_policy = recording_evaluate_resource_policy
