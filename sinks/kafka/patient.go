package kafka

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"wormscope/sinks/tlsconf"
)

// errSilent says that a broker which had answered before did not answer in time.
var errSilent = errors.New("no answer in time")

// patient is the pool of connections to a cluster. The library gives a broker no
// longer to say which topics there are than it goes by the answer, metadataTTL. One
// that takes longer, as when it has just begun or has much to do, gets twice the
// time at each attempt, until the request as a whole takes too long.
type patient struct {
	open func(ttl time.Duration) *kafkago.Transport

	mutex sync.Mutex
	ttl   time.Duration
	pool  *kafkago.Transport
}

func newPatient(open func(ttl time.Duration) *kafkago.Transport) *patient {
	return &patient{open: open, ttl: metadataTTL, pool: open(metadataTTL)}
}

// RoundTrip implements kafkago.RoundTripper.
func (p *patient) RoundTrip(ctx context.Context, to net.Addr, request kafkago.Request) (kafkago.Response, error) {
	for {
		pool := p.current()
		r, err := pool.RoundTrip(ctx, to, request)
		if _, ok := request.(*metadata.Request); !ok || !late(err) || ctx.Err() != nil {
			return r, err
		}
		p.wait(pool)
	}
}

// late reports whether a broker was reached and did not answer in time.
func late(err error) bool {
	if errors.Is(err, errSilent) {
		return true
	}
	_, other := errors.AsType[*tlsconf.Error](err)
	return !other && errors.Is(err, context.DeadlineExceeded)
}

func (p *patient) current() *kafkago.Transport {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.pool
}

// wait gives brokers more time than a pool did, unless that was done already.
func (p *patient) wait(than *kafkago.Transport) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.pool == than {
		than.CloseIdleConnections()
		p.ttl = min(2*p.ttl, requestTimeout)
		p.pool = p.open(p.ttl)
	}
}

// close gives up all connections.
func (p *patient) close() { p.current().CloseIdleConnections() }
