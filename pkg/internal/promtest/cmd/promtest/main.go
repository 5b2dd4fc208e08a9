// Command promtest plays many Prometheus servers that fail on command, for tests in
// other modules. It prints its address and serves a promtest.Farm, on loopback
// only, until it is told to stop:
//
//	$ promtest -listen 127.0.0.1:9199
//	http://127.0.0.1:9199
//	$ curl -X PUT --data '[{"labels": {"__name__": "load"}, "value": 20}]' http://127.0.0.1:9199/main/series
//	$ curl -X PUT --data '{"kind": "hang"}' http://127.0.0.1:9199/main/fault
//
// The kinds of faults are those of package promtest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "loopback `address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen); err != nil {
		log.Fatal("promtest: ", err)
	}
}

func serve(ctx context.Context, listen string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	address := listener.Addr().(*net.TCPAddr)
	if !address.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%s is not a loopback address", listen), listener.Close())
	}
	farm := promtest.NewFarm(net.JoinHostPort("localhost", strconv.Itoa(address.Port)))
	defer farm.Close()
	// Handlers that are cut short panic: that is what they are for.
	server := &http.Server{Handler: farm, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Println("http://" + address.String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
