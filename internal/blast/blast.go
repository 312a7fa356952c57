//go:build linux

// Package blast sends the frames of a capture into an interface, at a rate or
// as fast as they go, and counts what it sent: the other end of a measurement.
package blast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many frames a system call takes.
const batch = 64

// A Capture is a pcap file that is mapped into memory.
type Capture struct{ data []byte }

// Open maps a little-endian pcap of Ethernet, and brings it into memory.
func Open(path string) (*Capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	runtime.KeepAlive(f)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	c := &Capture{data}
	if len(data) < fileHeader || binary.LittleEndian.Uint32(data[20:]) != 1 ||
		binary.LittleEndian.Uint32(data) != 0xa1b2c3d4 && binary.LittleEndian.Uint32(data) != 0xa1b23c4d {
		return nil, errors.Join(fmt.Errorf("%s is no little-endian pcap of Ethernet", path), c.Close())
	}
	return c, nil
}

// Close unmaps the file.
func (c *Capture) Close() error { return unix.Munmap(c.data) }

// Lengths of the parts of a pcap file.
const (
	fileHeader   = 24
	recordHeader = 16
	linkHeader   = 14 // of Ethernet, which an MTU leaves out
)

// next returns the frame at an offset, and the offset of the one after it.
// What has been cut short is not sent.
func (c *Capture) next(off int) (frame []byte, after int) {
	if off+recordHeader > len(c.data) {
		return nil, off
	}
	n := int(binary.LittleEndian.Uint32(c.data[off+8:]))
	if n == 0 || n > len(c.data)-off-recordHeader {
		return nil, off
	}
	off += recordHeader
	return c.data[off : off+n], off + n
}

// Sent is what a Sender sent.
type Sent struct {
	Frames, Bytes int64
	Left          int64 // frames that are too long for the interface, or shorter than a header
	Took          time.Duration
}

// Rate returns the frames a second.
func (s Sent) Rate() float64 { return float64(s.Frames) / s.Took.Seconds() }

// A Sender puts frames into an interface.
type Sender struct {
	fd       int
	longest  int // frame that the interface takes, bytes
	messages [batch]message
	vectors  [batch]unix.Iovec
}

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	unix.Msghdr
	sent uint32
	_    [4]byte
}

// NewSender returns a sender into an interface of the network namespace that
// the calling thread is in. It needs CAP_NET_RAW.
func NewSender(iface string) (*Sender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	s := &Sender{fd: fd}
	ifr, err := unix.NewIfreq(iface)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: int(ifr.Uint32())})
	}
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFMTU, ifr)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("send into %s: %w", iface, err), s.Close())
	}
	s.longest = linkHeader + int(ifr.Uint32())
	for i := range s.messages {
		s.messages[i].Iov = &s.vectors[i]
		s.messages[i].SetIovlen(1)
	}
	return s, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// Send sends all frames of the capture that the interface takes once, at a rate of
// frames a second, or as fast as they go when it is 0. It does not sleep: the thread's core is
// busy.
func (s *Sender) Send(c *Capture, rate float64) (Sent, error) {
	var sent Sent
	begin := time.Now()
	for off := fileHeader; ; {
		n, bytes := 0, int64(0)
		for n < batch {
			var frame []byte
			if frame, off = c.next(off); frame == nil {
				break
			}
			if len(frame) < linkHeader || len(frame) > s.longest {
				sent.Left++
				continue
			}
			s.vectors[n].Base = &frame[0] // mapped memory: nothing moves or frees it meanwhile
			s.vectors[n].SetLen(len(frame))
			bytes += int64(len(frame))
			n++
		}
		if err := s.flush(n); err != nil {
			return sent, fmt.Errorf("after %d frames: %w", sent.Frames, err)
		}
		sent.Frames += int64(n)
		sent.Bytes += bytes
		sent.Took = time.Since(begin)
		if n < batch {
			return sent, nil
		}
		for rate > 0 && float64(sent.Frames) > rate*sent.Took.Seconds() {
			sent.Took = time.Since(begin)
		}
	}
}

// flush sends the first n messages.
func (s *Sender) flush(n int) error {
	for done := 0; done < n; {
		//nolint:gosec // sendmmsg(2) takes an address
		got, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[done])), uintptr(n-done), 0, 0, 0)
		switch errno {
		case 0:
			done += int(got)
		case unix.EINTR, unix.EAGAIN, unix.ENOBUFS:
		default:
			return errno
		}
	}
	return nil
}
