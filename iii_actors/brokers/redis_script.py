"""The script that carries out a parcel of operations inside Redis, in one step (:mod:`.redis_layout`: what lies where).

One script for all operations, and one call of it for all that travel together: either Redis knows it or it knows none,
and nothing of other engines comes between them. ARGV[1] says who asks, ARGV[2] is the list of operations, what follows
are texts that operations name by their place. Each operation is answered on its own; one that fails has changed
nothing, and is answered with a map ``{"error": ...}``.

A parcel whose answer was lost on the way is sent once more, marked so: if it had been carried out, its answers are kept
(for a minute) and given again, but for what was read, which can be asked for again, and deliveries, which ``recover``
brings to light.
"""

from __future__ import annotations

from typing import Final

from iii_actors.brokers.redis_script_admin import ADMIN
from iii_actors.brokers.redis_script_flow import FLOW
from iii_actors.limits import (
    QUEUE_ANSWERS_KEPT_MS,
    QUEUE_DUE_JOBS,
    QUEUE_FORGET_KEYS,
    QUEUE_FORGET_LEASES,
    QUEUE_TEND_JOBS,
)

__all__ = ["SCRIPT"]

_BASE: Final = """
local head = cmsgpack.unpack(ARGV[1])
local engine, number, resent, now, names, specs = head[1], head[2], head[3], head[4], head[5], head[6]
local HALF, CLASS = 2 ^ 44, 2 ^ 45
local NUMBER = 'iii:queue:number'
local NAMES = 'iii:queue:names'
local WAKE = 'iii:queue:wake:'
local NOW = 'iii:queue:now'
local opened = {}
local ops = {}

local function whole(value)
    return string.format('%.0f', value)
end

local function create(q, spec)
    redis.call('HSET', q.meta, 'ordered', spec[1], 'max_priority', spec[2], 'idempotency_ms', spec[3],
        'max_jobs', spec[4], 'spec', spec[5])
    redis.call('SADD', NAMES, q.name)
    local made = redis.pcall('XGROUP', 'CREATE', q.flight, 'g', '$', 'MKSTREAM')
    if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
        error(made.err)
    end
end

-- Returns a queue; one that Redis has lost is made again if the engine knows how.
local function queue_of(at)
    local q = opened[at]
    if q then
        return q
    end
    local base = string.sub(KEYS[at], 1, -5)
    q = {at = at, name = names[at], base = base, meta = KEYS[at], jobs = base .. 'jobs', receipts = base .. 'receipts',
        ready = base .. 'ready', delayed = base .. 'delayed', dead = base .. 'dead', flight = base .. 'flight',
        tries = base .. 'tries', fails = base .. 'fails', again = base .. 'again', keys = base .. 'keys',
        ends = base .. 'key-ends', line = base .. 'line', heads = base .. 'heads', busy = base .. 'busy',
        hungry = base .. 'hungry', count = {}}
    local found = redis.call('HMGET', q.meta, 'ordered', 'max_priority', 'idempotency_ms', 'max_jobs', 'paused')
    if not found[1] then
        if not specs[at] then
            error({error = 'queue', queue = at})
        end
        create(q, specs[at])
        found = specs[at]
    end
    q.ordered = tonumber(found[1]) == 1
    q.max_priority = tonumber(found[2])
    q.idempotency_ms = tonumber(found[3])
    q.max_jobs = tonumber(found[4])
    q.paused = found[5] == '1'
    opened[at] = q
    return q
end

local function add_up(q, what, count)
    q.count[what] = (q.count[what] or 0) + count
end

local function flush(q)
    for what, count in pairs(q.count) do
        redis.call('HINCRBY', q.meta, what, whole(count))
    end
    q.count = {}
end

local function member_of(its_number, id)
    return string.format('%016.0f', its_number) .. id
end

local function id_of(member)
    return string.sub(member, 17)
end

local function number_of(member)
    return tonumber(string.sub(member, 1, 16))
end

-- Returns number, label (receipt, group or false, priority, time of creation and, once moved, function and namespace),
-- and where the job itself begins.
local function parts_of(value)
    local at, its_number = cmsgpack.unpack_one(value)
    local body, label = cmsgpack.unpack_one(value, at)
    return its_number, label, body + 1
end

-- Returns function and namespace of a job that was moved, packed; nil of others.
local function moved_to(label)
    return label[5] and cmsgpack.pack({label[5], label[6]}) or '\\192'
end

local function group_key(q, label)
    return q.base .. 'group:' .. (label[2] and '=' .. label[2] or '')
end

local function group_of(label)
    return label[2] and '=' .. label[2] or ''
end

-- Where a job stands in line: of higher priorities first those; of one, retries by the time they became due.
local function score_of(q, label, its_number, rank)
    local priority = q.ordered and 255 or math.min(label[3], q.max_priority)
    return (255 - priority) * CLASS + (rank and math.max(0, math.min(rank, HALF - 1)) or HALF + its_number)
end

-- See to it that the head of a group is ready, if it may be, and nobody else of the group.
local function refresh(q, label)
    local group = group_of(label)
    local was = redis.call('HGET', q.heads, group)
    local first, score
    if redis.call('HEXISTS', q.busy, group) == 0 then
        first = redis.call('ZRANGE', group_key(q, label), 0, 0)[1]
        score = first and redis.call('ZSCORE', q.line, first)
    end
    if was and not (score and was == first) then
        redis.call('ZREM', q.ready, was)
        redis.call('HDEL', q.heads, group)
    end
    if score then
        redis.call('ZADD', q.ready, score, first)
        redis.call('HSET', q.heads, group, first)
        q.made = true
    end
end

local function stand(q, member, label, score)
    if q.ordered then
        redis.call('ZADD', q.line, whole(score), member)
        redis.call('ZADD', group_key(q, label), whole(number_of(member)), member)
        refresh(q, label)
    else
        redis.call('ZADD', q.ready, whole(score), member)
        q.made = true
    end
end

local function delay(q, member, label, due)
    redis.call('ZADD', q.delayed, whole(due), member)
    if q.ordered then
        redis.call('ZADD', group_key(q, label), whole(number_of(member)), member)
        refresh(q, label)
    end
    if redis.call('ZRANGE', q.delayed, 0, 0)[1] == member then
        q.sooner = true
    end
end

local function wait(q, member, label, due, tried)
    if due > now then
        delay(q, member, label, due)
    else
        stand(q, member, label, score_of(q, label, number_of(member), tried and due))
    end
end

local function take_off(q, label)
    redis.call('HDEL', q.heads, group_of(label))
    redis.call('HINCRBY', q.busy, group_of(label), 1)
end

local function land(q, label)
    if q.ordered then
        if redis.call('HINCRBY', q.busy, group_of(label), -1) <= 0 then
            redis.call('HDEL', q.busy, group_of(label))
        end
        refresh(q, label)
    end
end

-- Ends a delivery; false if it has ended already.
local function settle(q, entry)
    if redis.call('XACK', q.flight, 'g', entry) == 0 then
        return false
    end
    redis.call('XDEL', q.flight, entry)
    return true
end

-- Forgets a job; of one that has just been delivered for the first time, there is less to forget.
local function drop(q, id, receipt, attempts)
    redis.call('HDEL', q.jobs, id)
    if receipt ~= id then
        redis.call('HDEL', q.receipts, receipt)
    end
    if attempts ~= 0 then
        redis.call('HDEL', q.tries, id)
        redis.call('HDEL', q.fails, id)
    end
    if not attempts then
        redis.call('SREM', q.again, id)
    end
end

-- Puts a job that is in flight back where it was.
local function back(q, entry, member, score, again)
    if not settle(q, entry) then
        return false
    end
    local value = redis.call('HGET', q.jobs, id_of(member))
    if value then
        local _, label = parts_of(value)
        if again then
            redis.call('SADD', q.again, id_of(member))
        end
        if q.ordered then
            redis.call('ZADD', q.line, score, member)
            redis.call('ZADD', group_key(q, label), whole(number_of(member)), member)
            land(q, label)
        else
            redis.call('ZADD', q.ready, score, member)
            q.made = true
        end
    end
    return true
end

local function fields_of(entry)
    local fields = {}
    for at = 1, #entry[2], 2 do
        fields[entry[2][at]] = entry[2][at + 1]
    end
    return fields.m, fields.s
end
"""

