package ioc

import (
	"slices"
	"strings"
	"time"
)

// A Note stands for what a feed says of many indicators alike: all of an Indicator but
// its type, value, line and, for addresses and networks, its port. It is valid for the
// Builder that returned it.
type Note uint32

// note is an interned Note; texts are numbers of notebook.texts. Equal notes
// have the same number, so that a feed of a million names costs one.
type note struct {
	first, expires int64  // Unix seconds, noTime for none
	source         uint32 // number of a source
	listed         uint32 // number of the list of the observable's sources, 0 if source is the only one; set in its best entry
	then           uint32 // one more than the number of the note that counts when this one has expired, 0 for none
	description    uint32
	reference      uint32
	tlp            uint32
	port           uint16 // of a name
	class          Class
	confidence     Confidence
	exact          bool
}

// noTime stands for no time: the Unix seconds of the zero time.Time.
const noTime = -62135596800

// A source is where entries are from; its texts are numbers of notebook.texts.
type source struct{ feed, file uint32 }

// A notebook keeps notes and their texts once each.
type notebook struct {
	notes   []note
	texts   []string
	sources []source
	lists   [][]uint32 // of sources, in the order of their numbers
	file    uint32     // text of the file that is read

	// What is needed only while indicators are added; nil afterwards.
	noteNumbers   map[note]uint32
	textNumbers   map[string]uint32
	sourceNumbers map[source]uint32
	listNumbers   map[string]uint32
}

func newNotebook() notebook {
	return notebook{
		texts:         []string{""},
		lists:         [][]uint32{nil},
		noteNumbers:   map[note]uint32{},
		textNumbers:   map[string]uint32{"": 0},
		sourceNumbers: map[source]uint32{},
		listNumbers:   map[string]uint32{"": 0},
	}
}

// freeze drops what is needed only for adding, spare room included.
func (nb *notebook) freeze() {
	nb.noteNumbers, nb.textNumbers, nb.sourceNumbers, nb.listNumbers = nil, nil, nil, nil
	nb.notes, nb.texts = slices.Clone(nb.notes), slices.Clone(nb.texts)
	nb.sources, nb.lists = slices.Clone(nb.sources), slices.Clone(nb.lists)
}

// add returns the number of what an indicator says besides its value.
func (nb *notebook) add(i *Indicator) uint32 {
	return number(&nb.notes, nb.noteNumbers, note{
		first:       i.FirstSeen.Unix(),
		expires:     i.Expires.Unix(),
		source:      number(&nb.sources, nb.sourceNumbers, source{nb.text(i.Feed), nb.file}),
		description: nb.text(i.Description),
		reference:   nb.text(i.Reference),
		tlp:         nb.text(i.TLP),
		port:        i.Port,
		class:       i.Class,
		confidence:  i.Confidence,
		exact:       i.Exact,
	})
}

// number returns the index of a thing in a list of distinct things, and appends it if
// it is not there.
func number[T comparable](list *[]T, numbers map[T]uint32, thing T) uint32 {
	if number, ok := numbers[thing]; ok {
		return number
	}
	number := uint32(len(*list)) //nolint:gosec // bounded by Builder.room
	*list = append(*list, thing)
	numbers[thing] = number
	return number
}

// text returns the number of a text. It keeps a copy: the text may be part of
// a large block that was read from a file.
func (nb *notebook) text(s string) uint32 {
	if number, ok := nb.textNumbers[s]; ok {
		return number
	}
	return number(&nb.texts, nb.textNumbers, strings.Clone(s))
}

// indicator returns an Indicator with what a note says. best is the best note of the
// same observable, which has the list of sources.
func (nb *notebook) indicator(number, best uint32) Indicator {
	n := &nb.notes[number]
	i := Indicator{
		Port:        n.port,
		Class:       n.class,
		Exact:       n.exact,
		Feed:        nb.texts[nb.sources[n.source].feed],
		Description: nb.texts[n.description],
		Reference:   nb.texts[n.reference],
		Confidence:  n.confidence,
		TLP:         nb.texts[n.tlp],
		FirstSeen:   fromUnix(n.first),
		Expires:     fromUnix(n.expires),
	}
	for _, other := range nb.lists[nb.notes[best].listed] {
		if feed := nb.texts[nb.sources[other].feed]; feed != i.Feed && !slices.Contains(i.AlsoIn, feed) {
			i.AlsoIn = append(i.AlsoIn, feed)
		}
	}
	slices.Sort(i.AlsoIn)
	return i
}

// bytes returns about how much memory the notebook takes.
func (nb *notebook) bytes() int {
	const noteSize, headerSize, sourceSize = 48, 16, 8
	total := len(nb.notes)*noteSize + len(nb.texts)*headerSize + len(nb.sources)*sourceSize
	for _, t := range nb.texts {
		total += len(t)
	}
	for _, list := range nb.lists {
		total += headerSize + 4*len(list)
	}
	return total
}

// fromUnix returns the time of Unix seconds, in UTC; the zero time for noTime.
func fromUnix(seconds int64) time.Time {
	if seconds == noTime {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
