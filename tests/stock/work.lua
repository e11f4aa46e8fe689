-- lua: strings, tables, coroutines, closures, files.
-- Run natively and in the VM by the cases of the area `stock`; the argument is a directory to write to.
local dir = arg[1]
print(_VERSION, math.maxinteger, math.mininteger, 7 // 2, -7 // 2, 7 % -3, 2 ^ 0.5, 1e15, 2 ^ 53)
print(string.format("%5d|%-6s|%6.2f|%x|%q|%g|%a", 42, "ab", math.pi, 255, "a\n\"b\"\0", 1e20, 1.0))
print(("hello world"):gsub("o", "0"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
for word, n in ("one=1, two=2"):gmatch("(%w+)=(%w+)") do io.write(word, ":", n, " ") end
print()
print(string.pack("<i4>I2z", -2, 513, "text"):byte(1, -1))
print(utf8.char(233, 9731), utf8.len("\u{e9}\u{2603}"), #"\u{e9}")
local values = {}
for n = 1, 200 do values[n] = (n * 7919) % 1009 end
table.sort(values)
print(values[1], values[100], values[200], select("#", table.unpack(values)), table.concat(values, ",", 1, 10))
local function generate(limit)
    return coroutine.wrap(function() for n = 1, limit do coroutine.yield(n * n) end end)
end
local sum = 0
for square in generate(100) do sum = sum + square end
print("squares", sum)
local Stack = {}
Stack.__index = Stack
Stack.__add = function(a, b) return setmetatable({ n = a.n + b.n }, Stack) end
Stack.__tostring = function(self) return "stack of " .. self.n end
Stack.__close = function() print("closed") end
print(tostring(setmetatable({ n = 1 }, Stack) + setmetatable({ n = 2 }, Stack)))
do local guard <close> = setmetatable({ n = 0 }, Stack) print("inside", guard.n) end
print(pcall(error, { code = 1 }) == false, select(2, pcall(function() local x = nil; return x.y end)))
local name = dir .. "/nospin-lua-test"
local file = assert(io.open(name, "w+"))
for n = 1, 1000 do file:write("line ", n, "\n") end
print(file:seek("cur"), file:seek("set", 5), file:read("l", "n", "L"))
file:close()
local count = 0
for line in io.lines(name) do count = count + #line end
print("length", count, os.rename(name, name .. "2"), os.remove(name .. "2"))
print(os.remove(name))
print(os.time({ year = 2020, month = 1, day = 1, hour = 12 }), os.date("!%Y-%m-%d %H:%M:%S", 1600000000))
print(os.getenv("MARK"), os.getenv("NOT_SET"), type(os.clock()), os.tmpname():match("^/tmp/") ~= nil)
collectgarbage()
for n = 1, 100 do local heap = {}; for m = 1, 1000 do heap[m] = { m } end end
print("collected", collectgarbage("count") < 4096)
print("input", io.read("n", "l", "L", "a"))
io.stderr:write("to stderr\n")
os.exit(9, true)
