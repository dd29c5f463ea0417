"""Of the script: what jobs go through on their way, from being put to being done (see :mod:`.redis_script`)."""

from __future__ import annotations

from typing import Final

__all__ = ["FLOW"]

FLOW: Final = """
local function forget_keys(q, limit)
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', q.ends, '-inf', whole(now), 'LIMIT', 0, FORGET_KEYS)) do
        redis.call('ZREM', q.ends, key)
        redis.call('HDEL', q.keys, key)
    end
    local over = redis.call('ZCARD', q.ends) - limit
    if over > 0 then
        local first = redis.call('ZPOPMIN', q.ends, over)
        for at = 1, #first, 2 do
            redis.call('HDEL', q.keys, first[at])
        end
    end
end

local function receipt_by_key(q, key)
    local ends = redis.call('ZSCORE', q.ends, key)
    return ends and tonumber(ends) > now and redis.call('HGET', q.keys, key)
end

-- Stores all jobs or none. A job: queue, id, receipt, group, priority, due, key, time of creation; its text is in ARGV.
ops.put = function(at, jobs, limit, keys_limit)
    local answers, new, keys = {}, {}, {}
    for nth, job in ipairs(jobs) do
        local q = queue_of(job[1])
        local key = q.idempotency_ms > 0 and job[7]
        local known = key and ((keys[job[1]] or {})[key] or receipt_by_key(q, key))
        answers[nth] = known or false
        if not known then
            new[job[1]] = (new[job[1]] or 0) + 1
            if key then
                keys[job[1]] = keys[job[1]] or {}
                keys[job[1]][key] = job[3]
            end
        end
    end
    local total = 0
    for which, count in pairs(new) do
        local q = queue_of(which)
        local most = q.max_jobs > 0 and math.min(q.max_jobs, limit) or limit
        if redis.call('HLEN', q.jobs) - redis.call('ZCARD', q.dead) + count > most then
            error({error = 'full', queue = which, limit = most})
        end
        total = total + count
    end
    local its_number = total > 0 and redis.call('INCRBY', NUMBER, total) - total
    for nth, job in ipairs(jobs) do
        local q = queue_of(job[1])
        if answers[nth] then
            add_up(q, 'duplicates', 1)
        else
            its_number = its_number + 1
            local id, label = job[2], {job[3], job[4], job[5], job[8]}
            redis.call('HSET', q.jobs, id, cmsgpack.pack(its_number, label) .. ARGV[at + nth - 1])
            if job[3] ~= id then
                redis.call('HSET', q.receipts, job[3], id)
            end
            if job[7] and q.idempotency_ms > 0 then
                redis.call('HSET', q.keys, job[7], job[3])
                redis.call('ZADD', q.ends, whole(now + q.idempotency_ms), job[7])
                forget_keys(q, keys_limit)
            end
            add_up(q, 'enqueued', 1)
            wait(q, member_of(its_number, id), label, job[6], false)
        end
    end
    return cmsgpack.pack(answers)
end

local function promote(q)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', q.delayed, '-inf', whole(now), 'LIMIT', 0, DUE_JOBS)) do
        local id = id_of(member)
        local due = tonumber(redis.call('ZSCORE', q.delayed, member))
        redis.call('ZREM', q.delayed, member)
        local value = redis.call('HGET', q.jobs, id)
        if value then
            local its_number, label = parts_of(value)
            local tried = redis.call('HEXISTS', q.tries, id) == 1
            stand(q, member, label, score_of(q, label, its_number, tried and due))
        end
    end
end

-- Puts what has been added to the stream into this engine's hands; returns entries by member.
local function receive(q, count)
    local read = redis.pcall('XREADGROUP', 'GROUP', 'g', engine, 'COUNT', count, 'STREAMS', q.flight, '>')
    local lost = not read or read.err
    if lost then
        redis.call('XGROUP', 'CREATE', q.flight, 'g', '0')
        read = redis.call('XREADGROUP', 'GROUP', 'g', engine, 'STREAMS', q.flight, '>')
    end
    local entries = {}
    for _, entry in ipairs(read[1][2]) do
        local member = fields_of(entry)
        entries[member] = entry[1]
    end
    return entries, lost and read[1][2]
end

local bytes_taken = 0

-- Takes up to so many jobs in flight, of about so many bytes with all that this parcel takes. Answers with them (entry,
-- score, job, attempts, failures, whose it is now, redelivered), when the next one is due, whether there are more, and
-- whether this engine will be told of new ones.
ops.take = function(at, most, bytes_most)
    local q = queue_of(at)
    q.took = true
    promote(q)
    local taken, ids = {}, {}
    if most > 0 and not q.paused then
        local popped = redis.call('ZPOPMIN', q.ready, most)
        for nth = 1, #popped, 2 do
            local member, score = popped[nth], whole(tonumber(popped[nth + 1]))
            if bytes_taken >= bytes_most then
                redis.call('ZADD', q.ready, score, member)
            else
                local value = redis.call('HGET', q.jobs, id_of(member))
                if value then
                    local _, label, start = parts_of(value)
                    bytes_taken = bytes_taken + #value
                    if q.ordered then
                        redis.call('ZREM', q.line, member)
                        redis.call('ZREM', group_key(q, label), member)
                        take_off(q, label)
                    end
                    redis.call('XADD', q.flight, '*', 'm', member, 's', score)
                    taken[#taken + 1] = {score, string.sub(value, start), member, label}
                    ids[#ids + 1] = id_of(member)
                end
            end
        end
    end
    local parts = {'\\148\\221' .. struct.pack('>I4', #taken)}
    if #taken > 0 then
        local entries, all = receive(q, #taken)
        local tries = redis.call('EXISTS', q.tries) == 1 and redis.call('HMGET', q.tries, unpack(ids))
        local fails = redis.call('EXISTS', q.fails) == 1 and redis.call('HMGET', q.fails, unpack(ids))
        local again = redis.call('EXISTS', q.again) == 1
        for nth, job in ipairs(taken) do
            parts[#parts + 1] = '\\151'
            parts[#parts + 1] = cmsgpack.pack(entries[job[3]], tonumber(job[1]))
            parts[#parts + 1] = job[2]
            parts[#parts + 1] = cmsgpack.pack(tries and tonumber(tries[nth] or 0) or 0)
            parts[#parts + 1] = fails and fails[nth] or '\\192'
            parts[#parts + 1] = moved_to(job[4])
            parts[#parts + 1] = cmsgpack.pack(again and redis.call('SREM', q.again, ids[nth]) == 1)
            entries[job[3]] = nil
        end
        -- Had the group been lost, others' deliveries have come with it.
        for _, entry in ipairs(all or {}) do
            local member, score = fields_of(entry)
            if entries[member] then
                back(q, entry[1], member, score, true)
            end
        end
    end
    local left = not q.paused and redis.call('ZCARD', q.ready) or 0
    if left > 0 then
        q.made = true
    end
    local hungry = most > 0 and left == 0
    if hungry then
        redis.call('SADD', q.hungry, engine)
    end
    local next_due = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')[2]
    parts[#parts + 1] = cmsgpack.pack(next_due and tonumber(next_due) or false, left > 0, hungry)
    return table.concat(parts)
end

-- What became of a delivery: 1 it has ended by this, 0 it had ended before, 2 so had the job.
local function ended(q, id)
    return cmsgpack.pack(redis.call('HEXISTS', q.jobs, id) == 1 and 0 or 2)
end

ops.ack = function(at, entry, id, receipt, group, attempts)
    local q = queue_of(at)
    if not settle(q, entry) then
        return ended(q, id)
    end
    drop(q, id, receipt, attempts)
    land(q, {receipt, group})
    add_up(q, 'done', 1)
    return '\\1'
end

local function fail(q, entry, id, attempts, text)
    if not settle(q, entry) then
        return nil
    end
    local value = redis.call('HGET', q.jobs, id)
    if not value then
        return nil
    end
    redis.call('HSET', q.tries, id, attempts)
    redis.call('HSET', q.fails, id, ARGV[text])
    local its_number, label = parts_of(value)
    return member_of(its_number, id), label
end

ops.retry = function(at, entry, id, attempts, text, due, again)
    local q = queue_of(at)
    local member, label = fail(q, entry, id, attempts, text)
    if not member then
        return ended(q, id)
    end
    if again then
        redis.call('SADD', q.again, id)
    end
    wait(q, member, label, due, true)
    land(q, label)
    add_up(q, 'retried', 1)
    return '\\1'
end

ops.bury = function(at, entry, id, attempts, text)
    local q = queue_of(at)
    local member, label = fail(q, entry, id, attempts, text)
    if not member then
        return ended(q, id)
    end
    redis.call('ZADD', q.dead, whole(redis.call('INCR', NUMBER)), member)
    land(q, label)
    return '\\1'
end

ops.release = function(at, entry, id, score, again)
    local q = queue_of(at)
    local value = redis.call('HGET', q.jobs, id)
    local its_number = value and parts_of(value)
    if its_number and back(q, entry, member_of(its_number, id), whole(score), again) then
        return '\\1'
    end
    return ended(q, id)
end

-- Keeps the deliveries that this engine still has, and takes back those that nobody has kept for so long.
ops.tend = function(at, entries, lease_ms)
    local q = queue_of(at)
    if #entries > 0 then
        entries[#entries + 1] = 'JUSTID'
        redis.call('XCLAIM', q.flight, 'g', engine, 0, unpack(entries))
    end
    if now > tonumber(redis.call('GET', NOW) or 0) then
        redis.call('SET', NOW, whole(now))
    end
    local count = 0
    if lease_ms then
        local found = redis.call('XAUTOCLAIM', q.flight, 'g', engine, lease_ms, '0-0', 'COUNT', TEND_JOBS)[2]
        for _, entry in ipairs(found) do
            if entry and entry[2] then
                local member, score = fields_of(entry)
                if back(q, entry[1], member, score, true) then
                    count = count + 1
                end
            end
        end
        for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', q.flight, 'g')) do
            local about = {}
            for nth = 1, #one, 2 do
                about[one[nth]] = one[nth + 1]
            end
            if about.pending == 0 and about.idle > FORGET_LEASES * lease_ms and about.name ~= engine then
                redis.call('XGROUP', 'DELCONSUMER', q.flight, 'g', about.name)
            end
        end
    end
    return cmsgpack.pack(count)
end

-- Puts back what this engine has in flight in Redis' eyes, but for what it knows of.
ops.recover = function(at, known)
    local q = queue_of(at)
    local kept = {}
    for _, entry in ipairs(known) do
        kept[entry] = true
    end
    local from, count = '0', 0
    repeat
        local read = redis.call('XREADGROUP', 'GROUP', 'g', engine, 'COUNT', TEND_JOBS, 'STREAMS', q.flight, from)
        local entries = read and read[1][2] or {}
        for _, entry in ipairs(entries) do
            from = entry[1]
            if not kept[from] and entry[2] and #entry[2] > 0 then
                local member, score = fields_of(entry)
                if back(q, from, member, score, true) then
                    count = count + 1
                end
            end
        end
    until #entries == 0
    return cmsgpack.pack(count)
end

ops.leave = function(at)
    local q = queue_of(at)
    local count = ops.recover(at, {})
    redis.call('SREM', q.hungry, engine)
    redis.call('XGROUP', 'DELCONSUMER', q.flight, 'g', engine)
    return count
end

ops.cease = function(at)
    redis.call('SREM', queue_of(at).hungry, engine)
    return '\\1'
end
"""
