package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/sinks"
	"wormscope/sinks/cef"
	"wormscope/sinks/ecs"
	"wormscope/sinks/elastic"
	"wormscope/sinks/eve"
	"wormscope/sinks/event"
	"wormscope/sinks/kafka"
	"wormscope/sinks/ocsf"
	"wormscope/sinks/outbox"
	"wormscope/sinks/splunk"
	"wormscope/sinks/syslog"
)

// outboxSetting bounds what waits for sinks.
type outboxSetting struct {
	MaxMB int64 `yaml:"max_mb"` // MiB of events that are kept; 0 for 1024, or 64 without a state folder
}

// sinkSetting is one receiver of events: what all have, and the settings of its
// type.
type sinkSetting struct {
	Name        string   `yaml:"name"`         // of its cursor, its dead letters and in messages; the type if empty
	Type        string   `yaml:"type"`         // kafka, syslog, elasticsearch or splunk
	Format      string   `yaml:"format"`       // ecs, ocsf, cef or eve; ecs if empty
	MinSeverity string   `yaml:"min_severity"` // info, low, medium, high or critical: of alerts and states; info if empty
	Events      []string `yaml:"events"`       // alerts, states; both if empty

	own kind // the settings of the type
}

// A kind is the settings of one type of sink.
type kind interface {
	Validate() error
	open(r sinks.Renderer) (checkedSink, error)
}

// A checkedSink is a sink that can be checked without delivering anything.
type checkedSink interface {
	sinks.Sink
	// Check returns what would keep the sink from delivering.
	Check(ctx context.Context) error
}

type (
	kafkaKind   struct{ kafka.Config }
	syslogKind  struct{ syslog.Config }
	elasticKind struct{ elastic.Config }
	splunkKind  struct{ splunk.Config }
)

func (k *kafkaKind) open(r sinks.Renderer) (checkedSink, error)   { return kafka.New(k.Config, r) }
func (k *syslogKind) open(r sinks.Renderer) (checkedSink, error)  { return syslog.New(k.Config, r) }
func (k *elasticKind) open(r sinks.Renderer) (checkedSink, error) { return elastic.New(k.Config, r) }
func (k *splunkKind) open(r sinks.Renderer) (checkedSink, error)  { return splunk.New(k.Config, r) }

// kindOf returns empty settings of a type of sink, and the part of them that its
// YAML keys are decoded into. Both are nil for an unknown type.
func kindOf(name string) (own kind, keys any) {
	switch name {
	case "kafka":
		k := &kafkaKind{}
		return k, &k.Config
	case "syslog":
		k := &syslogKind{}
		return k, &k.Config
	case "elasticsearch":
		k := &elasticKind{}
		return k, &k.Config
	case "splunk":
		k := &splunkKind{}
		return k, &k.Config
	default:
		return nil, nil
	}
}

// UnmarshalYAML reads the keys that all sinks have, and the others into the
// settings of the sink's type. An unknown key is an error.
func (s *sinkSetting) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a sink is a mapping with a type", n.Line)
	}
	type plain sinkSetting
	if err := n.Decode((*plain)(s)); err != nil {
		return err
	}
	own, keys := kindOf(s.Type)
	if own == nil {
		return fmt.Errorf("line %d: sink type %q: want kafka, syslog, elasticsearch (for OpenSearch, too) or splunk", n.Line, s.Type)
	}
	rest := &yaml.Node{Kind: yaml.MappingNode, Tag: n.Tag, Line: n.Line}
	common := yamlKeys(reflect.TypeFor[sinkSetting]())
	for i := 0; i < len(n.Content); i += 2 {
		if _, ok := common[n.Content[i].Value]; !ok {
			rest.Content = append(rest.Content, n.Content[i], n.Content[i+1])
		}
	}
	if err := checkKeys(rest, reflect.TypeOf(keys).Elem(), "a sink of type "+s.Type); err != nil {
		return err
	}
	if err := rest.Decode(keys); err != nil {
		return err
	}
	s.own = own
	if s.Name == "" {
		s.Name = s.Type
	}
	for i := 0; i < len(rest.Content); i += 2 {
		if key := rest.Content[i]; key.Value == "tls" && clearBy(own) != "" {
			return fmt.Errorf("line %d: tls: settings are given, but %s", key.Line, clearBy(own))
		}
	}
	return nil
}

