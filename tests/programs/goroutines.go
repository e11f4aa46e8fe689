// Goroutines: Go's run-time library makes threads with clone(2) itself, waits with futex(2), preempts with signals.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func channels() {
	numbers, sum := make(chan int), make(chan int)
	go func() {
		all := 0
		for n := range numbers {
			all += n
		}
		sum <- all
	}()
	for i := 0; i < 1000; i++ {
		numbers <- i
	}
	close(numbers)
	fmt.Println("channel:", <-sum)
	select {
	case <-time.After(5 * time.Millisecond):
		fmt.Println("timeout")
	case <-sum:
		fmt.Println("more?")
	}
}

func locks() {
	var all sync.WaitGroup
	var lock sync.Mutex
	var atom int64
	n := 0
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for k := 0; k < 100; k++ {
				lock.Lock()
				n++
				lock.Unlock()
				atomic.AddInt64(&atom, 1)
			}
			time.Sleep(time.Millisecond)
		}()
	}
	all.Wait()
	fmt.Println("locks:", n, atom)
}

func threads() {
	results := make(chan int, 8)
	for i := 0; i < 8; i++ {
		go func() {
			runtime.LockOSThread()
			results <- fib(20)
		}()
	}
	sum := 0
	for i := 0; i < 8; i++ {
		sum += <-results
	}
	fmt.Println("own threads:", sum)
}

// A loop without calls is preempted by a signal, also while memory is collected.
func preemption() {
	var stop, count int64
	done := make(chan bool)
	go func() {
		for atomic.LoadInt64(&stop) == 0 {
			count++
		}
		done <- true
	}()
	for i := 0; i < 5; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	atomic.StoreInt64(&stop, 1)
	fmt.Println("preempted:", <-done, count > 0)
}

func memory() {
	var held [][]byte
	sum := 0
	for i := 0; i < 2000; i++ {
		held = append(held, make([]byte, 10000))
		sum += len(held[len(held)-1])
		if len(held) > 100 {
			held = nil
		}
	}
	fmt.Println("allocated:", sum)
}

func signals() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("caught:", <-caught)
}

func files() {
	from, to, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		time.Sleep(time.Millisecond)
		fmt.Fprint(to, "through a pipe")
		to.Close()
	}()
	text := make([]byte, 100)
	n, err := from.Read(text)
	fmt.Println(string(text[:n]), err)
}

func fault() {
	defer func() { fmt.Println("recovered:", recover()) }()
	var none *int
	fmt.Println(*none)
}

func main() {
	channels()
	locks()
	threads()
	preemption()
	memory()
	signals()
	files()
	fault()
	os.Exit(3)
}
