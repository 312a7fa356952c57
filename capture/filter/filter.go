// Package filter takes filter expressions in a part of tcpdump's syntax
// (pcap-filter(7)), compiles them to classic BPF for the kernel, and tells
// which frames of a capture file match. It is pure Go; docs/filter.md says
// what of the syntax there is.
//
// Parse (lex.go, parse.go, value.go) makes nodes of an expression. What a node
// matches is written down twice: node.go matches a frame in memory, compile.go
// generates the program.
//
// Unlike tcpdump's, an expression here looks behind VLAN tags by itself: port
// 53 finds tagged frames, too. That is what a span port needs, where tcpdump's
// misses them silently.
package filter

import (
	"fmt"

	"golang.org/x/net/bpf"

	"wormscope/capture"
)

// A Filter is a filter expression.
type Filter struct {
	root node // nil for an empty expression, which everything matches
}

// Limits of an expression. The kernel takes programs of 4096 instructions.
const (
	maxText         = 8 << 10 // bytes
	maxDepth        = 100     // parentheses and negations in each other
	maxInstructions = 4096    // BPF_MAXINSNS, include/uapi/linux/bpf_common.h
)

// Parse reads an expression. The error names the word that it is about and its
// position, counted in bytes from 1.
func Parse(expression string) (*Filter, error) {
	if len(expression) > maxText {
		return nil, fmt.Errorf("filter: an expression of %d bytes; at most %d are taken", len(expression), maxText)
	}
	p := parser{tokens: lex(expression)}
	root, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return &Filter{root}, nil
}

// Compile compiles the filter for a packet socket on an Ethernet link. The kernel
// takes the outer VLAN tag out of a frame before the program sees it; the program
// asks the kernel for it. With heads it cuts frames, else it keeps them whole. An
// error says that the program is too long for the kernel.
func (f *Filter) Compile(heads *Heads) ([]bpf.RawInstruction, error) {
	program, err := f.compile(true, heads)
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return raw, nil
}

// Match reports whether a frame of a capture file matches. Frames of a link
// type that the filter can't read never do: see supports.
func (f *Filter) Match(frame *capture.Frame) bool {
	if f.root == nil {
		return true
	}
	var v view
	return v.read(frame) && f.root.match(&v)
}
