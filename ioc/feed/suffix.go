package feed

import (
	_ "embed"
	"hash/maphash"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"
)

// suffixes.txt has the rules of two labels and more that package publicsuffix
// has, without the exceptions, one per line, under the version of the list that
// it was made from. TestSuffixes writes it. The list that both come from is
// under the Mozilla Public License 2.0.
//
//go:embed suffixes.txt
var suffixRules string

// A suffixFilter says of nearly all names of two labels or more that they are not a
// public suffix, and never says so of one that is. It saves looking up a million names
// in the list itself, which is much slower.
type suffixFilter struct {
	seed  maphash.Seed
	words [suffixWords]uint64
	// wildcards has .ck for the rule *.ck. It is exact, since many names of a
	// feed are asked about with the same end.
	wildcards map[string]bool
	unknown   bool // the rules are not those of the package: nothing is certain
}

// suffixWords gives each of some 9000 rules 28 bits.
const suffixWords = 1 << 12

// newSuffixFilter returns the filter of all public suffixes. It is made when it
// is first needed, and never changes.
var newSuffixFilter = sync.OnceValue(func() *suffixFilter { //nolint:gochecknoglobals // a function that remembers
	f := &suffixFilter{seed: maphash.MakeSeed(), wildcards: map[string]bool{}}
	version, rules, _ := strings.Cut(suffixRules, "\n")
	f.unknown = version != publicsuffix.List.String()
	for rule := range strings.Lines(rules) {
		rule = strings.TrimSuffix(rule, "\n")
		if rule[0] == '.' {
			f.wildcards[rule] = true
			continue
		}
		word, bits := f.place(rule)
		f.words[word] |= bits
	}
	return f
})

// place returns the word of a rule and the two bits in it.
func (f *suffixFilter) place(rule string) (word, bits uint64) {
	h := maphash.String(f.seed, rule)
	return h % suffixWords, 1<<(h>>52&63) | 1<<(h>>58)
}

// has reports whether the filter has a rule.
func (f *suffixFilter) has(rule string) bool {
	word, bits := f.place(rule)
	return f.words[word]&bits == bits
}

// mayBe reports false only for names that are not a public suffix. A name with a dot is
// one if it is a rule itself, or matches a rule with a wildcard. dot is the index of
// the name's first dot, negative if it has none.
func (f *suffixFilter) mayBe(name string, dot int) bool {
	return dot < 0 || f.unknown || f.has(name) || f.wildcards[name[dot:]]
}
