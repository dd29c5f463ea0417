"""iii_actors.core.groups: several workers behind one function."""

from collections import Counter

import pytest
from msgspec import Raw

from iii_actors.core import groups
from iii_actors.core.messages import Target
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

NO_DATA = Raw(b"null")


def a_member(worker_id, group="round_robin", **metadata):
    definition = wire.RegisterFunction("f", metadata=raw({"group": group, **metadata}))
    return groups.member(definition, Target(worker_id, None))


def a_group(*worker_ids, group="round_robin", **metadata):
    whole = groups.found(a_member(worker_ids[0], group, **metadata))
    for worker_id in worker_ids[1:]:
        whole = whole.with_member(a_member(worker_id, group, **metadata))
    return whole


@pytest.mark.parametrize(
    "metadata",
    [wire.ABSENT, Raw(b"null"), Raw(b"{}"), Raw(b"[]"), Raw(b'"round_robin"'), raw({"group": None}), raw({"group": 1}),
     raw({"group": "other"}), raw({"group": ["standby"]})],
)  # fmt: skip
def test_without_a_policy_a_function_is_exclusive(metadata):
    assert groups.member(wire.RegisterFunction("f", metadata=metadata), Target("a", None)) is None
    assert groups.found(None) is None


@pytest.mark.parametrize("policy", sorted(groups.POLICIES))
def test_metadata_names_the_policy(policy):
    member = a_member("a", policy, group_key="user", more=[1])
    assert member.policy == groups.Policy(policy, "user" if policy == "sticky" else None)


def test_round_robin_takes_turns_and_goes_on_across_changes():
    group = a_group("a", "b")
    assert [group.choose(NO_DATA).worker_id for _ in range(4)] == ["a", "b", "a", "b"]
    grown = group.with_member(a_member("c"))
    assert Counter(grown.choose(NO_DATA).worker_id for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_standby_is_served_by_the_first_then_by_the_next():
    group = a_group("a", "b", "c", group="standby")
    assert {group.choose(NO_DATA).worker_id for _ in range(5)} == {"a"}
    assert group.without("a").choose(NO_DATA).worker_id == "b"
    assert group.without("b").choose(NO_DATA).worker_id == "a"


def test_a_member_that_registers_again_keeps_its_place():
    group = a_group("a", "b", group="standby")
    again = group.with_member(a_member("a", "standby", version=2))
    assert [member.target.worker_id for member in again.members] == ["a", "b"]
    assert b"version" in bytes(again.members[0].definition.metadata)


def test_groups_are_values():
    group = a_group("a")
    group.with_member(a_member("b"))
    group.without("a")
    assert [member.target.worker_id for member in group.members] == ["a"]


def test_the_last_member_leaves_nothing():
    assert a_group("a").without("a") is None
    assert len(a_group("a", "b").without("x").members) == 2


def test_sticky_sends_a_key_s_calls_to_one_member():
    group = a_group("a", "b", "c", group="sticky", group_key="user")
    for user in range(50):
        chosen = {group.choose(raw({"n": n, "user": user})).worker_id for n in range(5)}
        assert len(chosen) == 1


@pytest.mark.parametrize("members", [2, 3, 5, 8])
def test_sticky_spreads_keys_evenly(members):
    group = a_group(*(f"{n:032x}" for n in range(members)), group="sticky", group_key="user")
    shares = Counter(group.choose(raw({"user": f"user-{n}"})).worker_id for n in range(400 * members))
    assert len(shares) == members
    assert all(250 < share < 550 for share in shares.values()), shares


def test_sticky_moves_only_the_share_of_the_member_that_left():
    group = a_group("a", "b", "c", group="sticky", group_key="user")
    rest = group.without("b")
    for n in range(300):
        data = raw({"user": n})
        before = group.choose(data).worker_id
        if before != "b":
            assert rest.choose(data).worker_id == before


@pytest.mark.parametrize("data", [NO_DATA, Raw(b"[1]"), Raw(b'"x"'), Raw(b"{}"), raw({"other": 1})])
def test_sticky_calls_without_the_key_go_together(data):
    group = a_group("a", "b", "c", group="sticky", group_key="user")
    assert group.choose(data).worker_id == group.choose(NO_DATA).worker_id


def test_what_is_too_deep_to_be_read_has_no_key():
    deep = Raw(b'{"k":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert a_group("a", "b", group="sticky", group_key="k").choose(deep).worker_id in "ab"
    assert groups.member(wire.RegisterFunction("f", metadata=deep), Target("a", None)) is None


def test_least_busy_is_left_to_the_tracker():
    assert a_group("a", "b", group="least_busy").choose(NO_DATA).worker_id == "a"
