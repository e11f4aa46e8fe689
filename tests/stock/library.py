"""python3: what its library asks of the system: files, memory maps, signals, times, databases, digests.

Run natively and in the VM by the cases of the area `stock`; the argument is a directory to write to.
"""

import array, collections, ctypes, datetime, decimal, errno, fcntl, fractions, glob, hashlib, io, itertools, json
import mmap, os, pathlib, pickle, random, re, resource, select, shutil, signal, sqlite3, stat, string, struct, sys
import tempfile, textwrap, time, unicodedata, zlib

tempfile.tempdir = sys.argv[1]


def fails(what, *args, **named):
    """The error of a call, or what it returned."""
    try:
        return what(*args, **named)
    except OSError as error:
        return errno.errorcode.get(error.errno, error.errno)


def files(top):
    path = os.path.join(top, "file")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    print(os.write(fd, b"0123456789" * 100), os.lseek(fd, 5, os.SEEK_SET), os.read(fd, 5), os.pread(fd, 3, 998))
    print(os.writev(fd, [b"ab", b"cd"]), os.fstat(fd).st_size, oct(os.fstat(fd).st_mode), os.ftruncate(fd, 50))
    print(os.get_inheritable(fd), os.isatty(fd), fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR)
    copy = os.dup(fd)
    os.close(fd)
    print(os.fstat(copy).st_size, fails(os.fstat, fd), os.close(copy))
    print(fails(os.open, path, os.O_CREAT | os.O_EXCL), fails(os.mkdir, path), fails(os.rmdir, top))
    os.makedirs(os.path.join(top, "a/b/c"))
    os.symlink("../file", os.path.join(top, "a/link"))
    os.link(path, os.path.join(top, "a/b/hard"))
    for where, dirs, names in sorted(os.walk(top)):
        print(os.path.relpath(where, top), sorted(dirs), sorted(names))
    print(os.readlink(os.path.join(top, "a/link")), os.stat(path).st_nlink, os.path.samefile(path, top + "/a/link"))
    os.utime(path, ns=(1_000_000_000_123_456_789, 1_100_000_000_987_654_321))
    print(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns)
    os.chmod(path, 0o4711)
    print(stat.filemode(os.stat(path).st_mode), os.access(path, os.X_OK), fails(os.chdir, path))
    os.rename(path, top + "/renamed")
    print(os.path.exists(path), sorted(os.listdir(top)), [entry.is_dir() for entry in os.scandir(top + "/a/b")].count(True))
    shutil.copytree(top + "/a", top + "/copy", symlinks=True)
    print(sorted(glob.glob("**", root_dir=top, recursive=True)))
    print(shutil.rmtree(top + "/copy"), pathlib.Path(top, "renamed").read_bytes()[:8])
    print(fails(os.open, "/no/such", os.O_RDONLY), fails(os.listdir, top + "/renamed"), fails(os.unlink, top + "/none"))


def streams(top):
    path = pathlib.Path(top, "text")
    with open(path, "w+", encoding="utf-8", newline="\r\n") as text:
        text.write("caf\u00e9\nna\u00efve\n\u2603\n" * 50)
        text.seek(0)
        print(ascii(text.readline()), len(text.read()), path.stat().st_size)
    with open(path, "rb", buffering=16) as raw:
        print(raw.read(3), raw.peek(2)[:2], raw.tell(), len(raw.readlines()), raw.seek(-4, 2), raw.read())
    with tempfile.TemporaryFile() as nameless, tempfile.NamedTemporaryFile() as named:
        print(nameless.write(b"x" * 100_000), nameless.tell(), os.path.dirname(named.name) == sys.argv[1])
        fcntl.flock(named, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print(os.sendfile(named.fileno(), nameless.fileno(), 0, 5000), os.fstat(named.fileno()).st_size)
    spooled = tempfile.SpooledTemporaryFile(max_size=10)
    print(spooled.write(b"y" * 20), spooled.seek(0), spooled.read(4))


def maps(top):
    with open(top + "/map", "w+b") as backing:
        backing.truncate(3 * mmap.PAGESIZE)
        private = mmap.mmap(backing.fileno(), 0, access=mmap.ACCESS_COPY)
        private[:4] = b"mine"
        backing.write(b"file")
        backing.flush()
        reading = mmap.mmap(backing.fileno(), mmap.PAGESIZE, access=mmap.ACCESS_READ)
        print(private[:4], reading[:4], len(private), private.find(b"\0"))
    with mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as grown:
        grown.write(b"anonymous")
        grown.resize(1 << 21)
        print(grown[:9], len(grown), grown.rfind(b"s"))
    print(fails(mmap.mmap, 99, 4096))


def signals():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(signal.Signals(number).name))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    print(seen, signal.getsignal(signal.SIGUSR2), signal.strsignal(signal.SIGSEGV))
    print(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}), signal.raise_signal(signal.SIGUSR1))
    print(len(seen), signal.sigpending(), signal.sigwaitinfo({signal.SIGUSR1}).si_signo == signal.SIGUSR1)
    print(signal.sigtimedwait({signal.SIGUSR1}, 0.01), signal.pthread_sigmask(signal.SIG_SETMASK, set()))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGUSR2)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.raise_signal(signal.SIGUSR1)
    print(os.read(reader, 10) == bytes([signal.SIGUSR1]), signal.set_wakeup_fd(-1) == writer)
    poll = select.epoll()
    poll.register(reader, select.EPOLLIN)
    print(poll.poll(0), os.write(writer, b"x"), [event for _, event in poll.poll(1)], select.select([reader], [], [], 0)[0] == [reader])
    print(os.close(reader), fails(os.write, writer, b"y"), os.close(writer))


