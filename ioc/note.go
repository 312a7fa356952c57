package ioc

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// A Note is the handle of what a feed says of many indicators alike: all of
// an Indicator but its type, value, line and, for addresses and networks, its
// port. It is valid for the Builder that gave it.
type Note uint32

// note is an interned Note; texts are numbers of notebook.texts. Equal notes
// have the same number, so that a feed of a million names costs one.
type note struct {
	first, expires int64 // Unix seconds, noTime for none
	feed           uint32
	also           uint32 // number of a list of feeds, 0 for none
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

// A notebook keeps notes and their texts once each.
type notebook struct {
	notes []note
	texts []string
	also  [][]uint32 // lists of feeds

	// What is needed only while indicators are added; nil afterwards.
	noteNumbers map[note]uint32
	textNumbers map[string]uint32
	alsoNumbers map[string]uint32
}

func newNotebook() notebook {
	return notebook{
		texts:       []string{""},
		also:        [][]uint32{nil},
		noteNumbers: map[note]uint32{},
		textNumbers: map[string]uint32{"": 0},
		alsoNumbers: map[string]uint32{"": 0},
	}
}

// freeze drops what is needed only for adding, spare room included.
func (nb *notebook) freeze() {
	nb.noteNumbers, nb.textNumbers, nb.alsoNumbers = nil, nil, nil
	nb.notes, nb.texts, nb.also = slices.Clone(nb.notes), slices.Clone(nb.texts), slices.Clone(nb.also)
}

// add returns the number of what an indicator says besides its value.
func (nb *notebook) add(i *Indicator) uint32 {
	return nb.number(note{
		first:       i.FirstSeen.Unix(),
		expires:     i.Expires.Unix(),
		feed:        nb.text(i.Feed),
		description: nb.text(i.Description),
		reference:   nb.text(i.Reference),
		tlp:         nb.text(i.TLP),
		port:        i.Port,
		class:       i.Class,
		confidence:  i.Confidence,
		exact:       i.Exact,
	})
}

// number returns the number of a note.
func (nb *notebook) number(n note) uint32 {
	if number, ok := nb.noteNumbers[n]; ok {
		return number
	}
	number := uint32(len(nb.notes)) //nolint:gosec // bounded by Builder.room
	nb.notes = append(nb.notes, n)
	nb.noteNumbers[n] = number
	return number
}

// text returns the number of a text. It keeps a copy: the text may be part of
// a large block that was read from a file.
func (nb *notebook) text(s string) uint32 {
	if number, ok := nb.textNumbers[s]; ok {
		return number
	}
	s = strings.Clone(s)
	number := uint32(len(nb.texts)) //nolint:gosec // bounded by Builder.room
	nb.texts = append(nb.texts, s)
	nb.textNumbers[s] = number
	return number
}

// merge returns the note of an observable that has the note old and is listed
// again with the note next, and whether next is now the leading one: its class
// goes before the other. The other's feed is named in also; the indicator
// expires when both have, and matches below itself if one of them does.
func (nb *notebook) merge(old, next uint32) (merged uint32, leads bool) {
	lead, other := nb.notes[old], nb.notes[next]
	leads = other.class.outranks(lead.class)
	if leads {
		lead, other = other, lead
		lead.also = other.also
	}
	if other.feed != lead.feed {
		lead.also = nb.listFeed(lead.also, other.feed, lead.feed)
	}
	if lead.expires != noTime && (other.expires == noTime || other.expires > lead.expires) {
		lead.expires = other.expires
	}
	lead.exact = lead.exact && other.exact
	return nb.number(lead), leads
}

// listFeed returns the number of the list with this number plus a feed, less
// the leading feed.
func (nb *notebook) listFeed(list, feed, leading uint32) uint32 {
	feeds := nb.also[list]
	if !slices.Contains(feeds, feed) {
		feeds = append(slices.Clip(feeds), feed)
	}
	if slices.Contains(feeds, leading) {
		feeds = slices.DeleteFunc(slices.Clone(feeds), func(f uint32) bool { return f == leading })
	}
	var bytes []byte
	for _, f := range feeds {
		bytes = binary.LittleEndian.AppendUint32(bytes, f)
	}
	key := string(bytes)
	if number, ok := nb.alsoNumbers[key]; ok {
		return number
	}
	number := uint32(len(nb.also)) //nolint:gosec // bounded by Builder.room
	nb.also = append(nb.also, feeds)
	nb.alsoNumbers[key] = number
	return number
}

// indicator returns what a note says.
func (nb *notebook) indicator(number uint32) Indicator {
	n := &nb.notes[number]
	i := Indicator{
		Port:        n.port,
		Class:       n.class,
		Exact:       n.exact,
		Feed:        nb.texts[n.feed],
		Description: nb.texts[n.description],
		Reference:   nb.texts[n.reference],
		Confidence:  n.confidence,
		TLP:         nb.texts[n.tlp],
		FirstSeen:   fromUnix(n.first),
		Expires:     fromUnix(n.expires),
	}
	for _, feed := range nb.also[n.also] {
		i.AlsoIn = append(i.AlsoIn, nb.texts[feed])
	}
	return i
}

// bytes returns about how much memory the notebook takes.
func (nb *notebook) bytes() int {
	const noteSize, headerSize = 48, 16
	total := len(nb.notes)*noteSize + len(nb.texts)*headerSize
	for _, t := range nb.texts {
		total += len(t)
	}
	for _, list := range nb.also {
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
