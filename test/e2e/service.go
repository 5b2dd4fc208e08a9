package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"errors"
	"io"
	"net"
	"slices"
	"sync"
)

// A service is what a Service is to a client: one address for several endpoints.
// A new connection goes to the first endpoint that accepts one, and stays with
// it until either end closes. So it is with the aggregator and a real Service
// too: its HTTP/2 connection keeps to one replica, while the others are idle.
type service struct {
	port int

	mu        sync.Mutex
	endpoints []string
}

// openService opens a service for ports of this machine, until the test is over.
// A connection ends with the process at one of its ends.
func openService(c *cluster, ports ...int) *service {
	listener := trial.Must(net.Listen("tcp", "127.0.0.1:0"))(c)
	c.T.Cleanup(func() { _ = listener.Close() })
	s := &service{port: listener.Addr().(*net.TCPAddr).Port}
	for _, port := range ports {
		s.add(port)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go s.forward(client)
		}
	}()
	return s
}

// add takes up an endpoint. It is asked when those before it accept nothing.
func (s *service) add(port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, trial.Loopback(port))
}

// remove leads new connections elsewhere.
func (s *service) remove(port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e string) bool { return e == trial.Loopback(port) })
}

// forward joins a client with an endpoint.
func (s *service) forward(client net.Conn) {
	defer func() { _ = client.Close() }()
	endpoint, err := s.dial()
	if err != nil {
		return
	}
	defer func() { _ = endpoint.Close() }()
	ended := make(chan struct{}, 2)
	join := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go join(client, endpoint)
	go join(endpoint, client)
	<-ended
}

func (s *service) dial() (conn net.Conn, err error) {
	err = errors.New("the service has no endpoint")
	s.mu.Lock()
	endpoints := slices.Clone(s.endpoints)
	s.mu.Unlock()
	for _, endpoint := range endpoints {
		if conn, err = net.Dial("tcp", endpoint); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