def data(top):
    document = {"list": [1, 2.5, None, True], "text": "caf\u00e9 \u2603", "nested": {"deep": [[[]]]}}
    print(json.dumps(document, sort_keys=True), json.loads(json.dumps(document)) == document)
    for name in ["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"]:
        print(name, hashlib.new(name, b"abc" * 1000).hexdigest()[:32])
    print(hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 1000).hex(), zlib.crc32(b"abc"), zlib.adler32(b"abc"))
    print(len(zlib.compress(b"abc" * 10000)), zlib.decompress(zlib.compress(b"abc" * 10000)) == b"abc" * 10000)
    with decimal.localcontext() as context:
        context.prec = 60
        print(decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7, decimal.Decimal("1e-7").exp())
    print(fractions.Fraction(355, 113) + fractions.Fraction(1, 3), 2**200, hex(10**30), (0.1 + 0.2).hex(), divmod(-7, 2))
    print(struct.pack(">IhQ3s", 1, -2, 3, b"abc").hex(), struct.unpack("<d", bytes(range(8))), array.array("i", [1, 2]).tobytes())
    print(re.findall(r"(?P<y>\d{4})-(\d\d)", "2020-01 2021-02"), re.sub(r"\b(\w)", lambda m: m[1].upper(), "a big dog"))
    print(pickle.loads(pickle.dumps(document)) == document, unicodedata.name("\u2603"), textwrap.fill("word " * 12, 30))
    random.seed(42)
    print(random.random(), random.sample(range(100), 5), collections.Counter("mississippi").most_common(2))
    print(list(itertools.islice(itertools.permutations("abc"), 4)), string.Template("$a-$b").substitute(a=1, b=2))
    print(datetime.datetime.fromtimestamp(1600000000, datetime.timezone.utc).isoformat(), time.strftime("%j %U", time.gmtime(0)))
    with sqlite3.connect(os.path.join(top, "base.db")) as base:
        base.execute("create table t (a integer primary key, b text, c blob)")
        base.executemany("insert into t values (?, ?, ?)", ((n, str(n * n), bytes(n % 7)) for n in range(1000)))
        base.commit()
        print(base.execute("select count(*), sum(length(b)), sum(length(c)), max(b) from t").fetchone())
        base.execute("delete from t where a % 2")
        base.rollback()
        print(base.execute("select count(*) from t").fetchone(), list(base.execute("select * from t limit 2")))
        try:
            base.execute("insert into t values (1, '', '')")
        except sqlite3.IntegrityError as error:
            print(error)


def process():
    print(os.getpid() > 1, os.getpgid(0) == os.getpgrp(), os.getuid() == os.geteuid(), os.uname().sysname, os.uname().machine)
    print(sys.platform, sys.byteorder, sys.maxsize, os.cpu_count() > 0, os.sysconf("SC_PAGESIZE"), len(os.urandom(16)))
    print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    opened = []
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        print(errno.errorcode[error.errno], max(opened))
    os.closerange(min(opened), 64)
    before = time.monotonic()
    time.sleep(0.02)
    print(0.02 <= time.monotonic() - before < 5, time.time() > 1.6e9, time.get_clock_info("monotonic").monotonic, time.process_time() > 0)
    libc = ctypes.CDLL(None)
    print(libc.getpid() == os.getpid(), libc.abs(-5), libc.strlen(b"hello"))
    sort = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 5)(5, 3, 9, 1, 7)
    libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), sort(lambda a, b: a[0] - b[0]))
    print(list(numbers), sys.getrecursionlimit(), len([bytearray(1 << 20) for _ in range(32)]))
    print(sys.stdin.readline().rstrip(), sys.stdin.read().split())


with tempfile.TemporaryDirectory(prefix="nospin-python-") as top:
    os.umask(0o022)
    for part in [files, streams, maps, data]:
        print(f"# {part.__name__}")
        part(tempfile.mkdtemp(dir=top))
for part in [signals, process]:
    print(f"# {part.__name__}")
    part()
sys.stdout.flush()
print("to stderr", file=sys.stderr)
raise SystemExit(4)
