package flow

import (
	"reflect"
	"strconv"
	"testing"

	"wormscope/detect/lru"
)

// TestSize: a connection takes two cache lines, and a segment without data needs
// the first of them alone.
func TestSize(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("laid out for pointers of 64 bits")
	}
	e := reflect.TypeFor[lru.Entry[key, flow]]()
	if e.Size() != 128 {
		t.Errorf("a connection takes %d bytes, want two cache lines", e.Size())
	}
	value, _ := e.FieldByName("Value")
	if rest, _ := value.Type.FieldByName("halves"); value.Offset+rest.Offset != 64 {
		t.Errorf("the second line begins at %d", value.Offset+rest.Offset)
	}
}
