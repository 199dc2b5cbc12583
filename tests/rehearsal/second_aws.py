"""A second local AWS: ministack, which evaluates IAM. Listens on loopback only and ends with us."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import tempfile
import time
import urllib.request
import venv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.processes import Tethered, clean_environment
from tests.rehearsal.permissions import Decision, decisions

PYTHON = Path(__file__).parents[2] / ".tools" / "ministack" / "bin" / "python"
EMULATOR = Path(__file__).parent / "emulator"
REGION = "us-east-1"
ACCOUNT = "123456789012"
ROOT_KEY = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root"}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
PATIENCE = 60.0  # seconds


class SecondAws:
    """Runs ministack; a context manager.

    `variables` direct programs to it as the administrator, who is not root: resource policies apply, unlike to
    ministack's root. Logs and IAM decisions go to `folder`. Raises RuntimeError if it does not start.
    """

    def __init__(self, folder: Path) -> None:
        self.log_file = folder / "ministack.log"
        self._decisions = folder / "decisions.jsonl"
        self._certificate = folder / "certificate.pem"
        self._key = folder / "key.pem"
        self._temporary = Path(tempfile.mkdtemp(prefix="rehearsal-"))  # hundreds of MB: every worker unpacks the layers
        self._port = _free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        _write_certificate(self._certificate, self._key)
        self._process = self._start()

    def __enter__(self) -> "SecondAws":
        try:
            self._wait()
            iam = self.client("iam", ROOT_KEY)
            self._administrator = self._user(iam, "administrator")
            everything = json.dumps(EVERYTHING)
            iam.put_user_policy(UserName="administrator", PolicyName="Everything", PolicyDocument=everything)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def variables(self) -> dict[str, str]:
        return self._way | self._administrator

    def client(self, service: str, key: Mapping[str, str] | None = None) -> Any:
        """Return a boto3 client of the administrator, or with another `key`."""
        key = self._administrator if key is None else key
        return boto3.session.Session(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]).client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self.url,
            verify=str(self._certificate),
            config=Config(proxies={}, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def person(self, name: str, policy_arn: str) -> dict[str, str]:
        """Return the key of a new user with only this managed policy."""
        iam = self.client("iam")
        key = self._user(iam, name)
        iam.attach_user_policy(UserName=name, PolicyArn=policy_arn)
        return key

    def session(self, role: str, policy: Mapping[str, Any]) -> dict[str, str]:
        """Return the session credentials of a new role with only this policy document."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName=role, PolicyName="policy", PolicyDocument=json.dumps(policy))
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="rehearsal")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    def decisions(self) -> list[Decision]:
        """Return IAM's decisions so far."""
        return decisions(self._decisions)

    @property
    def _way(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self._certificate),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @staticmethod
    def _user(iam: Any, name: str) -> dict[str, str]:
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def _start(self) -> Tethered:
        bare = self._temporary / "python"
        venv.create(bare, symlinks=True)  # functions see only the standard library and their layers
        command = [
            str(PYTHON),
            str(EMULATOR),
            "--decisions",
            str(self._decisions),
            "--python",
            str(bare / "bin/python"),
        ]
        settings = {
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",  # it would listen on all addresses, ignoring BIND_HOST
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "USE_SSL": "1",  # as on AWS; policies may require it
            "MINISTACK_SSL_CERT": str(self._certificate),
            "MINISTACK_SSL_KEY": str(self._key),
            "AWS_CA_BUNDLE": str(self._certificate),  # inherited by the functions
            "TMPDIR": str(self._temporary),
        }
        with self.log_file.open("wb") as log:
            environment = clean_environment() | ROOT_KEY | settings
            return Tethered(command, env=environment, cwd=self._temporary, stdout=log, stderr=log)

    def _wait(self) -> None:
        trusted = ssl.create_default_context(cafile=self._certificate)
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        deadline = time.monotonic() + PATIENCE
        while self._process.running and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                direct.open(f"{self.url}/_ministack/health").close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"ministack did not start:\n{self.log_file.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _write_certificate(certificate: Path, private_key: Path) -> None:
    """Write a self-signed certificate for 127.0.0.1, valid for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rehearsal")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private_key.write_bytes(pem)
