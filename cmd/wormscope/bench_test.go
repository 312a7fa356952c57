package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkReplay replays the captures and feeds of `make bench`, as one would
// to profile the program.
func BenchmarkReplay(b *testing.B) {
	cache := filepath.Join("..", "..", ".cache")
	captures, err := filepath.Glob(filepath.Join(cache, "*.pcap"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range captures {
		b.Run(strings.TrimSuffix(filepath.Base(path), ".pcap"), func(b *testing.B) {
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size())
			for b.Loop() {
				r := runReplay(b, []string{path}, "--feed", filepath.Join(cache, "names.txt"), "--feed", filepath.Join(cache, "addresses.txt"))
				if r.status != exitOK {
					b.Fatal(r.stderr)
				}
			}
		})
	}
}
