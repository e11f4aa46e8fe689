#!/usr/bin/env python3
"""Guest instructions per operation, in nospin and in a Linux guest: prints a table.

    tests/bench/calls.py --mkimage PATH [--linux VMLINUZ] [--work DIR] [--kernel PATH]

ops.c runs in both guests, under QEMU without KVM, with a plugin (count.c) that counts instructions. Each operation
is done with two counts; the difference gives the cost of one, so that boot, printing and waiting cancel out. The
figures repeat within a few per cent, most of it timer ticks of Linux.

The Linux kernel is Debian's for clouds, fetched with apt-get unless --linux names one. Its command line turns off what
costs time and nospin has not either: mitigations, hardening of copies, zeroing of allocations, auditing.
"""
import argparse, glob, os, shutil, struct, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COUNTS = (2000, 12000)
LINUX = ("console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off init_on_alloc=0 hardened_usercopy=off "
         "randomize_kstack_offset=off cgroup_disable=memory audit=0 apparmor=0 no_timer_check random.trust_cpu=on "
         "8250.nr_uarts=1 cryptomgr.notests")
QEMU = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
        "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "1", "-m", "512",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]


def debian_kernel(work):
    """Path of a kernel from Debian's package, fetched and unpacked once."""
    found = glob.glob(f"{work}/kernel/boot/vmlinuz-*")
    if not found:
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True, capture_output=True,
                                 text=True).stdout
        package = next(w for w in depends.split() if w.startswith("linux-image-") and w != "linux-image-cloud-amd64")
        subprocess.run(["apt-get", "download", package], check=True, cwd=work, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", glob.glob(f"{work}/{package}_*.deb")[0], f"{work}/kernel"], check=True)
        found = glob.glob(f"{work}/kernel/boot/vmlinuz-*")
    return found[0]


def initrd(work, ops):
    """A root file system whose /init is ops, with a console and nothing else."""
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    (root / "dev").mkdir(parents=True)
    (root / "tmp").mkdir()
    shutil.copy(ops, root / "init")
    archive = work / "initrd"
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=out, cwd=root, check=True)
    return archive


GCC = ["gcc", "-O2", "-Wall", "-Wno-unused-result", "-o"]


def build_plugin(work):
    """The plugin that counts."""
    plugin = work / "libcount.so"
    subprocess.run(GCC + [plugin, "-shared", "-fPIC", "-fvisibility=hidden", HERE / "count.c"], check=True)
    return plugin


def build(work, mkimage, kernel, counts, *operations, source="ops"):
    """An image that runs ops or another program of this directory, and the plugin."""
    work.mkdir(parents=True, exist_ok=True)
    ops, image = work / source, work / f"{source}.img"
    subprocess.run(GCC + [ops, "-static", HERE / f"{source}.c"], check=True)
    plugin = build_plugin(work)
    kernel = ["--kernel", kernel] if kernel else []
    subprocess.run([mkimage, "--elf", ops, "-o", image] + kernel + ["--"] + list(map(str, counts)) + list(operations),
                   check=True, stdout=subprocess.DEVNULL)
    return image, plugin


def nospin(image):
    """QEMU's arguments for an image."""
    return ["-kernel", str(image), "-chardev", "null,id=log", "-device", "isa-debugcon,iobase=0xe9,chardev=log"]


def measure(name, args, work, plugin, at_mark=lambda operation: None, counter_at=0):
    """Starts a guest and answers its marks. Returns {operation: instructions}, by the plugin's counter at an offset."""
    counter = work / f"count.{name}"
    command = QEMU + ["-plugin", f"{plugin},out={counter}"] + args
    guest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    cost, begun, seen = {}, 0, b""
    try:
        while True:
            byte = guest.stdout.read(1)
            if not byte:
                raise SystemExit(f"{name}: the guest ended early: {seen[-500:]!r}")
            seen = seen[-4096:] + byte
            line = seen.rpartition(b"@ ")[2] if b"@ " in seen else b""
            if byte != b"\n" or not line:
                continue
            what, operation, count = line.decode(errors="replace").strip().split("|")
            seen = b""
            now = struct.unpack_from("<Q", open(counter, "rb").read(16), counter_at)[0]
            if what != "done":
                at_mark(operation)
            if what == "begin":
                begun = now
            elif what == "end":
                cost.setdefault(operation, {})[int(count)] = now - begun
            else:
                break
            guest.stdin.write(b"\n")
    finally:
        guest.kill()
        guest.wait()
    def each(counts):
        low, high = sorted(counts)
        return (counts[high] - counts[low]) / (high - low)

    return {op: each(counts) for op, counts in cost.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mkimage", required=True, help="the tool, with the kernel to measure in it")
    p.add_argument("--kernel", help="another nospin kernel")
    p.add_argument("--linux", help="a Linux kernel to compare with")
    p.add_argument("--work", default="target/calls", type=Path, help="for what is built and fetched")
    o = p.parse_args()
    work = o.work.resolve()
    image, plugin = build(work, o.mkimage, o.kernel, COUNTS)
    ours = measure("nospin", nospin(image), work, plugin)
    theirs = measure("linux", ["-kernel", o.linux or debian_kernel(work), "-initrd", str(initrd(work, work / "ops")),
                               "-append", LINUX + " -- " + " ".join(map(str, COUNTS))], work, plugin)
    print("| instructions per operation | nospin | Linux | ratio |\n|---|---:|---:|---:|")
    for op in ours:
        print(f"| {op} | {ours[op]:.0f} | {theirs[op]:.0f} | {ours[op] / theirs[op]:.2f} |")


if __name__ == "__main__":
    main()
