package ring

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Available says whether this system has AF_PACKET rings.
const Available = true

// spares is how many further sockets each ring of a fanout group has, for a
// process that is no longer permitted to make any.
const spares = 8

// Open begins to capture from interfaces of the network namespace that the
// calling thread is in. It needs CAP_NET_RAW; nothing after it does, so that
// the process may drop it. An interface that is down, or goes down or away
// later, costs a warning, and is captured from when it is back.
func Open(o Options) (*Source, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	s := &Source{options: o, wake: wake, stopping: make(chan struct{})}
	for number, name := range o.Interfaces {
		f := &iface{name: name, number: number, group: noGroup}
		s.ifaces = append(s.ifaces, f)
		if err := s.openAll(f); err != nil {
			s.readers, s.all = nil, newReader(s, nil)
			return nil, errors.Join(err, s.Close())
		}
	}
	s.all = newReader(s, s.rings)
	for n := range o.Fanout {
		var rings []*ring
		for i := n; i < len(s.rings); i += o.Fanout {
			rings = append(rings, s.rings[i])
		}
		s.readers = append(s.readers, newReader(s, rings))
	}
	if o.Fanout == 1 {
		s.all = s.readers[0]
	}
	return s, nil
}

// openAll opens the rings of an interface. None gets a frame before all are
// in the fanout group: until it is in one, a socket gets every frame.
func (s *Source) openAll(f *iface) error {
	d, err := s.find(f.name)
	if err != nil {
		return err
	}
	for _, other := range s.ifaces {
		if other != f && other.of == d.index {
			return fmt.Errorf("%s and %s are the same interface: name it once", other.name, f.name)
		}
	}
	f.up.Store(d.up)
	f.of = d.index
	first := len(s.rings)
	for n := range s.options.Fanout {
		r := &ring{options: &s.options, iface: f, lead: n == 0, fd: -1, program: -1, group: noGroup}
		s.rings = append(s.rings, r)
		if err := r.open(d); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	for _, r := range s.rings[first:] {
		if err := s.options.setFilter(r.fd, -1); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if !d.up {
		s.options.Warn(f.name, "the interface is down: waiting for it")
	}
	return nil
}

// find looks up an interface by its name.
func (s *Source) find(name string) (device, error) {
	fd, err := newSocket(unix.SOCK_RAW)
	if err != nil {
		return device{}, fmt.Errorf("%s: %w", name, err)
	}
	d, err := lookUp(fd, name)
	if errors.Is(err, unix.ENODEV) {
		err = NoInterface(name)
	} else if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return d, errors.Join(err, closeFD(fd))
}

// open makes the socket and the memory of a ring. A filter still keeps all frames
// out.
func (r *ring) open(d device) error {
	r.link, r.kind = d.link()
	r.cooked, r.heads, r.file = r.kind == unix.SOCK_DGRAM, r.options.Heads, r.iface.number
	var err error
	if r.fd, err = newSocket(r.kind); err != nil {
		return err
	}
	for range spares {
		if r.options.Fanout == 1 {
			break // a socket in no fanout group can be bound again
		}
		var fd int
		if fd, err = newSocket(r.kind); err != nil {
			return err
		}
		r.spares = append(r.spares, fd)
	}
	if r.memory, err = r.options.mapRing(r.fd); err != nil {
		return err
	}
	return r.start(d)
}

// start binds the socket to a device with everything kept out, and joins the
// fanout group.
func (r *ring) start(d device) error {
	if err := filter(r.fd, nothing()); err != nil {
		return fmt.Errorf("keep all out: %w", err)
	}
	if err := r.options.bind(r.fd, d); err != nil {
		return err
	}
	r.device, r.down = d, !d.up
	if r.options.Fanout == 1 {
		return nil
	}
	return r.join()
}

// join puts the socket into the group of its interface. It never goes back into
// the one that it was in: that is of a device that has gone, if of the same number.
func (r *ring) join() error {
	f := r.iface
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != r.device.index || f.group == r.group {
		f.group, f.of = noGroup, r.device.index
	}
	group, err := joinFanout(r.fd, f.group)
	if err != nil {
		return err
	}
	f.group, r.group = group, group
	return nil
}
