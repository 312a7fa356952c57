//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/ioc/feed"
)

// BenchmarkShards says what the parts of a run with several rings cost a frame
// of the small capture of `make bench`: what each shard does (decode, decide,
// copy; "shard"), what the one who detects does for what is left ("merge"),
// what a single ring's goroutine does ("whole"), and what a whole pipeline would
// do that gets half of the originators ("half"). Reading is from memory.
func BenchmarkShards(b *testing.B) {
	cache := filepath.Join("..", "..", ".cache")
	path := filepath.Join(cache, "small.pcap")
	if _, err := os.Stat(path); err != nil {
		b.Skip("needs the captures of make bench")
	}
	builder := ioc.NewBuilder()
	for _, name := range []string{"names.txt", "addresses.txt"} {
		if _, err := feed.Load(b.Context(), builder, filepath.Join(cache, name), feed.Options{Force: true}); err != nil {
			b.Fatal(err)
		}
	}
	set := builder.Build()
	frames, buffer := loadFrames(b, path)
	b.Logf("%d frames, %d MB", len(frames), len(buffer)>>20)
	whole := func(frames []capture.Frame) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			for b.Loop() {
				p := benchPipeline(b, set)
				i := 0
				begin := time.Now()
				for err := error(nil); err == nil; {
					err = p.batch(&memorySource{frames: frames, at: &i})
				}
				b.ReportMetric(float64(time.Since(begin))/float64(len(frames)), "ns/frame")
			}
		}
	}
	b.Run("whole", whole(frames))
	half := ofHalf(frames)
	b.Logf("half of the hosts: %d frames", len(half))
	b.Run("half", whole(half))
	b.Run("split", func(b *testing.B) {
		for b.Loop() {
			p := benchPipeline(b, set)
			s := &shards{out: make(chan *parcel, parcels)}
			s.known.Store(set)
			i := 0
			one := &shard{
				of: s, ring: &memorySource{frames: frames, at: &i}, free: make(chan *parcel, parcels), zones: p.zones,
				decoder: packet.NewDecoder(), judge: kernelfilter.NewJudge(keptPorts()),
			}
			s.all = []*shard{one}
			p.merger = newMerger(s)
			one.free <- &parcel{notes: make([]frameNotes, 1)}
			var shardTime, mergeTime time.Duration
			passed := 0
			for err := error(nil); err == nil; {
				begin := time.Now()
				parcel := <-one.free
				err = one.fill(parcel)
				parcel.until, parcel.err, parcel.decoded = one.latest, err, one.decoder.Stats()
				shardTime += time.Since(begin)
				passed += len(parcel.packets)
				begin = time.Now()
				s.out <- parcel
				p.merger.more = false
				if e := p.merger.batch(p); e != nil && !errors.Is(e, io.EOF) {
					b.Fatal(e)
				}
				mergeTime += time.Since(begin)
			}
			n := float64(len(frames))
			b.ReportMetric(float64(shardTime)/n, "ns/shard-frame")
			b.ReportMetric(float64(mergeTime)/n, "ns/merge-frame")
			b.ReportMetric(float64(mergeTime)/float64(passed), "ns/merge-passed")
			b.ReportMetric(100*float64(passed)/n, "%passed")
		}
	})
}

// ofHalf returns the frames of every other originator, by address: it has the
// higher port.
func ofHalf(frames []capture.Frame) (half []capture.Frame) {
	decoder, p := packet.NewDecoder(), packet.Packet{}
	for i := range frames {
		if decoder.Decode(&frames[i], &p) != packet.OK {
			continue
		}
		orig := p.Src
		if p.Dst.Port > p.Src.Port {
			orig = p.Dst
		}
		if orig.Addr.Lo&1 == 0 {
			half = append(half, frames[i])
		}
	}
	return half
}

// benchPipeline is a pipeline that writes nothing.
func benchPipeline(b testing.TB, set *ioc.Set) *pipeline {
	b.Helper()
	out, err := openEvents(&eventSetting{}, io.Discard, true)
	if err != nil {
		b.Fatal(err)
	}
	s := settings{Internal: zone.DefaultInside()}
	p, err := newPipeline(&s, set, out, nil, func(int) string { return "small" })
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// memorySource gives frames from memory.
type memorySource struct {
	frames []capture.Frame
	at     *int
}

func (m *memorySource) Name(int) string { return "small" }

func (m *memorySource) Next(f *capture.Frame) error {
	if *m.at == len(m.frames) {
		return io.EOF
	}
	*f = m.frames[*m.at]
	*m.at++
	return nil
}

// loadFrames reads the first million frames of a capture into memory.
func loadFrames(b testing.TB, path string) (frames []capture.Frame, buffer []byte) {
	b.Helper()
	r, err := capture.Open([]string{path}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	const most = 1_000_000
	var f capture.Frame
	buffer = make([]byte, 0, 200<<20)
	for len(frames) < most && r.Next(&f) == nil {
		begin := len(buffer)
		buffer = append(buffer, f.Data...)
		f.Data = buffer[begin:len(buffer):len(buffer)]
		frames = append(frames, f)
	}
	return frames, buffer
}
