package ecs

import (
	_ "embed" // the table of fields
	"encoding/json"
)

// fieldTable is what go test -run TestFieldTable -update writes.
//
//go:embed fields.json
var fieldTable []byte

// Fields returns the type of every field that a document may have, by its
// dotted name: what an index needs that takes no others. The types of the
// schema's own fields are those of the schema, in the words of Elasticsearch;
// those under wormscope are keyword, ip, long, double, boolean or date. The
// caller may change the map.
func Fields() map[string]string {
	var types map[string]string
	if err := json.Unmarshal(fieldTable, &types); err != nil {
		return nil // never: a test reads the table
	}
	return types
}
