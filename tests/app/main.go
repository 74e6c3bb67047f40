// A stand-in for antgent in rollout tests: the same commands and ports, in a few MB, with a fault to choose.
//
//	server       answers HTTP on ANTGENT_SERVER__PORT (8080)
//	worker       runs until SIGTERM
//	healthcheck  exits 0 when its URL argument answers 200
//	worker-alive exits 0
//
// MODE, baked into each image: good, slow-start, crash, never-ready, dies-on-sigterm, ignores-sigterm.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var (
	mode    = env("MODE", "good")
	version = env("VERSION", "unknown")
)

func main() {
	command := "server"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "server":
		serve()
	case "worker":
		work()
	case "healthcheck":
		check(os.Args[2])
	case "worker-alive":
	default:
		fmt.Fprintf(os.Stderr, "unknown command %q\n", command)
		os.Exit(2)
	}
}

func serve() {
	crashIfAsked()
	if mode == "slow-start" {
		time.Sleep(8 * time.Second)
	}
	http.HandleFunc("/", answer)
	http.HandleFunc("/version", answer)
	http.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		if token := os.Getenv("ANTGENT_SERVER__TOKEN"); token == "" || r.Header.Get("token") != token {
			w.WriteHeader(http.StatusUnauthorized)
		}
		answer(w, r)
	})
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") })
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		seconds, _ := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		answer(w, r)
	})
	server := &http.Server{Addr: ":" + env("ANTGENT_SERVER__PORT", "8080")}
	drained := make(chan struct{})
	go func() {
		waitForTerm()
		if mode == "dies-on-sigterm" {
			os.Exit(143)
		}
		server.Shutdown(context.Background())
		close(drained)
	}()
	fmt.Printf("serving version %s, mode %s\n", version, mode)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-drained
}

func work() {
	crashIfAsked()
	fmt.Printf("working, version %s, mode %s\n", version, mode)
	waitForTerm()
}

func crashIfAsked() {
	if mode == "crash" {
		fmt.Fprintln(os.Stderr, "fatal: the database password is missing")
		os.Exit(3)
	}
}

func waitForTerm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	if mode == "ignores-sigterm" {
		select {}
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	if mode == "never-ready" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"version\":%q,\"mode\":%q,\"pid\":%d}\n", version, mode, os.Getpid())
}

func check(url string) {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if response.StatusCode != http.StatusOK {
		fmt.Println(response.Status)
		os.Exit(1)
	}
}

func env(key, fallback string) string {
	if value, ok := os.LookupEnv(key); ok {
		return value
	}
	return fallback
}
