"""Of the script: declaring, counting, looking, and what operators do (see :mod:`.redis_script`)."""

from __future__ import annotations

from typing import Final

__all__ = ["ADMIN"]

ADMIN: Final = """
ops.names = function()
    return cmsgpack.pack(redis.call('SMEMBERS', NAMES))
end

local STATES = {'waiting', 'delayed', 'in_flight', 'dead'}

local function line_of(q)
    return q.ordered and q.line or q.ready
end

-- Lets all that waits or is delayed stand as a queue of the other kind has it.
local function stand_anew(q, ordered)
    local waiting = redis.call('ZRANGE', line_of(q), 0, -1, 'WITHSCORES')
    local delayed = redis.call('ZRANGE', q.delayed, 0, -1)
    redis.call('UNLINK', q.ready, q.line, q.heads, q.busy)
    q.ordered = ordered
    for nth = 1, #waiting, 2 do
        local member = waiting[nth]
        local value = redis.call('HGET', q.jobs, id_of(member))
        local its_number, label = parts_of(value)
        local rank = tonumber(waiting[nth + 1]) % CLASS
        redis.call('UNLINK', group_key(q, label))
        waiting[nth] = {member, label, score_of(q, label, its_number, rank < HALF and rank)}
    end
    for nth, member in ipairs(delayed) do
        local _, label = parts_of(redis.call('HGET', q.jobs, id_of(member)))
        redis.call('UNLINK', group_key(q, label))
        delayed[nth] = {member, label}
    end
    for _, entry in ipairs(redis.call('XRANGE', q.flight, '-', '+')) do
        local value = redis.call('HGET', q.jobs, id_of((fields_of(entry))))
        if ordered and value then
            local _, label = parts_of(value)
            take_off(q, label)
        end
    end
    for _, one in ipairs(delayed) do
        if ordered then
            redis.call('ZADD', group_key(q, one[2]), whole(number_of(one[1])), one[1])
        end
    end
    for nth = 1, #waiting, 2 do
        stand(q, unpack(waiting[nth]))
    end
end

ops.declare = function(at, spec)
    local q = queue_of(at)
    create(q, spec)
    local ordered = spec[1] == 1
    q.max_priority, q.idempotency_ms, q.max_jobs = spec[2], spec[3], spec[4]
    if ordered ~= q.ordered then
        stand_anew(q, ordered)
    end
    return '\\1'
end

ops.forget = function(at)
    local q = queue_of(at)
    if redis.call('EXISTS', q.jobs) == 1 then
        return '\\0'
    end
    redis.call('UNLINK', q.meta, q.jobs, q.receipts, q.ready, q.delayed, q.dead, q.flight, q.tries, q.fails, q.again,
        q.keys, q.ends, q.line, q.heads, q.busy, q.hungry)
    redis.call('SREM', NAMES, q.name)
    opened[at] = nil
    return '\\1'
end

ops.pause = function(at, paused)
    local q = queue_of(at)
    local changed = q.paused ~= paused
    redis.call('HSET', q.meta, 'paused', paused and '1' or '0')
    q.paused, q.made = paused, true
    return changed and '\\1' or '\\0'
end

-- Returns when the oldest that waits was made: of each priority, the first retry and the first of the others count.
local function oldest(q)
    local from, found, made = '-inf', nil, false
    repeat
        local first = redis.call('ZRANGEBYSCORE', q.ready, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if first[1] then
            if not found or number_of(first[1]) < number_of(found) then
                found = first[1]
            end
            from = whole((math.floor(tonumber(first[2]) / HALF) + 1) * HALF)
        end
    until not first[1]
    found = found or q.ordered and redis.call('ZRANGE', q.line, 0, 0)[1]
    local value = found and redis.call('HGET', q.jobs, id_of(found))
    if value then
        local _, label = parts_of(value)
        made = label[4]
    end
    return made
end

ops.counts = function(at)
    local q = queue_of(at)
    promote(q)
    flush(q)
    local sums = redis.call('HMGET', q.meta, 'enqueued', 'done', 'removed', 'redriven', 'retried', 'duplicates')
    for nth = 1, 6 do
        sums[nth] = tonumber(sums[nth] or 0)
    end
    return cmsgpack.pack({sums[1], sums[2], sums[3], redis.call('ZCARD', line_of(q)), redis.call('ZCARD', q.delayed),
        redis.call('XLEN', q.flight), redis.call('ZCARD', q.dead), sums[4], sums[5], sums[6], q.paused, oldest(q)})
end

-- Returns the members of a state, some of them.
local function members(q, state, offset, limit)
    local last = offset + limit - 1
    if state == 'waiting' then
        return redis.call('ZRANGE', line_of(q), offset, last)
    elseif state == 'delayed' then
        return redis.call('ZRANGE', q.delayed, offset, last)
    elseif state == 'dead' then
        return redis.call('ZREVRANGE', q.dead, offset, last)
    end
    local found, entries = {}, redis.call('XRANGE', q.flight, '-', '+', 'COUNT', offset + limit)
    for nth = offset + 1, #entries do
        found[#found + 1] = (fields_of(entries[nth]))
    end
    return found
end

-- Returns the state of a job and, if it is in flight, its entry and score.
local function state_of(q, member)
    if redis.call('ZSCORE', line_of(q), member) then
        return 'waiting'
    elseif redis.call('ZSCORE', q.delayed, member) then
        return 'delayed'
    elseif redis.call('ZSCORE', q.dead, member) then
        return 'dead'
    end
    for _, entry in ipairs(redis.call('XRANGE', q.flight, '-', '+')) do
        local in_flight, score = fields_of(entry)
        if in_flight == member then
            return 'in_flight', entry[1], score
        end
    end
    return nil
end

local function shown(q, member, state)
    local id = id_of(member)
    local value = redis.call('HGET', q.jobs, id)
    if not value then
        return nil
    end
    local _, label, start = parts_of(value)
    local fails = redis.call('HGET', q.fails, id)
    return '\\151' .. cmsgpack.pack(state, #value + (fails and #fails or 0)) .. string.sub(value, start)
        .. cmsgpack.pack(tonumber(redis.call('HGET', q.tries, id) or 0)) .. (fails or '\\192') .. moved_to(label)
        .. cmsgpack.pack(redis.sha1hex(value))
end

ops.list = function(at, state, offset, limit)
    local q = queue_of(at)
    promote(q)
    local parts = {''}
    for _, member in ipairs(members(q, state, offset, limit)) do
        parts[#parts + 1] = shown(q, member, state)
    end
    parts[1] = '\\221' .. struct.pack('>I4', #parts - 1)
    return table.concat(parts)
end

-- Returns the member of the job with that id or receipt, its state, entry and score.
local function find(q, id)
    local value = redis.call('HGET', q.jobs, id)
    if not value then
        id = redis.call('HGET', q.receipts, id)
        value = id and redis.call('HGET', q.jobs, id)
    end
    if not value then
        return nil
    end
    local its_number = parts_of(value)
    local member = member_of(its_number, id)
    return member, state_of(q, member)
end

ops.find = function(at, id)
    local q = queue_of(at)
    promote(q)
    local member, state = find(q, id)
    return member and state and shown(q, member, state) or '\\192'
end

local function redrive(q, member)
    local id = id_of(member)
    local value = redis.call('HGET', q.jobs, id)
    redis.call('ZREM', q.dead, member)
    if not value then
        return
    end
    local _, label, start = parts_of(value)
    local its_number = redis.call('INCR', NUMBER)
    redis.call('HSET', q.jobs, id, cmsgpack.pack(its_number, label) .. string.sub(value, start))
    redis.call('HDEL', q.tries, id)
    wait(q, member_of(its_number, id), label, 0, false)
    add_up(q, 'redriven', 1)
end

ops.redrive = function(at, id, most)
    local q = queue_of(at)
    if id then
        local member, state = find(q, id)
        if state ~= 'dead' then
            return '\\0'
        end
        redrive(q, member)
        return '\\1'
    end
    local first = redis.call('ZRANGE', q.dead, 0, most - 1)
    for _, member in ipairs(first) do
        redrive(q, member)
    end
    return cmsgpack.pack(#first)
end

-- Takes a job out of where it stands; returns its value and label.
local function take_out(q, member, state, entry)
    local value = redis.call('HGET', q.jobs, id_of(member))
    local _, label
    if value then
        _, label = parts_of(value)
    end
    if state == 'in_flight' then
        settle(q, entry)
        if label then
            land(q, label)
        end
    elseif state == 'dead' then
        redis.call('ZREM', q.dead, member)
    else
        redis.call('ZREM', state == 'delayed' and q.delayed or line_of(q), member)
        if q.ordered and label then
            redis.call('ZREM', group_key(q, label), member)
            refresh(q, label)
        end
    end
    return value, label
end

local function remove(q, member, state, entry)
    local value, label = take_out(q, member, state, entry)
    if value then
        drop(q, id_of(member), label[1])
        add_up(q, 'removed', 1)
    end
end

ops.remove = function(at, wanted, id, most)
    local q = queue_of(at)
    promote(q)
    local asked = {}
    for _, state in ipairs(wanted) do
        asked[state] = true
    end
    if id then
        local member, state, entry = find(q, id)
        if not (member and state and asked[state]) then
            return '\\0'
        end
        remove(q, member, state, entry)
        return '\\1'
    end
    local count = 0
    for _, state in ipairs(STATES) do
        if asked[state] and count < most then
            if state == 'in_flight' then
                for _, entry in ipairs(redis.call('XRANGE', q.flight, '-', '+', 'COUNT', most - count)) do
                    remove(q, (fields_of(entry)), state, entry[1])
                    count = count + 1
                end
            else
                for _, member in ipairs(members(q, state, 0, most - count)) do
                    remove(q, member, state)
                    count = count + 1
                end
            end
        end
    end
    return cmsgpack.pack(count)
end

-- Gives a job that is not in flight another text, if it still has the one that was changed.
ops.edit = function(at, id, was, text)
    local q = queue_of(at)
    local member, state = find(q, id)
    if not member or not state or state == 'in_flight' then
        return '\\0'
    end
    id = id_of(member)
    local value = redis.call('HGET', q.jobs, id)
    if redis.sha1hex(value) ~= was then
        return '\\2'
    end
    local its_number, label = parts_of(value)
    redis.call('HSET', q.jobs, id, cmsgpack.pack(its_number, label) .. ARGV[text])
    return '\\1'
end

-- Gives jobs to another queue and function, each with its number; those first that may have to be waited for.
ops.move = function(from, to, function_id, namespace, most)
    local source, q = queue_of(from), queue_of(to)
    local moved = members(source, 'delayed', 0, most)
    local delayed = #moved
    if delayed < most then
        for _, member in ipairs(members(source, 'waiting', 0, most - delayed)) do
            moved[#moved + 1] = member
        end
    end
    for nth, member in ipairs(moved) do
        local id, state = id_of(member), nth <= delayed and 'delayed' or 'waiting'
        local due = nth <= delayed and tonumber(redis.call('ZSCORE', source.delayed, member)) or 0
        local value, label = take_out(source, member, state)
        if value then
            local its_number, _, start = parts_of(value)
            drop(source, id, label[1])
            add_up(source, 'removed', 1)
            label[5], label[6] = function_id, namespace
            redis.call('HSET', q.jobs, id, cmsgpack.pack(its_number, label) .. string.sub(value, start))
            if label[1] ~= id then
                redis.call('HSET', q.receipts, label[1], id)
            end
            add_up(q, 'enqueued', 1)
            wait(q, member, label, due, false)
        end
    end
    return cmsgpack.pack(#moved)
end
"""
