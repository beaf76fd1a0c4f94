-- Sends prepared requests over and over, and looks at every answer: status 200, the sentinel in the
-- body, no tool that failed. BENCHMARK_REQUESTS names a Lua file that returns
-- {sentinel = "...", requests = {"POST /mcp HTTP/1.1...", ...}}.
local data = dofile(os.getenv("BENCHMARK_REQUESTS"))
local requests, sentinel, number = data.requests, data.sentinel, 0
local threads = {}
wrong, sample = 0, ""

function setup(thread) table.insert(threads, thread) end

function request()
  number = number % #requests + 1
  return requests[number]
end

function response(status, headers, body)
  if status ~= 200 or not string.find(body, sentinel, 1, true)
      or string.find(body, '"isError":true', 1, true) then
    wrong = wrong + 1
    if sample == "" then sample = status .. " " .. string.sub(body or "", 1, 200) end
  end
end

function done(summary, latency)
  local errors, bad, seen = summary.errors, 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("wrong")
    if seen == "" then seen = thread:get("sample") end
  end
  -- A status of 400 or above is counted by wrk too, and is in `wrong` already.
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("\nRESULT\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%s\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed, bad, (seen:gsub("%s", " "))))
end
