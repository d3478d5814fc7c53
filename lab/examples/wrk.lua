-- wrk.lua - random six-digit ids; counts X-Served-By. One thread alone: with more each would count for itself.

local served = {}

function init()
    math.randomseed(1)
end

function request()
    return wrk.format("GET", "/request?request_id=" .. math.random(100000, 999999))
end

function response(status, headers)
    local name = headers["X-Served-By"] or ("status " .. status)
    served[name] = (served[name] or 0) + 1
    counts = served
end

local workers = {}

function setup(thread)
    table.insert(workers, thread)
end

function done()
    for _, thread in ipairs(workers) do
        for name, count in pairs(thread:get("counts") or {}) do
            io.write(string.format("  %-24s %d\n", name, count))
        end
    end
end
