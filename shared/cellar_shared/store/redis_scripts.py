"""How a Redis is addressed and what it does in one step: the scripts that keep overlays whole, whoever writes at once."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b, sha1
from typing import Final

from cellar_shared.store.overlay import Entry, PushedWish, event_digest, pack_pushed_wish
from cellar_shared.store.packing import Garbled
from cellar_shared.store.wishes import Wish

FORGOTTEN: Final = b"forgotten"
SEAL_BYTES: Final = 8

# Positions are the first eight bytes of a value, least first, and its last eight a seal over the member's key and the rest;
# `lay_over` adds one event to a member's overlay, or forgets the member at a position; again changes nothing.
_LAY_OVER: Final = """
local function position_of(value)
  local position = 0
  for place = 8, 1, -1 do position = position * 256 + string.byte(value, place) end
  return position
end
local function bytes_of(position)
  local bytes = ''
  for place = 1, 8 do
    bytes = bytes .. string.char(position % 256)
    position = math.floor(position / 256)
  end
  return bytes
end
local function lay_over(overlay, touched, member, position, field, row)
  local body = bytes_of(position) .. row
  local value = body .. string.sub(redis.sha1hex(member .. body), 1, 8)
  local forgotten = redis.call('HGET', overlay, 'forgotten')
  if forgotten and position <= position_of(forgotten) then return 0 end
  if field == 'forgotten' then
    local fields = redis.call('HGETALL', overlay)
    for place = 1, #fields, 2 do
      if position_of(fields[place + 1]) <= position then redis.call('HDEL', overlay, fields[place]) end
    end
    redis.call('HSET', overlay, field, value)
  elseif redis.call('HSETNX', overlay, field, value) == 0 then
    return 0
  end
  redis.call('ZADD', touched, position, member)
  return 1
end
"""
# Accepts one event: 1 and its position, 2 and the position of the same event, 3 and the position of another by its id.
# KEYS: the id's key, the counter, the stream, the member's overlay, the members touched.
# ARGV: digest, content, seconds an id is kept, member ("" where no reader looks for the event), field, row behind its position.
ACCEPT: Final = (
    _LAY_OVER
    + """
local standing = redis.call('GET', KEYS[1])
if standing then
  local same = string.sub(standing, 1, 16) == ARGV[1]
  return {same and 2 or 3, tonumber(string.sub(standing, 17))}
end
local position = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. position, 'EX', ARGV[3])
redis.call('XADD', KEYS[3], '*', 'position', position, 'content', ARGV[2])
if ARGV[4] ~= '' then lay_over(KEYS[4], KEYS[5], ARGV[4], position, ARGV[5], ARGV[6]) end
return {1, position}
"""
)

# Forgets a member up to now. KEYS: the counter, the member's overlay, the members touched. ARGV: the member.
HIDE: Final = (
    _LAY_OVER
    + """
local position = redis.call('INCR', KEYS[1])
lay_over(KEYS[2], KEYS[3], ARGV[1], position, 'forgotten', '')
return position
"""
)

# Takes what was laid over at position ARGV[2] as field ARGV[1] out of the overlay KEYS[1] again; what stands there from another, stays.
TAKE_BACK: Final = (
    _LAY_OVER
    + """
local standing = redis.call('HGET', KEYS[1], ARGV[1])
if standing and position_of(standing) == tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""
)

# Removes what lies at positions up to ARGV[1] from the overlay KEYS[1] of member ARGV[2]; KEYS[2]: the members touched.
TRIM: Final = (
    _LAY_OVER
    + """
local fields = redis.call('HGETALL', KEYS[1])
local trimmed = 0
for place = 1, #fields, 2 do
  if position_of(fields[place + 1]) <= tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], fields[place])
    trimmed = trimmed + 1
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[2]) end
return trimmed
"""
)

# The position behind which events may still lie in the stream alone. KEYS: the stream, the counter.
REACHED: Final = """
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return tonumber(redis.call('GET', KEYS[2]) or '0') end
local fields = oldest[2]
for place = 1, #fields, 2 do
  if fields[place] == 'position' then return tonumber(fields[place + 1]) - 1 end
end
"""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is and how it is spoken to: `url` as redis-py takes it, `name` without secrets."""

    url: str
    name: str
    read_timeout_s: float
    prefix: str

    def key(self, *parts: str | bytes) -> bytes:
        """One of the store's keys."""
        return b":".join([self.prefix.encode(), *(part.encode() if isinstance(part, str) else part for part in parts)])

    def event_key(self, event_id: str) -> bytes:
        """The key under which an event's id is known for some days."""
        return self.key("e", blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def opened(key: bytes, sealed: bytes) -> bytes:
    """What the scripts laid over for the member with `key`, without its seal; Garbled when it is damaged or another member's."""
    part = sealed[:-SEAL_BYTES]
    if sha1(key + part, usedforsecurity=False).hexdigest()[:SEAL_BYTES].encode() != sealed[-SEAL_BYTES:]:
        raise Garbled(f"the seal of {len(sealed)} bytes is wrong")
    return part


def field_of(entry: Entry) -> tuple[bytes, bytes]:
    """Field and value of an entry in its member's overlay, without its seal; every kind of value begins with the position."""
    if entry.pushed is None:
        return FORGOTTEN, entry.position.to_bytes(8, "little")
    if isinstance(entry.pushed, Wish):
        return event_digest(entry.pushed.event_id), pack_pushed_wish(PushedWish(entry.position, entry.pushed))
    return entry.pushed["event"].tobytes(), entry.pushed.tobytes()
