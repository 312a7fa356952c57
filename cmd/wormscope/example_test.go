package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// exampleConfig is the example configuration, which packages install.
const exampleConfig = "../../packaging/wormscope.yaml"

// allInForce takes the "#" away from what is not in force.
func allInForce(text []byte) []byte {
	return regexp.MustCompile(`(?m)^#([^\s#])|^#(  )`).ReplaceAll(text, []byte("$1$2"))
}

// loadExample loads a configuration as a command does.
func loadExample(t *testing.T, text []byte) settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wormscope.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := (&flagValues{config: path}).settings()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestExampleConfigLoads loads the example as it is, and with everything in
// force that it has.
func TestExampleConfigLoads(t *testing.T) {
	text, err := os.ReadFile(exampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	if s := loadExample(t, text); len(s.Feeds) != 0 || len(s.Zones) != 0 || !s.Builtin {
		t.Errorf("as it is, the example has %d feeds and %d zones, and builtin is %v; want what a new sensor can start with", len(s.Feeds), len(s.Zones), s.Builtin)
	}
	if s := loadExample(t, allInForce(text)); len(s.Feeds) != 2 || len(s.Zones) != 3 || len(s.Policy.Closed) != 2 {
		t.Errorf("in full, the example has %d feeds, %d zones and %d closed borders", len(s.Feeds), len(s.Zones), len(s.Policy.Closed))
	}
}

// TestExampleConfigIsWhole holds the example against the settings: each key is
// in it.
func TestExampleConfigIsWhole(t *testing.T) {
	text, err := os.ReadFile(exampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(allInForce(text), &root); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	nodePaths(root.Content[0], "", found)
	known := settingPaths(reflect.TypeFor[settings](), "")
	if len(known) < 20 {
		t.Fatalf("only %d keys found in the settings: %q", len(known), known)
	}
	for _, path := range known {
		if !found[path] {
			t.Errorf("%s lacks the key %s", filepath.Base(exampleConfig), path)
		}
	}
}

// settingPaths lists the keys that a type has, with those above them.
func settingPaths(typ reflect.Type, prefix string) []string {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	var paths []string
	for f := range typ.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			paths = append(paths, settingPaths(f.Type, prefix)...)
		case key != "" && key != "-":
			paths = append(paths, prefix+key)
			paths = append(paths, settingPaths(f.Type, prefix+key+".")...)
		}
	}
	return paths
}

// nodePaths notes the keys of a document, with those above them.
func nodePaths(n *yaml.Node, prefix string, found map[string]bool) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			path := prefix + n.Content[i].Value
			found[path] = true
			nodePaths(n.Content[i+1], path+".", found)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			nodePaths(item, prefix, found)
		}
	default:
	}
}
