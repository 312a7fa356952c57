package report

import (
	"cmp"
	"math"
	"slices"

	"wormscope/scope"
)

// maxZones is how many zones the matrix shows, those with the most attacked
// or attacking hosts.
const maxZones = 14

// A matrix is who attacked whom, from zone to zone.
type matrix struct {
	Columns []string
	Rows    []matrixRow
	LeftOut int // zones not shown
}

type matrixRow struct {
	From  string
	Cells []matrixCell
}

// A matrixCell is the attacks from one zone on another; Targets is 0 where
// there are none.
type matrixCell struct {
	scope.ZoneAttack
	Heat int // 0 to 4, by the number of targets
}

// newMatrix returns the matrix, nil when nobody was attacked.
func newMatrix(doc *scope.Document) *matrix {
	if len(doc.Matrix) == 0 {
		return nil
	}
	byPath := map[[2]string]scope.ZoneAttack{}
	var most uint64
	for _, a := range doc.Matrix {
		byPath[[2]string{a.From, a.To}] = a
		most = max(most, a.Targets)
	}
	from, to, left := matrixZones(doc.Matrix)
	m := &matrix{LeftOut: left}
	for _, z := range to {
		m.Columns = append(m.Columns, clean(z))
	}
	for _, f := range from {
		row := matrixRow{From: clean(f)}
		for _, t := range to {
			a := byPath[[2]string{f, t}]
			row.Cells = append(row.Cells, matrixCell{ZoneAttack: a, Heat: heat(a.Targets, most)})
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// matrixZones returns the zones that attack and those that are attacked, in
// the document's order, and how many zones were too many.
func matrixZones(list []scope.ZoneAttack) (from, to []string, left int) {
	weight := map[string]uint64{}
	for _, a := range list {
		weight[a.From] += a.Targets
		weight[a.To] += a.Targets
	}
	names := make([]string, 0, len(weight))
	for name := range weight {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(a, b))
	})
	left = max(0, len(names)-maxZones)
	names = names[:len(names)-left]
	for _, a := range list {
		if !slices.Contains(names, a.From) || !slices.Contains(names, a.To) {
			continue
		}
		if !slices.Contains(from, a.From) {
			from = append(from, a.From)
		}
		if !slices.Contains(to, a.To) {
			to = append(to, a.To)
		}
	}
	slices.SortStableFunc(to, func(a, b string) int { return cmp.Compare(slices.Index(from, a), slices.Index(from, b)) })
	return from, to, left
}

// heat grades a number from 1 to 4 by its magnitude beside the largest; 0
// stays 0.
func heat(n, most uint64) int {
	switch {
	case n == 0:
		return 0
	case most <= 1:
		return 2
	default:
		return 1 + int(math.Round(3*math.Log(float64(n))/math.Log(float64(most))))
	}
}
