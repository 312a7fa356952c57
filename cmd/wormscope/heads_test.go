package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"wormscope/capture/filter"
	"wormscope/internal/corpus"
)

// TestHeadsAreEnough replays the captures of testdata/pcaps whole, and with the
// frames cut that live has the kernel cut: all that is said of them is the same.
func TestHeadsAreEnough(t *testing.T) {
	for _, name := range committed(t) {
		t.Run(name, func(t *testing.T) { sameCut(t, name, outbreakArgs()[2:]...) })
	}
}

// TestHeadsAreEnoughPublic does so with the public captures, in which every address
// counts as inside.
func TestHeadsAreEnoughPublic(t *testing.T) {
	for _, path := range corpus.Files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) { sameCut(t, path, everythingInside()...) })
	}
}

func sameCut(t *testing.T, path string, flags ...string) {
	t.Helper()
	recorded := readFrames(path)
	if len(recorded) == 0 {
		return
	}
	program, err := new(filter.Filter).Compile(headsEnough())
	if err != nil {
		t.Fatal(err)
	}
	code, _ := bpf.Disassemble(program)
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	want, got := sameKept(t, recorded, knownOf(t, recorded), func(frame []byte) (int, error) {
		const tag = 4
		if len(frame) > 16 && binary.BigEndian.Uint16(frame[12:]) == 0x8100 { // which the kernel takes out before
			n, err := vm.Run(slices.Concat(frame[:12], frame[12+tag:]))
			return min(n+tag, len(frame)), err
		}
		n, err := vm.Run(frame)
		return min(n, len(frame)), err
	}, flags...)
	if !bytes.Equal(want.alerts, got.alerts) {
		t.Errorf("the events are not in the same order:\n%s\nwhole:\n%s", got.alerts, want.alerts)
	}
}
