#!/usr/bin/env python3
"""What it costs to take mappings away while the program runs on all CPUs, in nospin and in a Linux guest: prints a table.

    tests/bench/flush.py --mkimage PATH [--kernel PATH] [--linux VMLINUZ] [--work DIR] [--smp 1,2,4,8]

flush.c changes mappings in one thread; one on every other CPU computes. Counted are the kernel's instructions on all CPUs, so
what the others do about it is in it, and their own work is not. Timer ticks of Linux are in its figures.
"""
import argparse
from pathlib import Path
import calls

COUNTS = (50, 550)
KERNEL_HALF = 8  # where the plugin counts them


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mkimage", required=True, help="the tool, with the kernel to measure in it")
    p.add_argument("--kernel", help="another nospin kernel")
    p.add_argument("--linux", help="a Linux kernel to compare with; 'none' for no comparison")
    p.add_argument("--work", default="target/calls", type=Path, help="for what is built and fetched")
    p.add_argument("--smp", default="1,2,4,8", help="numbers of CPUs")
    o = p.parse_args()
    work = o.work.resolve()
    image, plugin = calls.build(work, o.mkimage, o.kernel, COUNTS, source="flush")
    sizes = [int(n) for n in o.smp.split(",")]
    guests = {"nospin": calls.nospin(image)}
    if o.linux != "none":
        append = calls.LINUX + " -- " + " ".join(map(str, COUNTS))
        guests["linux"] = ["-kernel", o.linux or calls.debian_kernel(work), "-initrd",
                           str(calls.initrd(work, work / "flush")), "-append", append]
    cost = {(name, smp): calls.measure(name, ["-smp", str(smp)] + args, work, plugin, counter_at=KERNEL_HALF)
            for smp in sizes for name, args in guests.items()}
    heads = [f"{name}, {smp}" for smp in sizes for name in guests]
    print("| instructions of the kernel, CPUs | " + " | ".join(heads) + " |\n|---" + "|---:" * len(heads) + "|")
    for op in cost["nospin", sizes[0]]:
        print(f"| {op} | " + " | ".join(f"{cost[name, smp][op]:.0f}" for smp in sizes for name in guests) + " |")


if __name__ == "__main__":
    main()
