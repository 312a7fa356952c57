package ring

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// failed handles an error of the socket: its interface went down or away.
func (r *ring) failed() {
	code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || unix.Errno(code) != unix.ENETDOWN || r.down {
		return
	}
	r.down = true
	if !r.lead {
		return
	}
	text := "the interface went down: waiting for it"
	if d, err := lookUp(r.fd, r.iface.name); err != nil || d.index != r.device.index {
		text = "the interface is gone: waiting for one of this name"
	}
	r.isDown(text)
}

// isDown notes that the interface no longer captures anything, and warns. Every
// interface loses its link a moment before it is down: both together count as one
// loss.
func (r *ring) isDown(text string) {
	if r.iface.up.Load() {
		r.iface.losses.Add(1) // first, so that whoever sees it down sees that it was lost
		r.iface.up.Store(false)
	}
	r.options.Warn(r.iface.name, text)
}

// isBack notes that it captures again, and warns.
func (r *ring) isBack(text string) {
	r.iface.up.Store(true)
	r.iface.gains.Add(1)
	r.options.Warn(r.iface.name, text)
}

// find looks whether an interface of the name is there and up. If it was made
// anew, or was in another network namespace meanwhile, capture moves to the new one;
// an error means that this is no longer possible.
func (r *ring) find() error {
	d, err := lookUp(r.fd, r.iface.name)
	if err != nil {
		r.lookElsewhere()
		return nil //nolint:nilerr // it is looked for again
	}
	if d.index != r.device.index || r.unbound() {
		if err := r.move(d); err != nil {
			return r.unmoved(err)
		}
		r.said = ""
	}
	if !d.up {
		return nil
	}
	r.down, r.found = false, now()
	if r.lead {
		r.isBack("the interface is back")
	}
	return nil
}

// lookElsewhere looks whether the interface is up under another name, which it was
// given while it was down: the socket is with it as long as none has its own.
func (r *ring) lookElsewhere() {
	if !r.lead || r.unbound() {
		return
	}
	name, err := nameOf(r.fd, r.device.index)
	if err != nil {
		return
	}
	if d, err := lookUp(r.fd, name); err == nil && d.index == r.device.index && d.up {
		r.checkName(name)
	}
}

// unbound reports whether the kernel took the socket from its device, which it does
// when that goes: one of the same number may be there again.
func (r *ring) unbound() bool {
	name, err := unix.Getsockname(r.fd)
	if err != nil {
		return false // of a packet socket it does not fail
	}
	a, ok := name.(*unix.SockaddrLinklayer)
	return ok && a.Ifindex < 0
}

// unmoved handles the error of a ring that could not move to the interface that
// came back. It returns the error if trying again is useless.
func (r *ring) unmoved(err error) error {
	switch {
	case errors.Is(err, errBusy), errors.Is(err, unix.ENODEV):
	case errors.Is(err, errNoSpare):
		return fmt.Errorf("%s: %w", r.iface.name, err)
	case r.lead && err.Error() != r.said: // it is tried again and again
		r.said = err.Error()
		r.options.Warn(r.iface.name, "can't capture from the interface that came back: "+r.said)
	}
	return nil
}

// checkLink looks whether the interface has a link: without one, as when its
// cable is pulled or the mirror port is shut, nothing comes, yet the socket reports
// no error. Frames that come prove a link, whatever the driver says.
func (r *ring) checkLink() {
	name, err := nameOf(r.fd, r.device.index)
	if err != nil {
		return // the socket will say so
	}
	d, err := lookUp(r.fd, name)
	if err != nil || d.index != r.device.index || !d.up {
		return // "
	}
	r.checkName(name)
	seen := r.received.Load()
	linked := d.linked || seen != r.seen
	r.seen = seen
	switch {
	case linked == r.iface.up.Load():
	case linked:
		r.isBack("the interface has a link again")
	default:
		r.isDown("the interface has no link: its cable, or the port at the other end, is down")
	}
}

// checkName says once that the interface is called otherwise now: the socket stays
// with it, whatever has the name that was asked for. That may be an alternative name,
// which leads to it beside the one that it is called by.
func (r *ring) checkName(name string) {
	text := ""
	if name != r.iface.name && !r.leadsHere(r.iface.name) {
		text = "the interface is called " + name + " now, and captured from all the same: start again for another one of this name"
	}
	if text != "" && text != r.renamed {
		r.options.Warn(r.iface.name, text)
	}
	r.renamed = text
}

// leadsHere reports whether a name is one of the interface that is captured from.
func (r *ring) leadsHere(name string) bool {
	d, err := lookUp(r.fd, name)
	return err == nil && d.index == r.device.index
}

// errBusy says that a ring can't move yet, errNoSpare that it can't ever again.
var (
	errBusy    = errors.New("frames are left in the ring")
	errNoSpare = fmt.Errorf("the interface was made anew %d times, and more often several rings can't follow it without CAP_NET_RAW: start again", spares+1)
)

// move captures from another device from now on. The socket is bound to it, which
// needs no capability, and keeps its memory and counts; but a socket in a fanout
// group can't be bound again, so that a spare one takes its place.
func (r *ring) move(d device) error {
	link, kind := d.link()
	r.mu.Lock()
	defer r.mu.Unlock()
	if filtered := len(r.options.Filter) > 0 || r.program >= 0; kind != r.kind || link != r.link && filtered {
		return errors.New("it is of another kind: start again") // filters are for one link type
	}
	if r.options.Fanout > 1 {
		if err := r.replace(d); err != nil {
			return err
		}
	}
	err := r.start(d)
	if err == nil {
		if err = r.options.setFilter(r.fd, r.program); err != nil {
			r.group = noGroup // it is this device's, and so goes back into it
		}
	}
	if err != nil {
		r.device.index, r.down = 0, true // so that it is tried again
		return err
	}
	r.link = link
	return nil
}

// replace gives a ring another socket, once all frames of the old one are read.
func (r *ring) replace(d device) error {
	if !r.drained() {
		return errBusy
	}
	fd, err := r.spare(d)
	if err != nil {
		return err
	}
	r.harvestLocked()
	memory, err := r.options.mapRing(fd)
	if err != nil {
		return errors.Join(err, closeFD(fd))
	}
	err = errors.Join(unix.Munmap(r.memory), closeFD(r.fd))
	r.fd, r.memory, r.walk.block, r.index = fd, memory, nil, 0
	return err
}

// spare returns a socket in the network namespace of the others. Those that
// Open made come first: the process may no longer be able to make any.
func (r *ring) spare(d device) (int, error) {
	if last := len(r.spares) - 1; last >= 0 {
		fd := r.spares[last]
		r.spares = r.spares[:last]
		return fd, nil
	}
	fd, err := newSocket(r.kind)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return -1, errNoSpare
	}
	if err != nil {
		return -1, err
	}
	if there, err := lookUp(fd, r.iface.name); err != nil || there.index != d.index {
		return -1, errors.Join(errors.New("the process is in another network namespace now"), closeFD(fd))
	}
	return fd, nil
}
