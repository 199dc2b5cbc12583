"""What makes moto's server start and answer faster, in this process: nothing of what it answers changes."""

import importlib
import pickle
import string
import sys
import time
from collections.abc import Iterable
from copy import deepcopy
from functools import cache, lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from moto import backends
from moto.core.model import StructureShape
from moto.core.serialize import AttributePickerContext, BaseJSONSerializer, XFormedAttributePicker
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node, UpdateExpression  # type: ignore[attr-defined]
from moto.moto_api._internal.moto_random import MotoRandom
from moto.s3.models import FakeKey, S3Backend
from moto.s3.utils import _VersionedKeyStore

UNUSED = frozenset(
    {
        *("apigateway", "autoscaling", "batch", "datapipeline", "ec2", "ecr", "ecs", "efs", "elb", "elbv2", "emr"),
        *("iot", "kinesis", "rds", "redshift", "route53", "sagemaker", "stepfunctions"),
    }
)
"""Services that moto's CloudFormation imports and no template of ours uses: 1.4 of its 1.5 seconds."""

AS_THEY_ARE = frozenset({"BOOL", "N", "NS", "NULL", "S", "SS"})
"""Types of DynamoDB's values that moto keeps as they are sent."""
_SERIALIZE_STRUCTURE = BaseJSONSerializer._serialize_type_structure
_LIST_OBJECT_VERSIONS: Any = S3Backend.list_object_versions
_QUERY: Any = Table.query
_POSSIBLE_KEYS: Any = XFormedAttributePicker.get_possible_keys
_LEX_ONE_NODE: Any = ConditionExpressionParser._lex_one_node


def speed_up() -> None:
    """Call this before the server is created."""
    # moto would look through its folder for them at every request: about a quarter of a request's time.
    services = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: services
    import_cloudformation()
    # moto parses a rule's paths for each event, and each time the parser derives its tables from its grammar.
    jsonpath = importlib.import_module("jsonpath_ng.ext")
    setattr(jsonpath, "parse", cache(jsonpath.parse))  # noqa: B010
    setattr(BaseJSONSerializer, "_serialize_type_structure", _serialize_structure)  # noqa: B010
    responses = importlib.import_module("moto.core.responses")
    # moto looks through a service's class at every request, and parses the same expressions again and again.
    setattr(responses, "method_names_from_class", cache(responses.method_names_from_class))  # noqa: B010
    updates = importlib.import_module("moto.dynamodb.parsing.expressions").UpdateExpressionParser
    setattr(updates, "make", lru_cache(updates.make))  # noqa: B010
    validators = importlib.import_module("moto.dynamodb.parsing.validators")
    setattr(validators, "deepcopy", _copy)  # noqa: B010
    setattr(DepthFirstTraverser, "traverse", _traverse)  # noqa: B010
    setattr(ConditionExpressionParser, "_lex_one_node", lambda _, expression: _first_token(expression))  # noqa: B010
    sqs = importlib.import_module("moto.sqs.models")
    # For each message that it receives, moto counts all others, and each time takes long to say what time it is.
    setattr(sqs, "unix_time", time.time)  # noqa: B010
    setattr(sqs, "unix_time_millis", lambda: time.time() * 1000)  # noqa: B010
    setattr(sqs.SQSBackend, "is_message_valid_based_on_retention_period", _is_retained)  # noqa: B010
    setattr(S3Backend, "list_object_versions", _list_object_versions)  # noqa: B010
    setattr(FakeKey, "__deepcopy__", lambda picture, _: picture)  # noqa: B010
    setattr(Table, "all_items", _all_items)  # noqa: B010
    setattr(Table, "query", _query)  # noqa: B010
    setattr(XFormedAttributePicker, "get_possible_keys", _possible_keys)  # noqa: B010
    setattr(MotoRandom, "get_random_string", _random_string)  # noqa: B010
    # A listing of S3 parses the same times again and again.
    serialize = importlib.import_module("moto.core.serialize")
    setattr(serialize, "parse_to_aware_datetime", lru_cache(serialize.parse_to_aware_datetime))  # noqa: B010


def import_cloudformation() -> None:
    """Import moto's CloudFormation without the services that are not used; each can still be imported for itself."""
    finder = _Unused()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("moto.cloudformation.models")
    finally:
        sys.meta_path.remove(finder)
        for name in finder.made:
            del sys.modules[name]
            if name.count(".") == 1:
                delattr(sys.modules["moto"], name.partition(".")[2])


