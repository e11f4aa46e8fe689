# Threads in Python: queues, pools, events, barriers, conditions, locals, signals, many at once.
import concurrent.futures
import os
import queue
import signal
import threading
import time

full = queue.Queue(10)
sums = []


def produce(count):
    for i in range(count):
        full.put(i)
    full.put(None)


def consume():
    total = 0
    while (item := full.get()) is not None:
        total += item
    sums.append(total)


def run(count, body, *args):
    threads = [threading.Thread(target=body, args=args) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


join(run(4, produce, 500) + run(4, consume))
print("queue:", sum(sums))

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print("pool:", sum(pool.map(lambda x: x * x, range(500))))

event = threading.Event()
timer = threading.Timer(0.01, event.set)
timer.start()
print("event:", event.wait(60))
timer.join()

barrier = threading.Barrier(5)
passed = []


def walk():
    for _ in range(20):
        barrier.wait()
    passed.append(1)


join(run(5, walk))
print("barrier:", len(passed))

condition = threading.Condition()
turn = 0


def wait_for_turn():
    with condition:
        condition.wait_for(lambda: turn >= 3)


waiters = run(10, wait_for_turn)
for _ in range(3):
    with condition:
        turn += 1
        condition.notify_all()
join(waiters)
print("condition:", turn)

own = threading.local()
own.value = 1
join(run(1, lambda: print("local:", hasattr(own, "value"))))

caught = []
signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(threading.current_thread() is threading.main_thread()))
join(run(1, lambda: os.kill(os.getpid(), signal.SIGUSR1)))
while not caught:
    time.sleep(0.001)
print("signal in the main thread:", caught)
print("first thread:", threading.get_native_id() == os.getpid())

join(run(200, time.sleep, 0.01))
print("left:", threading.active_count())
