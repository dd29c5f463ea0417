"""The update operations as they go on the wire."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from iii_worker.errors import Error
from iii_worker.update_ops import (
    Update,
    UpdateAppend,
    UpdateDecrement,
    UpdateFailedError,
    UpdateIncrement,
    UpdateMerge,
    UpdateOp,
    UpdateOpError,
    UpdateRemove,
    UpdateResult,
    UpdateSet,
    wire_ops,
)
from iii_worker.values import to_json


class Item(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("op", "wire"),
    [
        (Update.set("a.b", 1), {"type": "set", "path": "a.b", "value": 1}),
        (Update.set("", None), {"type": "set", "path": "", "value": None}),
        (UpdateSet(value=[1]), {"type": "set", "path": "", "value": [1]}),
        (Update.increment("n", 2), {"type": "increment", "path": "n", "by": 2}),
        (Update.increment(), {"type": "increment", "path": "", "by": 1}),
        (UpdateIncrement(path="n", by=-3), {"type": "increment", "path": "n", "by": -3}),
        (Update.decrement("n"), {"type": "decrement", "path": "n", "by": 1}),
        (UpdateDecrement(path="n", by=2**63 - 1), {"type": "decrement", "path": "n", "by": 2**63 - 1}),
        (Update.append("l", "x"), {"type": "append", "path": "l", "value": "x"}),
        (Update.append(("a", "b"), 1), {"type": "append", "path": ["a", "b"], "value": 1}),
        (Update.append(None, 1), {"type": "append", "value": 1}),
        (UpdateAppend(path=[], value=None), {"type": "append", "path": [], "value": None}),
        (Update.remove("a"), {"type": "remove", "path": "a"}),
        (UpdateRemove(), {"type": "remove", "path": ""}),
        (Update.merge({"a": 1}), {"type": "merge", "value": {"a": 1}}),
        (UpdateMerge(path=["x"], value={}), {"type": "merge", "path": ["x"], "value": {}}),
        ({"type": "set", "path": "raw", "value": 1}, {"type": "set", "path": "raw", "value": 1}),
    ],
)
def test_every_operation(op, wire):
    assert wire_ops([op]) == [wire]


def test_values_may_be_models():
    assert to_json(wire_ops([Update.set("a", Item(name="n"))])) == b'[{"type":"set","path":"a","value":{"name":"n"}}]'


@pytest.mark.parametrize(
    "make",
    [
        lambda: UpdateSet(path=["a"], value=1),
        lambda: UpdateIncrement(path="n", by=1.5),
        lambda: UpdateIncrement(path="n", by=2**63),
        lambda: UpdateDecrement(path="n", by=-(2**63) - 1),
        lambda: UpdateIncrement(path="n", value=1),
        lambda: UpdateRemove(path=None),
        lambda: UpdateMerge(value=[1]),
        UpdateMerge,
        lambda: UpdateAppend(path=[1], value=1),
    ],
)
def test_what_the_engine_would_refuse_is_refused_here(make):
    with pytest.raises(ValidationError):
        make()


@pytest.mark.parametrize("op", [None, "set", 1, [Update.set("a", 1)]])
def test_what_is_no_operation(op):
    with pytest.raises(TypeError, match="no update operation"):
        wire_ops([op])


def test_the_wires_objects_become_operations():
    adapter = TypeAdapter(UpdateOp)
    assert adapter.validate_python({"type": "append", "path": ["a"], "value": 1}) == UpdateAppend(path=["a"], value=1)
    with pytest.raises(ValidationError, match="tag"):
        adapter.validate_python({"type": "foo"})


def test_errors_of_a_result_can_be_raised():
    fine = UpdateResult.model_validate({"old_value": None, "new_value": {}})
    assert fine.raise_for_errors() is fine
    assert fine.errors == []
    faults = [{"op_index": index, "code": f"c{index}", "message": f"m{index}", "doc_url": "u"} for index in (1, 3)]
    with pytest.raises(UpdateFailedError, match=r"^operation 1 was not applied: m1 \(and 1 more\)$") as info:
        UpdateResult.model_validate({"new_value": 1, "errors": faults}).raise_for_errors()
    assert isinstance(info.value, Error)
    assert info.value.code == "c1"
    assert [error.op_index for error in info.value.errors] == [1, 3]
    assert (
        str(UpdateFailedError([UpdateOpError(op_index=0, code="c", message="m")])) == "operation 0 was not applied: m"
    )
