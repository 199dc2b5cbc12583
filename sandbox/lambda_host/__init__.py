"""Run a stack's functions like Lambda: each environment is a process under awslambdaric."""

from sandbox.lambda_host.environment import Environment
from sandbox.lambda_host.host import LambdaHost
from sandbox.lambda_host.runtime_api import InvocationResult

__all__ = ["Environment", "InvocationResult", "LambdaHost"]
