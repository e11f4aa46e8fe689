// Threads in Java: pools, locks, conditions, interrupts, timers, streams, sockets, garbage.
// Called by the case `java/threads`; prints the same wherever it runs.

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.LongStream;

public class Threads {
    static long counter;

    interface Body {
        void run() throws Exception;
    }

    static List<Thread> start(int count, Body body) {
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Thread thread = new Thread(() -> {
                try {
                    body.run();
                } catch (Exception error) {
                    System.out.println("failed: " + error);
                }
            });
            thread.start();
            threads.add(thread);
        }
        return threads;
    }

    static void join(List<Thread> threads) throws Exception {
        for (Thread thread : threads) thread.join();
    }

    static void monitors() throws Exception {
        Object lock = new Object();
        join(start(4, () -> {
            for (int i = 0; i < 20000; i++) synchronized (lock) { counter++; }
        }));
        System.out.println("synchronized: " + counter);

        boolean[] mine = {false};
        AtomicLong turns = new AtomicLong();
        Body player = () -> {
            boolean who = turns.getAndIncrement() == 0;
            for (int i = 0; i < 500; i++) synchronized (mine) {
                while (mine[0] != who) mine.wait();
                mine[0] = !who;
                mine.notifyAll();
            }
        };
        join(start(2, player));
        System.out.println("wait and notify: " + mine[0]);
    }

    static void locks() throws Exception {
        ReentrantLock lock = new ReentrantLock();
        Condition changed = lock.newCondition();
        long[] value = {0};
        List<Thread> waiting = start(3, () -> {
            lock.lock();
            try {
                while (value[0] < 100) changed.await(1, TimeUnit.SECONDS);
            } finally {
                lock.unlock();
            }
        });
        for (int i = 0; i < 100; i++) {
            lock.lock();
            try {
                value[0]++;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
        join(waiting);
        System.out.println("conditions: " + value[0]);

        CyclicBarrier barrier = new CyclicBarrier(4);
        AtomicLong passed = new AtomicLong();
        join(start(4, () -> {
            for (int i = 0; i < 50; i++) {
                barrier.await();
                passed.incrementAndGet();
            }
        }));
        System.out.println("barriers: " + passed);
    }

    static void pools() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<CompletableFuture<Long>> futures = new ArrayList<>();
        for (long i = 0; i < 200; i++) {
            long n = i;
            futures.add(CompletableFuture.supplyAsync(() -> n * n, pool).thenApplyAsync(x -> x + 1, pool));
        }
        long sum = 0;
        for (CompletableFuture<Long> future : futures) sum += future.get();
        pool.shutdown();
        System.out.println("pool: " + sum + " " + pool.awaitTermination(60, TimeUnit.SECONDS));

        ArrayBlockingQueue<Integer> queue = new ArrayBlockingQueue<>(8);
        AtomicLong taken = new AtomicLong();
        List<Thread> consumers = start(3, () -> {
            for (int got; (got = queue.take()) >= 0; ) taken.addAndGet(got);
        });
        for (int i = 1; i <= 3000; i++) queue.put(i);
        for (int i = 0; i < 3; i++) queue.put(-1);
        join(consumers);
        System.out.println("queue: " + taken);

        System.out.println("parallel: " + LongStream.rangeClosed(1, 1000000).parallel().map(x -> x % 7).sum());
        ConcurrentHashMap<Integer, Integer> map = new ConcurrentHashMap<>();
        join(start(4, () -> {
            for (int i = 0; i < 5000; i++) map.merge(i % 100, 1, Integer::sum);
        }));
        System.out.println("map: " + map.values().stream().mapToInt(x -> x).sum());
    }

    static void time() throws Exception {
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
        CountDownLatch ticks = new CountDownLatch(10);
        timer.scheduleAtFixedRate(ticks::countDown, 1, 2, TimeUnit.MILLISECONDS);
        System.out.println("ticks: " + ticks.await(60, TimeUnit.SECONDS));
        timer.shutdownNow();
        Thread sleeper = new Thread(() -> {
            try {
                Thread.sleep(1000000);
                System.out.println("slept");
            } catch (InterruptedException error) {
                System.out.println("interrupted: " + error.getMessage());
            }
        });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
    }

    static void sockets() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
            List<Thread> servers = start(2, () -> {
                for (int i = 0; i < 4; i++) {
                    try (Socket socket = server.accept()) {
                        socket.getInputStream().transferTo(socket.getOutputStream());
                    }
                }
            });
            AtomicLong bytes = new AtomicLong();
            join(start(8, () -> {
                try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
                    socket.getOutputStream().write("over a socket".getBytes(StandardCharsets.UTF_8));
                    socket.shutdownOutput();
                    bytes.addAndGet(socket.getInputStream().readAllBytes().length);
                }
            }));
            join(servers);
            System.out.println("sockets: " + bytes);
        }
    }

    static void memory() throws Exception {
        AtomicLong lengths = new AtomicLong();
        join(start(4, () -> {
            List<byte[]> kept = new ArrayList<>();
            for (int i = 0; i < 3000; i++) {
                byte[] bytes = new byte[i * 4];
                if (i % 100 == 0) kept.add(bytes);
            }
            System.gc();
            for (byte[] bytes : kept) lengths.addAndGet(bytes.length);
        }));
        System.out.println("memory: " + lengths);
        int[] depths = {0};
        try {
            deeper(depths);
        } catch (StackOverflowError error) {
            System.out.println("deep: " + (depths[0] > 500));
        }
        try {
            System.out.println(((String) null).length());
        } catch (NullPointerException error) {
            System.out.println("null");
        }
    }

    static void deeper(int[] depth) {
        depth[0]++;
        deeper(depth);
    }

    public static void main(String[] args) throws Exception {
        monitors();
        locks();
        pools();
        time();
        sockets();
        memory();
        Path file = Files.createTempFile("threads", "txt");
        Files.writeString(file, "in a file");
        System.out.println(Files.readString(file));
        Files.delete(file);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("end")));
        System.exit(7);
    }
}
