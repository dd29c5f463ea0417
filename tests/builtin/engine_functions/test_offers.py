import json

import pytest

from iii_actors.builtin.engine_functions.desk import EngineDesk
from iii_actors.builtin.engine_functions.offers import Nothing, Offer
from iii_actors.clock import ManualClock
from iii_actors.core.refs import Core
from iii_actors.wire import messages as wire
from tests.support.records import NOBODY

CORE = Core(ManualClock(), *(NOBODY,) * 7, namespace_grace_s=5.0)
OFFERS = EngineDesk(CORE).offers
"""Of a desk that is never started."""


def test_the_index_is_complete():
    """engine-functions.md §2 (what belongs to this worker), observability.md §5, and the older names of §6."""
    listed = {
        "engine::channels::create",
        "engine::drain",
        "engine::functions::list",
        "engine::functions::info",
        "engine::triggers::list",
        "engine::triggers::info",
        "engine::registered-triggers::list",
        "engine::registered-triggers::info",
        "engine::workers::list",
        "engine::workers::info",
        "engine::workers::register",
        "engine::register_trigger",
        "engine::unregister_trigger",
        *(f"engine::baggage::{name}" for name in ("get", "set", "get_all")),
        "_internal.list_functions",
        "_internal.list_workers",
        "_internal.get_worker",
        "engine::trigger-types::list",
    }
    assert sorted(offer.function_id for offer in OFFERS) == sorted(listed)


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.function_id)
def test_each_function_is_described_by_text_and_schemas(offer):
    spec = offer.spec()
    assert spec.description.endswith(".")
    assert "$defs" in json.loads(bytes(spec.request_schema)) or json.loads(bytes(spec.request_schema))["type"]
    if offer.returns is None:
        assert spec.response_schema is wire.ABSENT
    else:
        assert json.loads(bytes(spec.response_schema))


def test_one_of_several_types_is_any_of_their_schemas():
    offer = Offer("f", "d", Nothing, lambda *_: None, (Nothing, list[int]))
    schema = json.loads(bytes(offer.spec().response_schema))
    assert schema["anyOf"] == [{"$ref": "#/$defs/Nothing"}, {"type": "array", "items": {"type": "integer"}}]
    assert schema["$defs"]["Nothing"]["type"] == "object"
