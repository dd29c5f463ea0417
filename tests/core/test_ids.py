"""iii_actors.core.ids: random v4 UUIDs, canonical, unique."""

import uuid

import pytest

from iii_actors.core.ids import invocation_id, new_id


@pytest.mark.parametrize("make", [new_id, invocation_id])
def test_ids_are_canonical_random_uuids(make):
    ids = {make() for _ in range(5000)}
    assert len(ids) == 5000
    for text in list(ids)[:500]:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 4
        assert parsed.variant == uuid.RFC_4122
