// Command pause holds namespaces open: those of a pod, and those of the sandbox's node.
//
// As the first process of a PID namespace it also takes the exit status of orphans, which would
// stay as zombies otherwise. It ends at SIGTERM or SIGINT.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for {
		reap()
		if got := <-signals; got != syscall.SIGCHLD {
			return
		}
	}
}

// reap waits for every child that has ended.
func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
