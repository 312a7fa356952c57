package ecs_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/sinks/ecs"

	"github.com/google/go-cmp/cmp"
)

// ownAddresses are the fields under wormscope that are strings to Go, and
// addresses to an index. A client may also be a network, and is a word.
func ownAddresses() []string {
	return []string{
		"wormscope.scan.sample", "wormscope.dns.resolver", "wormscope.dns.listed", "wormscope.smb.by",
	}
}

// leaves calls found for each field of a document, with its type as Go knows
// it, by its tags.
func leaves(prefix string, t reflect.Type, found func(name, kind string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		found(prefix, "date")
		return
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), t.Kind() == reflect.String:
		found(prefix, "keyword")
		return
	case t.Kind() == reflect.Bool:
		found(prefix, "boolean")
		return
	case t.Kind() == reflect.Float64:
		found(prefix, "double")
		return
	case t.Kind() != reflect.Struct:
		found(prefix, "long")
		return
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		leaves(strings.TrimPrefix(prefix+"."+name, "."), f.Type, found)
	}
}

// TestFieldTable holds the table against the documents, and against the
// published list of the schema.
func TestFieldTable(t *testing.T) {
	want := map[string]string{}
	var schema []string
	leaves("", ecs.DocumentType(), func(name, kind string) {
		want[name] = kind
		if slices.Contains(ownAddresses(), name) {
			want[name] = "ip"
		}
		if !strings.HasPrefix(name, "wormscope.") {
			schema = append(schema, name)
		}
	})
	for _, name := range ownAddresses() {
		if want[name] == "" {
			t.Errorf("there is no field %s", name)
		}
	}
	for name, kind := range typesOfSchema(t, schema) {
		if kind == nil {
			t.Errorf("the schema has no field %s", name)
			continue
		}
		want[name] = *kind
	}
	if *update {
		b, err := json.MarshalIndent(want, "", "  ")
		if err == nil {
			err = os.WriteFile("fields.json", append(b, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, ecs.Fields()); diff != "" {
		t.Errorf("fields.json (-want +got), go test ./sinks/ecs -run TestFieldTable -update writes it:\n%s", diff)
	}
}

// typesOfSchema asks the published list, through Node.
func typesOfSchema(t *testing.T, names []string) map[string]*string {
	t.Helper()
	installFieldList(t)
	cmd := exec.CommandContext(t.Context(), "node", "types.js")
	cmd.Dir, cmd.Stdin = validatorDir, strings.NewReader(strings.Join(names, "\n"))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("types.js: %v\n%s", err, said.Bytes())
	}
	var types map[string]*string
	if err := json.Unmarshal(out, &types); err != nil {
		t.Fatal(err)
	}
	return types
}
