package filter

import (
	"slices"
	"strings"
	"testing"

	"wormscope/internal/needs"
)

// vocabulary is what FuzzAsTcpdump makes expressions of: what both take, and what
// stands at the edge of it.
var vocabulary = strings.Split("ip|ip6|arp|rarp|tcp|udp|sctp|icmp|icmp6|host|net|port|portrange|proto|src|dst|src or dst|src and dst|and|or|"+
	"not|(|)|!|&&|'||'|less|greater|mask|255.255.0.0|0.0.0.0|255.255.255.255|10.10.1.23|10.10.1.24|10.10.0.0/16|10.0.0.0/8|0.0.0.0/0|"+
	"10.10.1.23/32|fd00:10::23|fd00::/8|::/0|::|::ffff:10.10.1.23|2001:db8::/33|fe80::/10|ff02::1:2|0|1|6|17|44|47|53|58|60|100|132|139|445|"+
	`65535|65536|0445|0x35|1-1023|445-139|53-53|440-|\tcp|\udp|\icmp|\sctp|10.10.1|010.10.1.23|10.10|[13]|=|-1|4294967295|256|255`, "|")

// words reads an expression, of each byte one word.
func words(script []byte) string {
	said := make([]string, 0, len(script))
	for _, b := range script {
		said = append(said, strings.ReplaceAll(vocabulary[int(b)%len(vocabulary)], "'", "|"))
	}
	return strings.Join(said, " ")
}

// script is the other way round.
func script(expression string) []byte {
	var out []byte
	for word := range strings.FieldsSeq(expression) {
		if i := slices.Index(vocabulary, word); i >= 0 {
			out = append(out, byte(i))
		}
	}
	return out
}

// FuzzAsTcpdump compares expressions with tcpdump: what is taken here, that takes,
// and the two programs say the same of a frame, as of some of the corpus.
func FuzzAsTcpdump(f *testing.F) {
	needs.Tools(f, "tcpdump")
	var frames [][]byte
	for i, frame := range read(f) {
		if data := frame.Data; i%17 == 0 && frame.Len == len(data) && !tagged(data) && !cut(data) {
			frames = append(frames, data)
		}
	}
	for i, e := range expressions {
		f.Add(script(e), frames[i])
	}
	f.Fuzz(func(t *testing.T, script, data []byte) {
		if len(script) > 40 {
			return
		}
		expression := words(script)
		parsed, err := Parse(expression)
		if err != nil {
			return
		}
		if program, err := parsed.compile(false, nil); err != nil || len(program) > 2000 {
			return
		}
		ours, theirs := machine(t, expression), tcpdump(t, expression)
		all := frames
		if !tagged(data) && !cut(data) {
			all = append([][]byte{data}, frames...)
		}
		for _, data := range all {
			if got, want := run(t, ours, data), run(t, theirs, data); got != want {
				t.Fatalf("%s: got %v, tcpdump says %v: %x", expression, got, want, data[:min(len(data), 80)])
			}
		}
	})
}
