package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"io"
	"net"
)

// A service is what a Service is to a client: one address for several endpoints.
// A new connection goes to the first endpoint that accepts one, and stays with
// it until either end closes. So it is with the aggregator and a real Service
// too: its HTTP/2 connection keeps to one replica, while the others are idle.
type service struct {
	port      int
	endpoints []string
}

// openService opens a service for ports of this machine, until the test is over.
// A connection ends with the process at one of its ends.
func openService(c *cluster, ports ...int) *service {
	listener := trial.Must(net.Listen("tcp", "127.0.0.1:0"))(c)
	c.T.Cleanup(func() { _ = listener.Close() })
	s := &service{port: listener.Addr().(*net.TCPAddr).Port}
	for _, port := range ports {
		s.endpoints = append(s.endpoints, trial.Loopback(port))
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
	for _, endpoint := range s.endpoints {
		if conn, err = net.Dial("tcp", endpoint); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
