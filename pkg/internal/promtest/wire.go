package promtest

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Dial opens a connection to the Server in memory, whatever the address, unless
// its port is closed.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.options.Down(time.Now()) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return s.net.dial(ctx)
}

// A memoryNet is a net.Listener whose connections are pipes.
type memoryNet struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newMemoryNet() *memoryNet {
	return &memoryNet{dialled: make(chan net.Conn), closed: make(chan struct{})}
}

func (m *memoryNet) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case m.dialled <- &conn{Conn: ours, reset: reset}:
		return &conn{Conn: theirs, reset: reset}, nil
	case <-m.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next dial.
func (m *memoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-m.dialled:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses further dials.
func (m *memoryNet) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// Addr is needed to be a net.Listener.
func (m *memoryNet) Addr() net.Addr { return &net.TCPAddr{} }

// A conn is a pipe that can be reset, as a TCP connection can.
type conn struct {
	net.Conn
	reset *atomic.Bool // shared by both ends
}

// SetLinger(0) makes what follows a Close a reset to the other end, as of a
// net.TCPConn.
func (c *conn) SetLinger(seconds int) error {
	c.reset.Store(seconds == 0)
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}
