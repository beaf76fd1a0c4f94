-- One life of a session after another on each connection: initialize, notifications/initialized,
-- tools/call, DELETE. Has to run with as many threads as connections. What it prints counts lives.
local data = dofile(os.getenv("BENCHMARK_REQUESTS"))
local threads, step, session = {}, 1, nil
wrong, lives, sample = 0, 0, ""

function setup(thread) table.insert(threads, thread) end

local function headers()
  local own = {}
  for name, value in pairs(data.headers) do own[name] = value end
  own["Mcp-Session-Id"] = session
  return own
end

-- wrk calls it once more while it starts, so it must not change the step.
function request()
  if step == 1 then return wrk.format("POST", "/mcp", headers(), data.initialize) end
  if step == 2 then return wrk.format("POST", "/mcp", headers(), data.initialized) end
  if step == 3 then return wrk.format("POST", "/mcp", headers(), data.call) end
  return wrk.format("DELETE", "/mcp", headers())
end

local function fail(status, body)
  wrong = wrong + 1
  if sample == "" then sample = step .. ": " .. status .. " " .. string.sub(body or "", 1, 200) end
  step, session = 1, nil
end

function response(status, headers, body)
  if step == 1 then
    for name, value in pairs(headers) do
      if string.lower(name) == "mcp-session-id" then session = value end
    end
    if status ~= 200 or not session then return fail(status, body) end
    step = 2
  elseif step == 2 then
    if status ~= 202 then return fail(status, body) end
    step = 3
  elseif step == 3 then
    if status ~= 200 or not string.find(body, data.sentinel, 1, true) then return fail(status, body) end
    step = 4
  else
    if status ~= 200 and status ~= 204 then return fail(status, body) end
    lives, step, session = lives + 1, 1, nil
  end
end

function done(summary, latency)
  local errors, bad, all, seen = summary.errors, 0, 0, ""
  for _, thread in ipairs(threads) do
    bad, all = bad + thread:get("wrong"), all + thread:get("lives")
    if seen == "" then seen = thread:get("sample") end
  end
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("\nRESULT\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%s\n",
    all, summary.duration, latency:percentile(50), latency:percentile(99),
    failed, bad, (seen:gsub("%s", " "))))
end
