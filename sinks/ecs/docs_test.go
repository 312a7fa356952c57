package ecs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocumentedExamples: the examples in docs/events.md are what the program
// writes.
func TestDocumentedExamples(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```json ([a-z0-9-]+)\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 10 {
		t.Fatalf("%d examples, want 10", len(examples))
	}
	for _, e := range examples {
		want, err := os.ReadFile(filepath.Join("testdata", string(e[1])+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if string(e[2]) != string(want) {
			t.Errorf("the example %s in docs/events.md differs from testdata", e[1])
		}
	}
}
