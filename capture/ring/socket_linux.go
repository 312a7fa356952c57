package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"wormscope/capture"
)

// anyProtocol is ETH_P_ALL as bind wants it, in network byte order.
func anyProtocol() uint16 {
	return u16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
}

// newSocket makes a packet socket that gets nothing until it is bound.
func newSocket(kind int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return -1, fmt.Errorf("capturing needs CAP_NET_RAW: run as root, or give the program that capability (setcap cap_net_raw+ep FILE): %w", err)
	}
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	return fd, nil
}

// A device is what the kernel says of an interface now.
type device struct {
	index    int32
	hardware uint16 // ARPHRD_*, include/uapi/linux/if_arp.h
	up       bool
	linked   bool // it is up and has a link: a cable, or another end that is up
}

// lookUp asks for an interface by its name, in the network namespace of the
// socket.
func lookUp(fd int, name string) (device, error) {
	var d device
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return d, fmt.Errorf("the name is longer than that of an interface can be: %w", unix.ENODEV)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return d, err
	}
	d.index = int32(ifr.Uint32()) //nolint:gosec // an index is an int in the kernel
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return d, err
	}
	d.hardware = ifr.Uint16()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return d, err
	}
	d.up = ifr.Uint16()&unix.IFF_UP != 0
	d.linked = d.up && ifr.Uint16()&unix.IFF_RUNNING != 0
	return d, nil
}

// nameOf returns what an interface is called now.
func nameOf(fd int, index int32) (string, error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	ifr.SetUint32(uint32(index)) //nolint:gosec // an index is an int in the kernel, above 0
	err = unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr)
	return ifr.Name(), err
}

// link returns the link type of the interface's frames, and the type of socket
// that delivers them. Where the link layer is none that package packet decodes, a
// SOCK_DGRAM socket takes its header off, and walk puts one of LINUX_SLL there.
func (d device) link() (capture.LinkType, int) {
	switch d.hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return capture.LinkEthernet, unix.SOCK_RAW
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return capture.LinkRaw, unix.SOCK_RAW
	}
	return capture.LinkSLL, unix.SOCK_DGRAM
}

// NoInterface returns the error that there is no such interface, with the names of
// those that there are.
func NoInterface(name string) error {
	var names []string
	if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			names = append(names, i.Name)
		}
	}
	return fmt.Errorf("there is no interface %q; there are %s", name, strings.Join(names, ", "))
}

// mapRing makes the ring of a socket and maps it. The kernel allocates its
// memory here and now.
func (o *Options) mapRing(fd int) ([]byte, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("TPACKET_V3: %w", err)
	}
	const frameSize = 2048 // TPACKET_V3 does not use it, but the kernel checks it
	size := o.BlockSize * o.Blocks
	request := unix.TpacketReq3{
		Block_size:     uint32(o.BlockSize),                           //nolint:gosec // WithDefaults bounds them
		Block_nr:       uint32(o.Blocks),                              //nolint:gosec // "
		Frame_size:     frameSize,                                     //
		Frame_nr:       uint32(size / frameSize),                      //nolint:gosec // "
		Retire_blk_tov: uint32(max(1, o.BlockTimeout.Milliseconds())), //nolint:gosec // "
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("a ring of %d KiB: %w", size>>10, err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map a ring of %d KiB: %w", size>>10, err)
	}
	return memory, nil
}

// bind begins the capture from a device, in promiscuous mode if that is asked
// for.
func (o *Options) bind(fd int, d device) error {
	if o.NoOutgoing || d.hardware == unix.ARPHRD_LOOPBACK {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("leave out what goes out: %w", err)
		}
	}
	if !o.NoPromiscuous {
		member := unix.PacketMreq{Ifindex: d.index, Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &member); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: anyProtocol(), Ifindex: int(d.index)}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// filter has the kernel run a classic filter before it copies a frame. It
// takes the place of any other at once.
func filter(fd int, program []bpf.RawInstruction) error {
	if len(program) == 0 {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
	code := make([]unix.SockFilter, len(program))
	for i, p := range program {
		code[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)}) //nolint:gosec // the kernel refuses more than 4096
}

// nothing is the filter that no frame passes: return 0.
func nothing() []bpf.RawInstruction {
	return []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}
}

// setFilter attaches the eBPF program with that descriptor, or Options.Filter where
// it is negative.
func (o *Options) setFilter(fd, program int) error {
	if program >= 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, program); err != nil {
			return fmt.Errorf("attach the kernel filter: %w", err)
		}
		return nil
	}
	err := filter(fd, o.Filter)
	if len(o.Filter) == 0 && errors.Is(err, unix.ENOENT) {
		return nil // there was none
	}
	if err != nil {
		return fmt.Errorf("attach the filter: %w", err)
	}
	return nil
}

// noGroup stands for no fanout group. It is not 0, which is the id of the first
// group that the kernel makes.
const noGroup = -1

// joinFanout puts a bound socket into the fanout group with that id, or into a new
// one where it is noGroup. It returns the group's id. Both directions of a flow
// hash alike, and the kernel reassembles fragments first, so that all of a flow is
// in one ring.
func joinFanout(fd, id int) (int, error) {
	how := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_DEFRAG
	if id == noGroup {
		id = 0
		how |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, id|how<<bits.Len16(0xffff)); err != nil {
		return 0, fmt.Errorf("fanout: %w", err)
	}
	group, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return 0, fmt.Errorf("fanout: %w", err)
	}
	return group & 0xffff, nil
}