// clearBy says what makes a sink do without TLS, empty where that is not so. Who writes
// tls, if only {}, wants it.
func clearBy(own kind) string {
	url := ""
	switch k := own.(type) {
	case *syslogKind:
		if k.Protocol == "tcp" || k.Protocol == "udp" {
			return "protocol is " + k.Protocol
		}
	case *elasticKind:
		url = k.URL
	case *splunkKind:
		url = k.URL
	}
	if strings.HasPrefix(strings.ToLower(url), "http:") {
		return "url is http"
	}
	return ""
}

// yamlKeys returns the types of the keys that a struct has.
func yamlKeys(t reflect.Type) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			maps.Copy(keys, yamlKeys(f.Type))
		case name != "":
			keys[name] = f.Type
		}
	}
	return keys
}

// checkKeys refuses a key that a type does not have, which yaml's own check does
// not do within an UnmarshalYAML method. It refuses an optional mapping without a
// value, too: yaml would take that for no mapping, but someone who writes tls:
// wants TLS.
func checkKeys(n *yaml.Node, t reflect.Type, of string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		if n.ShortTag() == "!!null" && t.Kind() == reflect.Struct {
			return fmt.Errorf("line %d: %s: nothing stands behind it: leave it out, or write {} for the defaults", n.Line, of)
		}
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil
	}
	known := yamlKeys(t)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		field, ok := known[key.Value]
		if !ok {
			return errors.New(unknownKey(strconv.Itoa(key.Line), key.Value, " of "+of, slices.Sorted(maps.Keys(known))))
		}
		if err := checkKeys(n.Content[i+1], field, key.Value+" of "+of); err != nil {
			return err
		}
	}
	return nil
}

// checkNumbers refuses fractions where the settings are whole numbers: yaml would cut
// them down without a word, of ports and of how much may wait.
func checkNumbers(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil || len(root.Content) == 0 {
		return err
	}
	return checkWhole(root.Content[0], reflect.TypeFor[settings]())
}

// checkWhole is checkNumbers of a node that is decoded into a type.
func checkWhole(n *yaml.Node, t reflect.Type) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if err := checkWhole(item, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		return checkWholeKeys(n, t)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && n.ShortTag() == "!!float":
		if v, err := strconv.ParseFloat(n.Value, 64); err != nil || v != math.Trunc(v) {
			return fmt.Errorf("line %d: want a whole number, not %q", n.Line, n.Value)
		}
	}
	return nil
}

// checkWholeKeys is checkWhole of the keys of a mapping. Of a sink these are those that
// all have, and those of its type.
func checkWholeKeys(n *yaml.Node, t reflect.Type) error {
	known := yamlKeys(t)
	for i := 0; i < len(n.Content) && t == reflect.TypeFor[sinkSetting](); i += 2 {
		if _, keys := kindOf(n.Content[i+1].Value); n.Content[i].Value == "type" && keys != nil {
			maps.Copy(known, yamlKeys(reflect.TypeOf(keys).Elem()))
		}
	}
	for i := 0; i < len(n.Content); i += 2 {
		if field, ok := known[n.Content[i].Value]; ok {
			if err := checkWhole(n.Content[i+1], field); err != nil {
				return err
			}
		}
	}
	return nil
}

// severities are the words for the least severity of a sink.
func severities() []string { return []string{"info", "low", "medium", "high", "critical"} }

// least is the least severity of what the sink gets.
func (s *sinkSetting) least() alert.Severity {
	steps := []alert.Severity{alert.Info, alert.Low, alert.Medium, alert.High, alert.Critical}
	return steps[max(slices.Index(severities(), s.MinSeverity), 0)]
}

