package ecs

import (
	_ "embed" // the table of fields
	"encoding/json"
)

// fieldTable is generated: go test -run TestFieldTable -update writes it.
//
//go:embed fields.json
var fieldTable []byte

// Fields returns the type of every field that a document may have, by its dotted
// name, for the mapping of an index that takes no other fields. Types are those of
// Elasticsearch. Fields of the schema have the type that the schema says; those
// under wormscope are keyword, ip, long, double, boolean or date. The caller may
// change the map.
func Fields() map[string]string {
	var types map[string]string
	if err := json.Unmarshal(fieldTable, &types); err != nil {
		return nil // never: a test reads the table
	}
	return types
}
