package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"wormscope/internal/plural"
)

// clean replaces characters that can't be seen, or that turn the direction of
// the text around: names and feeds are what a stranger wrote. Escaping is the
// template's work.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}

// grouped writes a number with commas between the thousands.
func grouped[N int | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes a number with its noun.
func counted[N int | uint64](n N, noun string) string {
	return grouped(n) + " " + plural.Word(n, noun, noun+"s")
}

// clock writes a time to the second; the page says once that it is UTC.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// percent writes a confidence, which is never certainty.
func percent(c float64) int { return int(math.Round(max(0, min(99, c*100)))) }

// size writes a number of bytes in decimal units.
func size(n uint64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "under a second"
	case d < 2*time.Minute:
		return counted(uint64(d/time.Second), "second")
	case d < 2*time.Hour:
		return counted(uint64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}