_RUN: Final = """
local SENT = 'iii:queue:sent:' .. engine
local tag = whole(number) .. ':'
if resent then
    local kept = redis.call('GET', SENT)
    if kept and string.sub(kept, 1, #tag) == tag then
        return string.sub(kept, #tag + 1)
    end
end
local asked = cmsgpack.unpack(ARGV[2])
local frame = '\\221' .. struct.pack('>I4', #asked)
local answers, kept = {frame}, {frame}
local lost = cmsgpack.pack({error = 'lost'})
local reads = {take = true, list = true, find = true, counts = true, names = true}
for at, op in ipairs(asked) do
    local fine, answer = pcall(ops[op[1]], unpack(op, 2))
    if not fine then
        local failed = type(answer) == 'table' and (answer.err and {error = 'redis', text = answer.err} or answer)
        failed = failed or {error = 'redis', text = tostring(answer)}
        -- A Redis that takes no writes has carried out none of all this, and is as good as away.
        local text = failed.text or ''
        if string.find(text, 'READONLY ', 1, true) or string.find(text, 'MISCONF ', 1, true) then
            return redis.error_reply(text)
        end
        answer = cmsgpack.pack(failed)
    end
    answers[at + 1] = answer
    kept[at + 1] = reads[op[1]] and lost or answer
end
-- Tell engines that wait for jobs, as many as there is something for; one that is gone hears nothing.
for _, q in pairs(opened) do
    flush(q)
    local left = 0
    if q.made and not q.paused then
        left = redis.call('ZCARD', q.ready)
    end
    if left == 0 and q.sooner and not q.took then
        left = 1
    end
    if left > 0 then
        for _, other in ipairs(redis.call('SMEMBERS', q.hungry)) do
            if other ~= engine then
                redis.call('SREM', q.hungry, other)
                left = left - redis.call('PUBLISH', WAKE .. other, q.name)
                if left <= 0 then
                    break
                end
            end
        end
    end
end
redis.pcall('SET', SENT, tag .. table.concat(kept), 'PX', ANSWERS_KEPT_MS)
return table.concat(answers)
"""

_NUMBERS: Final = f"""
local TEND_JOBS, DUE_JOBS, ANSWERS_KEPT_MS = {QUEUE_TEND_JOBS}, {QUEUE_DUE_JOBS}, {QUEUE_ANSWERS_KEPT_MS}
local FORGET_KEYS, FORGET_LEASES = {QUEUE_FORGET_KEYS}, {QUEUE_FORGET_LEASES}
"""

SCRIPT: Final = _NUMBERS + _BASE + FLOW + ADMIN + _RUN
"""The whole of it."""