def _serialize_structure(
    self: BaseJSONSerializer, serialized: Any, value: Any, shape: StructureShape, key: str
) -> None:
    """moto's own, but for DynamoDB's values: it would look for each of ten types under four names."""
    if shape.name == "AttributeValue" and type(value) is dict and len(value) == 1 and not value.keys() - AS_THEY_ARE:
        self._default_serialize(serialized, value, shape, key)
    else:
        _SERIALIZE_STRUCTURE(self, serialized, value, shape, key)


@lru_cache(maxsize=4096)
def _first_token(expression: str) -> Any:
    """Return moto's node of a condition's first token, which is never changed, and the rest of the condition."""
    return _LEX_ONE_NODE(ConditionExpressionParser, expression)


def _copy(thing: Any) -> Any:
    return pickle.loads(_pickled(thing)) if isinstance(thing, UpdateExpression) else deepcopy(thing)


@lru_cache(maxsize=1024)
def _pickled(tree: UpdateExpression) -> bytes:
    """Return an update's tree for copies, which pickle makes ten times as fast as deepcopy."""
    return pickle.dumps(tree)


def _traverse(self: Any, node: Any) -> Any:
    """As moto's own, which makes the map of processors for each node, and looks through it twice."""
    processors = self._processing_map()

    def visit(node: Any, number: int = -1) -> Any:
        kind: Any = type(node)
        if not _is_a(kind, Node):
            return node
        parent = node.parent
        for position, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, position)
            visit(child, position)
        processor = next((processors[each] for each in processors if _is_a(kind, each)), None)
        if processor:
            node = processor(node)
            node.parent = parent
            if parent:
                parent.children[number] = node
        return node

    return visit(node)


@lru_cache(maxsize=4096)
def _is_a(kind: Any, base: Any) -> bool:
    return issubclass(kind, base)


def _is_retained(backend: Any, queue_name: str, message: Any) -> bool:
    """As moto's own, which counts the queue's messages first."""
    retained_until: float = message.sent_timestamp / 1000 + backend.get_queue(queue_name).message_retention_period
    return retained_until > time.time()


def _list_object_versions(backend: S3Backend, bucket_name: str, *, prefix: str = "", **options: Any) -> Any:
    """moto's own, for the keys that begin with `prefix`: it copies and sorts all keys that it is given."""
    keys = backend.get_bucket(bucket_name).keys
    below = SimpleNamespace(keys=_VersionedKeyStore({key: keys.getlist(key) for key in keys if key.startswith(prefix)}))
    return _LIST_OBJECT_VERSIONS(SimpleNamespace(get_bucket=lambda _: below), bucket_name, prefix=prefix, **options)


def _all_items(table: Table) -> list[Item]:
    """As moto's own, whose order by DynamoDB's types compares the values of each pair of items anew."""
    partitions: Iterable[Any] = table.items.values()
    items = [item for each in partitions for item in each.values()] if table.range_key_attr else [*partitions]
    return sorted(items, key=lambda item: [key.cast_value for key in (item.hash_key, item.range_key) if key])


def _query(table: Table, *arguments: Any, **options: Any) -> Any:
    """moto's own, which looks at all items of a table: here, without an index, at those of the partition."""
    hash_key, index_name = arguments[0], arguments[7]
    if index_name or not table.range_key_attr:
        return _QUERY(table, *arguments, **options)
    partition: Any = table.items.get(hash_key, {})
    setattr(table, "all_items", lambda: list(partition.values()))  # noqa: B010
    try:
        return _QUERY(table, *arguments, **options)
    finally:
        delattr(table, "all_items")


def _possible_keys(picker: XFormedAttributePicker, context: AttributePickerContext) -> Any:
    """As moto's own, which derives the same names anew for each value that it serializes."""
    if type(context.obj) is dict:
        return _keys_of_dict(tuple(picker.alias_providers), context.key, context.shape)
    return _POSSIBLE_KEYS(picker, context)


@lru_cache(maxsize=16384)
def _keys_of_dict(providers: Any, key: str, shape: Any) -> tuple[str, ...]:
    return tuple(_POSSIBLE_KEYS(XFormedAttributePicker([*providers]), AttributePickerContext({}, key, shape)))


def _random_string(random: MotoRandom, length: int = 20, include_digits: bool = True, lower_case: bool = False) -> str:
    """As moto's own, which takes a fortieth of a request to choose an id."""
    text = "".join(random.choices(string.ascii_letters + (string.digits if include_digits else ""), k=length))
    return text.lower() if lower_case else text


class _Unused(MetaPathFinder, Loader):
    """Finds a placeholder for each unused service."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        package, *service = name.split(".")
        return (
            ModuleSpec(name, self, is_package=True) if package == "moto" and UNUSED.intersection(service[:1]) else None
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Placeholder(ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
