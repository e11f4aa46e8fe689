#!/usr/bin/env python3
"""Where nospin spends the instructions of a request to memcached: prints functions, most expensive first.

    tests/bench/serve.py --mkimage PATH --kernel KERNEL [--connections N] [--requests N] [--inlined]

KERNEL is the ELF file with symbols. memcached serves GETs of 100 bytes through QEMU's user networking, from N connections that each
wait for the answer before they ask again. Time in the guest goes with its instructions, so that timers are the same share of
the work on any host. The second column is how often the function was called for each request.
"""
import argparse, collections, selectors, socket, subprocess, time
from pathlib import Path
import calls, profile

VALUE = b"v" * 100
ANSWER = b"VALUE key 0 %d\r\n%s\r\nEND\r\n" % (len(VALUE), VALUE)


def connect(port, patience=60):
    """A connection to the server, once it serves."""
    end = time.monotonic() + patience
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.sendall(b"version\r\n")
            if client.recv(100).startswith(b"VERSION"):
                return client
            client.close()
        except OSError:
            pass
        if time.monotonic() > end:
            raise SystemExit("the server does not answer")
        time.sleep(0.1)


def load(clients, requests):
    """Asks so often in all, on all connections at once."""
    waiting = selectors.DefaultSelector()
    pending = {}
    sent = 0
    for client in clients:
        waiting.register(client, selectors.EVENT_READ)
        client.sendall(b"get key\r\n")
        pending[client] = b""
        sent += 1
    done = 0
    while done < sent:
        for key, _ in waiting.select(10) or [(None, None)]:
            if key is None:
                raise SystemExit("the server does not answer")
            client = key.fileobj
            pending[client] += client.recv(4096)
            if len(pending[client]) < len(ANSWER):
                continue
            if pending[client] != ANSWER:
                raise SystemExit(f"a wrong answer: {pending[client]!r}")
            done += 1
            pending[client] = b""
            if sent < requests:
                client.sendall(b"get key\r\n")
                sent += 1
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def measure(image, plugin, work, connections, requests):
    """{(address, instructions of a block): instructions executed per request}."""
    counter, port = work / "count.serve", free_port()
    net = f"user,id=n0,net=10.99.0.0/24,host=10.99.0.1,hostfwd=tcp:127.0.0.1:{port}-10.99.0.2:11211"
    command = calls.QEMU + ["-icount", "shift=0,sleep=on", "-plugin", f"{plugin},out={counter}", "-netdev", net,
                            "-device", "virtio-net-pci,netdev=n0,disable-legacy=on,romfile="] + calls.nospin(image)
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        clients = [connect(port) for _ in range(connections)]
        clients[0].sendall(b"set key 0 0 %d\r\n%s\r\n" % (len(VALUE), VALUE))
        clients[0].recv(100)
        load(clients, 2 * connections + 500)
        before = profile.blocks(counter)
        done = load(clients, requests)
        after = profile.blocks(counter)
    finally:
        guest.kill()
        guest.wait()
    return {block: (count - before.get(block, 0)) / done for block, count in after.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mkimage", required=True)
    p.add_argument("--kernel", required=True)
    p.add_argument("--connections", type=int, default=50)
    p.add_argument("--requests", type=int, default=5000)
    p.add_argument("--work", default="target/calls", type=Path, help="for what is built")
    p.add_argument("--inlined", action="store_true")
    p.add_argument("--top", type=int, default=40, help="lines")
    o = p.parse_args()
    work = o.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    image, plugin = work / "memcached.img", calls.build_plugin(work)
    subprocess.run([o.mkimage, "--elf", "/usr/bin/memcached", "-o", image, "--kernel", o.kernel, "--append",
                    "ip=10.99.0.2/24 gw=10.99.0.1", "--", "-u", "root", "-m", "64"], check=True, stdout=subprocess.DEVNULL)
    spent = measure(image, plugin, work, o.connections, o.requests)
    symbols = profile.Symbols(o.kernel)
    names = symbols.inlined({a for (a, _), n in spent.items() if n > 1}) if o.inlined else {}
    entries = dict(symbols.rows)
    total, called = collections.Counter(), collections.Counter()
    for (address, instructions), count in spent.items():
        total[names.get(address) or symbols.function(address)] += count
        if address in entries:
            called[entries[address]] += count / instructions
    print(f"memcached GET, {o.connections} connections: {sum(total.values()):.0f}")
    for name, count in total.most_common(o.top):
        print(f"{count:10.1f} {called[name]:8.2f}  {name}")


if __name__ == "__main__":
    main()
