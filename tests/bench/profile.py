#!/usr/bin/env python3
"""Where nospin spends the instructions of an operation of calls.py: prints functions, most expensive first.

    tests/bench/profile.py --mkimage PATH --kernel KERNEL [--work DIR] [--inlined] OPERATION...

KERNEL is the ELF file with symbols. OPERATION is a part of a name in ops.c. With --inlined, instructions count for the
inlined function that they come from, with the function that it was inlined into.
"""
import argparse, bisect, collections, re, struct, subprocess
from pathlib import Path
import calls

TIMES = 10000


def blocks(counter):
    """{(address, instructions): count} so far."""
    found = {}
    for address, instructions, count in struct.iter_unpack("<QQQ", counter.read_bytes()[16:]):
        if not address:
            break
        found[address, instructions] = count
    return found


def short(name):
    """A function's name without hash and crate-internal path."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    return re.sub(r"\b(?:[a-z_0-9]+::)+(?=[A-Za-z_0-9<]+::)", "", name)


class Symbols:
    """Functions of the kernel by address."""

    def __init__(self, kernel):
        lines = subprocess.run(["nm", "-C", "-n", kernel], check=True, capture_output=True, text=True).stdout
        rows = [line.split(" ", 2) for line in lines.splitlines()]
        self.kernel = kernel
        self.rows = [(int(at, 16), short(name)) for at, kind, name in rows if kind in "tT"]

    def function(self, address):
        if address < 1 << 63:
            return "(program)"
        i = bisect.bisect(self.rows, (address, "\x7f")) - 1
        return self.rows[i][1] if i >= 0 else hex(address)

    def inlined(self, addresses):
        """{address: innermost function < function}, by line tables."""
        kernel = [a for a in addresses if a >= 1 << 63]
        out = subprocess.run(["addr2line", "-f", "-i", "-C", "-a", "-e", self.kernel], check=True, capture_output=True,
                             text=True, input="\n".join(map(hex, kernel))).stdout
        names = {a: "(program)" for a in addresses}
        for part in re.split(r"^0x", out, flags=re.M)[1:]:
            lines = part.splitlines()
            place = lines[2].rsplit("/", 1)[-1].split(" ")[0]
            address = int(lines[0], 16)
            names[address] = f"{short(lines[1])} {place} < {self.function(address)}"
        return names


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("operations", nargs="+", metavar="OPERATION")
    p.add_argument("--mkimage", required=True)
    p.add_argument("--kernel", required=True)
    p.add_argument("--work", default="target/calls", type=Path, help="for what is built")
    p.add_argument("--inlined", action="store_true")
    p.add_argument("--top", type=int, default=30, help="lines for each operation")
    o = p.parse_args()
    work = o.work.resolve()
    symbols = Symbols(o.kernel)
    for operation in o.operations:
        image, plugin = calls.build(work, o.mkimage, o.kernel, (1, TIMES), operation)
        counter, seen = work / "count.nospin", []
        cost = calls.measure("nospin", calls.nospin(image), work, plugin, lambda _: seen.append(blocks(counter)))
        before, after = seen[-2:]
        spent = {block: count - before.get(block, 0) for block, count in after.items()}
        names = symbols.inlined({a for (a, _), n in spent.items() if n > TIMES}) if o.inlined else {}
        total = collections.Counter()
        for (address, _), count in spent.items():
            total[names.get(address) or symbols.function(address)] += count / TIMES
        print(f"{operation}: {sum(total.values()):.0f}")
        for name, count in total.most_common(o.top):
            print(f"{count:10.1f}  {name}")


if __name__ == "__main__":
    main()
