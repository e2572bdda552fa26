-- KEYS: what one request holds; then, to reserve, its counters.
-- ARGV: what to do, the request's id, how long it may hold (ms), how long it is remembered (s); then for each counter scope,
-- kind, limit, amount, window of a budget (ms, 0: months); to settle: tokens, cost.
-- The time is the server's. Nothing is written before everything was checked.
local op, id, lease_ms, kept_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local t = redis.call('TIME')
local now_s = tonumber(t[1])
local now_ms = now_s * 1000 + math.floor(tonumber(t[2]) / 1000)
local SECONDS, MOST = 61, 4000000000000000
local function text(n)
  return string.format('%.0f', n)
end
local function month_begins(m)
  local y, f = math.floor(m / 12), m % 12
  if f < 2 then
    y = y - 1
  end
  return y * 365 + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) + math.floor((153 * ((f + 10) % 12) + 2) / 5) - 719468
end
local function window_of(ms)
  if ms > 0 then
    local w = math.floor(now_ms / ms)
    return w, (w + 1) * ms
  end
  local days = math.floor(now_s / 86400)
  local w = 23640 + math.floor(days * 12 / 366)
  while month_begins(w + 1) <= days do
    w = w + 1
  end
  return w, month_begins(w + 1) * 86400000
end
-- Of a rate: used, its seconds, those that are over.
local function rate_of(key)
  local all, sum, seconds, over = redis.call('HGETALL', key), 0, {}, {}
  for i = 1, #all, 2 do
    local s, n = tonumber(all[i]), tonumber(all[i + 1])
    if s + SECONDS > now_s then
      sum = sum + n
      seconds[#seconds + 1] = { s, n }
    else
      over[#over + 1] = all[i]
    end
  end
  return sum, seconds, over
end
local function rate_retry(sum, seconds, limit, amount)
  table.sort(seconds, function(a, b) return a[1] < b[1] end)
  for _, s in ipairs(seconds) do
    sum = sum - s[2]
    if sum < limit and sum + amount <= limit then
      return math.ceil(((s[1] + SECONDS) * 1000 - now_ms) / 1000)
    end
  end
  return SECONDS
end
local function hold(key)
  redis.call('ZADD', key, text(now_ms + lease_ms), id)
  if redis.call('PTTL', key) < lease_ms then
    redis.call('PEXPIRE', key, lease_ms)
  end
end
local function reserve()
  if redis.call('EXISTS', KEYS[1]) == 1 then
    return 'TWICE'
  end
  local found, refusal, longest = {}, nil, 0
  for i = 1, #KEYS - 1 do
    local at = 5 * i
    local c = { key = KEYS[i + 1], kind = tonumber(ARGV[at + 1]), limit = tonumber(ARGV[at + 2]), amount = tonumber(ARGV[at + 3]) }
    local used, retry, never = 0, 1, c.limit == 0 or c.amount > c.limit
    if c.kind <= 1 then
      local seconds
      used, seconds, c.over = rate_of(c.key)
      retry = function() return rate_retry(used, seconds, c.limit, c.amount) end
    elseif c.kind == 2 then
      redis.call('ZREMRANGEBYSCORE', c.key, '-inf', text(now_ms))
      used = redis.call('ZCARD', c.key)
    elseif c.kind == 3 then
      c.window, c.ends = window_of(tonumber(ARGV[at + 4]))
      local was = redis.call('HMGET', c.key, 'window', 'used', 'ends')
      if was[1] and tonumber(was[1]) >= c.window then
        c.window, used, c.ends = tonumber(was[1]), tonumber(was[2]), tonumber(was[3])
      end
      c.used = used
      retry = math.max(1, math.ceil((c.ends - now_ms) / 1000))
    end
    local refused = used >= c.limit or used + c.amount > c.limit
    if c.kind == 4 then
      refused, used = never, c.amount
    end
    if refused and not (refusal and longest == 0) then
      if never then
        retry = 0
      elseif type(retry) == 'function' then
        retry = retry()
      end
      if not refusal or retry == 0 or retry > longest then
        longest = retry
        refusal = string.format('LIMIT %s %d %s %s %s ', ARGV[at], c.kind, text(c.limit), text(used), text(retry)) .. string.sub(c.key, 42, 241)
      end
    end
    found[i] = c
  end
  if refusal then
    return refusal
  end
  for _, c in ipairs(found) do
    local held
    if c.kind <= 1 then
      if #c.over > 0 then
        redis.call('HDEL', c.key, unpack(c.over))
      end
      redis.call('HINCRBY', c.key, text(now_s), text(c.amount))
      redis.call('EXPIRE', c.key, SECONDS + 1)
      held = now_s
    elseif c.kind == 2 then
      hold(c.key)
      held = 0
    elseif c.kind == 3 then
      redis.call('HSET', c.key, 'window', text(c.window), 'ends', text(c.ends), 'used', text(c.used + c.amount))
      redis.call('PEXPIREAT', c.key, text(c.ends + 86400000))
      held = c.window
    end
    if held then
      redis.call('HSET', KEYS[1], c.key, string.format('%d %s %s', c.kind, text(held), text(c.amount)))
    end
  end
  redis.call('EXPIRE', KEYS[1], kept_s)
  return 'OK'
end
local function change(key, field, less, more)
  local was = redis.call('HGET', key, field)
  if was then
    redis.call('HSET', key, field, text(math.min(MOST, math.max(0, tonumber(was) - less) + more)))
  end
end
local function settle(release)
  local real = { [1] = tonumber(ARGV[5]), [3] = tonumber(ARGV[6]) }
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local key = all[i]
    local kind, held, amount = string.match(all[i + 1], '^(%d) (%d+) (%d+)$')
    kind = tonumber(kind)
    local more = not release and real[kind] or 0
    if kind == 2 then
      redis.call('ZREM', key, id)
    elseif kind == 3 then
      if redis.call('HGET', key, 'window') == held then
        change(key, 'used', tonumber(amount), more)
      end
    elseif kind == 1 or release then
      change(key, held, tonumber(amount), more)
    end
  end
  redis.call('DEL', KEYS[1])
  return 'OK'
end
local function renew()
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i + 1], 1, 2) == '2 ' then
      hold(all[i])
    end
  end
  if #all > 0 then
    redis.call('EXPIRE', KEYS[1], kept_s)
  end
  return 'OK'
end
if op == 'reserve' then
  return reserve()
elseif op == 'renew' then
  return renew()
end
return settle(op == 'release')