// check says what is wrong with the settings, without connecting.
func (s *sinkSetting) check() error {
	var errs []error
	if s.MinSeverity != "" && !slices.Contains(severities(), s.MinSeverity) {
		errs = append(errs, fmt.Errorf("min_severity: %q: want %s", s.MinSeverity, strings.Join(severities(), ", ")))
	}
	for _, e := range s.Events {
		if e != "alerts" && e != "states" {
			errs = append(errs, fmt.Errorf("events: %q: want alerts, states or both", e))
		}
	}
	if !slices.Contains([]string{"", "ecs", "ocsf", "cef", "eve"}, s.Format) {
		errs = append(errs, fmt.Errorf("format: %q: want ecs, ocsf, cef or eve", s.Format))
	}
	if k, ok := s.own.(*kafkaKind); ok && k.LedgerTopic != "" && (s.MinSeverity != "" || s.Events != nil) {
		errs = append(errs, errors.New("ledger_topic takes everything: give it a sink of its own, without min_severity and events"))
	}
	if k, ok := s.own.(*elasticKind); ok && !k.Foreign && s.Format != "" && s.Format != "ecs" {
		errs = append(errs, errors.New("format: the template of this sink is for ecs: set foreign_template for another"))
	}
	errs = append(errs, s.own.Validate())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sink %s: %s", s.Name, oneLine(err))
	}
	return nil
}

// checkSinks returns what is wrong with the first faulty sink, or with the outbox.
func (s *settings) checkSinks() error {
	names := map[string]bool{}
	for i := range s.Sinks {
		k := &s.Sinks[i]
		if err := outbox.CheckName(k.Name); err != nil {
			return fmt.Errorf("sink %q: name: %w", k.Name, err)
		}
		if names[k.Name] {
			return fmt.Errorf("two sinks are called %s: give each a name", k.Name)
		}
		names[k.Name] = true
		if err := k.check(); err != nil {
			return err
		}
	}
	if n := s.Outbox.MaxMB; n != 0 && (n < minOutboxMB || n > maxOutboxMB) {
		return fmt.Errorf("outbox.max_mb: %d: want %d to %d", n, minOutboxMB, maxOutboxMB)
	}
	return nil
}

// renderer returns what writes the sink's events.
func (s *sinkSetting) renderer(zones *zone.Map, live bool) sinks.Renderer {
	switch s.Format {
	case "ocsf":
		return ocsf.New(ocsf.Options{Version: version(), Sensor: s.sensor(), Zones: zones})
	case "cef":
		return cef.New(cef.Options{Version: version(), Sensor: s.sensor(), Zones: zones})
	case "eve":
		return eve.New(eve.Options{Sensor: s.sensor(), Zones: zones, Live: live})
	default:
		return ecs.New(ecs.Options{Version: version(), Observer: s.sensor(), Zones: zones})
	}
}

// sensor is what the sink calls this host: by its settings, or the system's name.
func (s *sinkSetting) sensor() string {
	var name string
	switch k := s.own.(type) {
	case *kafkaKind:
		name = k.Sensor
	case *splunkKind:
		name = k.Host
	case *syslogKind:
		name = k.Hostname
	}
	if name == "" {
		name, _ = os.Hostname() // without one, sites are not told apart
	}
	return name
}

// wants returns the function that selects the sink's events, nil for all events.
func (s *sinkSetting) wants() func(e *event.Event) bool {
	least := s.least()
	alerts, states := len(s.Events) == 0, len(s.Events) == 0
	for _, e := range s.Events {
		alerts, states = alerts || e == "alerts", states || e == "states"
	}
	if least == alert.Info && alerts && states {
		return nil
	}
	return func(e *event.Event) bool {
		if e.Alert != nil && !alerts || e.Change != nil && !states {
			return false
		}
		return e.Fact != nil || e.Severity() >= least
	}
}

// sinkFiles returns the files that sinks read later: certificates and passwords.
func (s *settings) sinkFiles() []string {
	var all []string
	for i := range s.Sinks {
		_, keys := kindOf(s.Sinks[i].Type)
		if keys == nil {
			continue
		}
		all = append(all, filesOf(reflect.ValueOf(s.Sinks[i].own).Elem())...)
	}
	return all
}

// filesOf returns the files that settings name.
func filesOf(v reflect.Value) []string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	var all []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		f := v.Field(i)
		switch {
		case f.Kind() != reflect.String:
			all = append(all, filesOf(f)...)
		case f.Len() > 0 && (name == "ca" || name == "cert" || name == "key" || strings.HasSuffix(name, "_file")):
			all = append(all, f.String())
		}
	}
	return all
}
