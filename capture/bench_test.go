package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"

	"wormscope/capture"
)

const benchFrames = 1 << 20

// plainPcap returns a pcap of n frames of size bytes, step microseconds apart.
func plainPcap(n, size int, start, step int64) []byte {
	var b bytes.Buffer
	order := binary.LittleEndian
	header := make([]byte, 24)
	order.PutUint32(header, 0xa1b2c3d4)
	order.PutUint16(header[4:], 2)
	order.PutUint16(header[6:], 4)
	order.PutUint32(header[16:], 262144)
	order.PutUint32(header[20:], 1)
	b.Write(header)
	record := make([]byte, 16+size)
	for i := range n {
		at := start + int64(i)*step
		order.PutUint32(record, uint32(at/1e6))
		order.PutUint32(record[4:], uint32(at%1e6))
		order.PutUint32(record[8:], uint32(size))
		order.PutUint32(record[12:], uint32(size))
		order.PutUint64(record[16:], uint64(i))
		b.Write(record)
	}
	return b.Bytes()
}

func plainPcapng(n, size int) []byte {
	w := &ngWriter{}
	w.section()
	w.iface(1, 0, nil)
	data := make([]byte, size)
	for i := range n {
		w.enhanced(0, uint64(1e15)+uint64(i), data, uint32(size), nil)
	}
	return w.Bytes()
}

func benchmark(b *testing.B, files ...[]byte) {
	b.Helper()
	var paths []string
	for i, data := range files {
		path := filepath.Join(b.TempDir(), string(rune('a'+i)))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		r, err := capture.Open(paths, nil)
		if err != nil {
			b.Fatal(err)
		}
		var f capture.Frame
		for ; n < b.N; n++ {
			if err := r.Next(&f); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		r.Close()
	}
}

// The benchmarks tell what one frame costs, read() of a file in the page cache
// included.

func BenchmarkPcap125(b *testing.B) { benchmark(b, plainPcap(benchFrames, 125, 1e15, 1)) }

func BenchmarkPcap640(b *testing.B) { benchmark(b, plainPcap(benchFrames/4, 640, 1e15, 1)) }

func BenchmarkPcapng125(b *testing.B) { benchmark(b, plainPcapng(benchFrames, 125)) }

func BenchmarkGzip125(b *testing.B) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(plainPcap(benchFrames, 125, 1e15, 1))
	w.Close()
	benchmark(b, packed.Bytes())
}

// BenchmarkRow is files one after the other.
func BenchmarkRow(b *testing.B) {
	var files [][]byte
	for i := range int64(16) {
		files = append(files, plainPcap(benchFrames/16, 125, 1e15+i*benchFrames, 1))
	}
	benchmark(b, files...)
}

// BenchmarkInterleaved is two files that take turns with every frame.
func BenchmarkInterleaved(b *testing.B) {
	benchmark(b, plainPcap(benchFrames/2, 125, 1e15, 2), plainPcap(benchFrames/2, 125, 1e15+1, 2))
}
