package capfile_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"

	"wormscope/cmd/pcapgen/capfile"
)

// at is a time with a nanosecond to spare.
const at = 1494573840_123456789

// frame is some bytes, of a length that pcapng must pad.
func frame() []byte { return []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x00abc") }

// orders are both byte orders.
func orders() []binary.AppendByteOrder {
	return []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}
}

// same checks a packet that pcapgo read.
func same(t *testing.T, data []byte, info gopacket.CaptureInfo, err error, when int64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, frame()) || info.Length != len(frame()) || info.Timestamp.UnixNano() != when {
		t.Errorf("got %x, %d bytes, at %d; want %x at %d", data, info.Length, info.Timestamp.UnixNano(), frame(), when)
	}
}

func TestPcapIsAsPcapgoReadsIt(t *testing.T) {
	for _, order := range orders() {
		for _, nano := range []bool{false, true} {
			var b bytes.Buffer
			w := capfile.NewWriter(&b, capfile.Pcap{Order: order, Nano: nano, Link: capfile.LinkEthernet})
			w.Packet(at, frame())
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			r, err := pcapgo.NewReader(&b)
			if err != nil {
				t.Fatal(err)
			}
			want := int64(at)
			if !nano {
				want -= want % int64(time.Microsecond)
			}
			data, info, err := r.ReadPacketData()
			same(t, data, info, err, want)
		}
	}
}

func TestPcapngIsAsPcapgoReadsIt(t *testing.T) {
	for _, order := range orders() {
		for resolution, want := range map[uint8]int64{0: at - at%1000, 6: at - at%1000, 9: at} {
			var b bytes.Buffer
			w := capfile.NewNG(&b)
			w.Section(order, capfile.Interface{Link: capfile.LinkEthernet, Name: "span0", Resolution: resolution})
			w.Packet(0, at, frame())
			if err := w.Err(); err != nil {
				t.Fatal(err)
			}
			r, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
			if err != nil {
				t.Fatal(err)
			}
			i, err := r.Interface(0)
			if err != nil || i.Name != "span0" {
				t.Errorf("interface %+v, %v", i, err)
			}
			data, info, err := r.ReadPacketData()
			same(t, data, info, err, want)
		}
	}
}

func TestTheFirstErrorIsKept(t *testing.T) {
	w := capfile.NewWriter(failing{}, capfile.Pcap{})
	w.Packet(at, make([]byte, 3<<20))
	w.Packet(at, frame())
	if w.Flush() == nil {
		t.Error("pcap: no error")
	}
	n := capfile.NewNG(failing{})
	n.Section(binary.LittleEndian)
	if n.Err() == nil {
		t.Error("pcapng: no error")
	}
}

// failing is a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }
