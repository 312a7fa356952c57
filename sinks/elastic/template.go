package elastic

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"wormscope/sinks/ecs"
	"wormscope/sinks/web"
)

// priority is that of the template, above the server's own for logs-*-*, which has
// 100.
const priority = 250

// properties nests the fields as a mapping has them.
func properties(types map[string]string) map[string]any {
	root := map[string]any{}
	for name, kind := range types {
		level := root
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			object, ok := level[part].(map[string]any)
			if !ok {
				object = map[string]any{"properties": map[string]any{}}
				level[part] = object
			}
			level, _ = object["properties"].(map[string]any)
		}
		field := map[string]any{"type": kind}
		if kind == "keyword" {
			field["ignore_above"] = 1024 // as in the schema's own template: a longer value is stored, but not found by searches
		}
		level[parts[len(parts)-1]] = field
	}
	return root
}

// mappings returns the mappings of an index, which takes no other fields than those
// of ECS documents.
func mappings() map[string]any {
	return map[string]any{"dynamic": "strict", "date_detection": false, "properties": properties(ecs.Fields())}
}

// prepare makes the component template and the index template, or updates
// them, and adds fields that are new to the stream's present index.
func (k *Sink) prepare(ctx context.Context) error {
	if k.ready || k.config.Foreign {
		return nil
	}
	component := k.config.DataStream + "-mappings"
	if err := k.put(ctx, "/_component_template/"+component, map[string]any{
		"template": map[string]any{"mappings": mappings()},
		"_meta":    map[string]any{"description": "fields of wormscope events"},
	}); err != nil {
		return err
	}
	settings := map[string]any{}
	if k.config.Replicas != nil {
		settings["number_of_replicas"] = *k.config.Replicas
	}
	if err := k.put(ctx, "/_index_template/"+k.config.DataStream, map[string]any{
		"index_patterns": []string{k.config.DataStream}, "data_stream": map[string]any{},
		"composed_of": []string{component}, "priority": priority,
		"template": map[string]any{"settings": settings},
	}); err != nil {
		return err
	}
	if err := k.extend(ctx); err != nil {
		return err
	}
	k.ready = true
	return nil
}

// extend adds the fields to the index that the stream writes to now. A stream
// that is not there gets them from the template.
func (k *Sink) extend(ctx context.Context) error {
	a, err := k.client.Do(ctx, http.MethodGet, "/_data_stream/"+k.config.DataStream, "", nil)
	if err != nil {
		return err
	}
	switch a.Status {
	case http.StatusNotFound:
		return nil
	case http.StatusOK:
		return k.put(ctx, "/"+k.config.DataStream+"/_mapping?write_index_only=true", mappings())
	default:
		return k.problem(a)
	}
}

func (k *Sink) put(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var a web.Answer
	if a, err = k.client.Do(ctx, http.MethodPut, path, "application/json", text); err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return k.problem(a)
	}
	return nil
}
