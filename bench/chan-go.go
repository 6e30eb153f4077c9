// SPDX-License-Identifier: MIT
//
// What bench/chan-ringline is measured against: COUNT elements through a buffered channel of 64, between two goroutines that
// are locked to operating-system threads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil || os.Args[1] != "stream" {
		os.Exit(2)
	}
	c := make(chan uint64, 64)
	done := make(chan uint64)
	start := time.Now()
	go func() {
		runtime.LockOSThread()
		for i := 0; i < count; i++ {
			c <- uint64(i)
		}
		close(c)
	}()
	go func() {
		runtime.LockOSThread()
		sum := uint64(0)
		for v := range c {
			sum += v
		}
		done <- sum
	}()
	if <-done != uint64(count)*uint64(count-1)/2 {
		os.Exit(1)
	}
	fmt.Printf("engine=none\nper_second=%.0f\n", float64(count)/time.Since(start).Seconds())
}
