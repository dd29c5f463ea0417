"""The script that carries out one operation inside Redis, in one step (see :mod:`.redis_layout` for what lies where).

It is one script for all operations: either Redis knows it or it knows none, so that operations sent together are never
carried out in another order when it has to be loaded anew.

KEYS: the scope's hash, its marks, the last version, the expiry set. ARGV: the operation's name, then:

==========  ================================================  =========================================================
operation   arguments                                         answer
==========  ================================================  =========================================================
get         keys                                              for each key its text, or nil, and its version
list                                                          the hash, the marks, the time in ms
keys                                                          the hash's fields, the marks, the time in ms
set         key, text, ttl in ms or '', version or ''         1, old text, old version, new version; or 0, version found
delete      key, version or ''                                1, old text, old version; or 0, version found
swap        key, text and version found, or '' and 0, new     1, the last version; or 0, text, version as they are now
            text, how many versions it takes
sweep       how many at most                                  how many were removed, ms until the next is due, or -1
==========  ================================================  =========================================================
"""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPT"]

SCRIPT: Final = """
local hash, marks, last_key, expiry = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local operation = ARGV[1]
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

local function whole(number)
    return string.format('%.0f', number)
end

local function member(key)
    return #hash .. ':' .. hash .. key
end

local function due_of(mark)
    return tonumber(string.match(mark or '', ':(%d+)$') or '')
end

-- Returns text or false, version, due or nil; what has expired, and what is left of a value that is gone, goes.
local function read(key)
    local text = redis.call('HGET', hash, key)
    local mark = redis.call('HGET', marks, key)
    if not mark then
        return text, text and '1' or '0', nil
    end
    local due = due_of(mark)
    if text and not (due and due <= now_ms) then
        return text, string.match(mark, '^%d+') or '1', due
    end
    redis.call('HDEL', hash, key)
    redis.call('HDEL', marks, key)
    redis.call('ZREM', expiry, member(key))
    return false, '0', nil
end

local function take_versions(count)
    local last = tonumber(redis.call('GET', last_key) or '') or 0
    local version = whole(math.max(last + 1, now_us) + count - 1)
    redis.call('SET', last_key, version)
    return version
end

local function write(key, text, version, due)
    redis.call('HSET', hash, key, text)
    redis.call('HSET', marks, key, version .. ':' .. (due and whole(due) or ''))
end

if operation == 'get' then
    local answer = {}
    for at = 2, #ARGV do
        local text, version = read(ARGV[at])
        answer[#answer + 1] = text
        answer[#answer + 1] = version
    end
    return answer
elseif operation == 'list' then
    return {redis.call('HGETALL', hash), redis.call('HGETALL', marks), now_ms}
elseif operation == 'keys' then
    return {redis.call('HKEYS', hash), redis.call('HGETALL', marks), now_ms}
elseif operation == 'set' then
    local key, text, ttl, wanted = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
    local old, found, old_due = read(key)
    if wanted ~= '' and wanted ~= found then
        return {0, found}
    end
    local due = ttl and now_ms + ttl
    local version = take_versions(1)
    write(key, text, version, due)
    if due then
        redis.call('ZADD', expiry, whole(due), member(key))
    elseif old_due then
        redis.call('ZREM', expiry, member(key))
    end
    return {1, old, found, version}
elseif operation == 'delete' then
    local key, wanted = ARGV[2], ARGV[3]
    local old, found, due = read(key)
    if wanted ~= '' and wanted ~= found then
        return {0, found}
    end
    redis.call('HDEL', hash, key)
    redis.call('HDEL', marks, key)
    if due then
        redis.call('ZREM', expiry, member(key))
    end
    return {1, old, found}
elseif operation == 'swap' then
    local key = ARGV[2]
    local text, version, due = read(key)
    if version ~= ARGV[4] or (text and text ~= ARGV[3]) then
        return {0, text, version}
    end
    local last = take_versions(tonumber(ARGV[6]))
    write(key, ARGV[5], last, due)
    return {1, last}
elseif operation == 'sweep' then
    local over = redis.call('ZRANGEBYSCORE', expiry, '-inf', now_ms, 'LIMIT', 0, ARGV[2])
    for _, name in ipairs(over) do
        local colon = string.find(name, ':', 1, true)
        local size = tonumber(string.sub(name, 1, colon - 1))
        local hash_of, key = string.sub(name, colon + 1, colon + size), string.sub(name, colon + size + 1)
        local marks_of = 'iii-actors:marks:' .. hash_of
        local due = due_of(redis.call('HGET', marks_of, key))
        if due and due <= now_ms then
            redis.call('HDEL', hash_of, key)
            redis.call('HDEL', marks_of, key)
        end
        redis.call('ZREM', expiry, name)
    end
    local first = redis.call('ZRANGE', expiry, 0, 0, 'WITHSCORES')
    return {#over, first[2] and math.max(0, tonumber(first[2]) - now_ms) or -1}
end
return redis.error_reply('ERR unknown operation')
"""
