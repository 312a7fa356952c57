// Package plural writes numbers of things as one says them: 1 packet is, 2 packets are.
package plural

import "fmt"

// number is the types that things are counted in.
type number interface{ ~int | ~int64 | ~uint64 }

// Word returns the words for one thing, or those for another number of them.
func Word[N number](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Count returns a number, and behind it the words that Word chooses.
func Count[N number](n N, one, many string) string {
	return fmt.Sprint(n) + " " + Word(n, one, many)
}
