package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"wormscope/capture/filter"
	"wormscope/detect/zone"
	"wormscope/internal/input"
	"wormscope/ioc/feed"
	"wormscope/sinks/kafka"
)

// settings are those of the configuration file, overridden by those of the flags.
type settings struct {
	Internal networkList   `yaml:"internal"`      // what counts as inside
	Zones    zoneList      `yaml:"zones"`         // named parts of the network
	Feeds    []feedSetting `yaml:"feeds"`         // indicator files and folders
	Builtin  bool          `yaml:"builtin"`       // use the built-in indicators
	Lateral  []uint16      `yaml:"lateral_ports"` // ports that worms spread over
	Allow    allowSetting  `yaml:"allow"`         // what never alarms
	Alerts   eventSetting  `yaml:"alerts"`        // where events go
	Scope    string        `yaml:"scope"`         // where the scope document goes
	Report   string        `yaml:"report"`        // where the incident report goes
	State    string        `yaml:"state"`         // folder that keeps the ledger between runs
	Policy   policySetting `yaml:"policy"`        // what is closed between zones
	Live     liveSetting   `yaml:"live"`          // settings of live alone
	HTTP     httpSetting   `yaml:"http"`          // where live serves metrics and health
	Sinks    []sinkSetting `yaml:"sinks"`         // who gets events, besides the event file
	Outbox   outboxSetting `yaml:"outbox"`        // bounds what waits for the sinks
	Central  kafka.Central `yaml:"central"`       // where the joint ledger of several sensors is

	Filter   string         `yaml:"filter"` // which traffic to look at, a filter expression; empty for all
	only     *filter.Filter // Filter compiled; nil without one, and where libpcap compiles it
	unparsed error          // why package filter does not understand Filter, which is left to libpcap; else nil

	configFile   string        // path of the configuration file, empty for none
	drainTimeout time.Duration // how long replay waits for sinks at its end, 0 for as long as it takes
	ownNetwork   bool          // the inside or zones were set, and are not the default
}

// feedSetting is one feed, by path or with what the path does not say.
type feedSetting struct {
	Path    string            `yaml:"path"`
	Name    string            `yaml:"name"`
	Format  string            `yaml:"format"`
	Class   string            `yaml:"class"`
	TLP     string            `yaml:"tlp"`
	Columns map[string]string `yaml:"columns"`
	Force   bool              `yaml:"force"`
}

// UnmarshalYAML takes a path alone for a feed with no further settings.
func (f *feedSetting) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&f.Path)
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a path or a mapping", n.Line)
	}
	type plain feedSetting
	if err := checkKeys(n, reflect.TypeFor[plain](), "a feed"); err != nil {
		return err
	}
	return n.Decode((*plain)(f))
}

// allowSetting is what never alarms.
type allowSetting struct {
	Scanners   networkList   `yaml:"scanners"`   // hosts that may scan: vulnerability scanners, monitoring
	Indicators indicatorList `yaml:"indicators"` // names, addresses and networks that are not indicators, whatever a feed says
}

// indicatorList is names, addresses and networks in canonical form.
type indicatorList []string

// UnmarshalYAML reads them as people and feeds write them.
func (l *indicatorList) UnmarshalYAML(n *yaml.Node) error {
	var texts []string
	if err := n.Decode(&texts); err != nil {
		return err
	}
	*l = make(indicatorList, 0, len(texts)) // not nil: an empty list is not the same as none
	for i, text := range texts {
		value, err := feed.Allowed(text)
		if err != nil {
			return fmt.Errorf("line %d: allow.indicators: %w", n.Content[i].Line, err)
		}
		*l = append(*l, value)
	}
	return nil
}

// eventSetting is where events are written, and when the file is rotated.
type eventSetting struct {
	File     string        `yaml:"file"`
	MaxSize  int64         `yaml:"max_size_mb"` // MiB; 0: never by size
	MaxAge   time.Duration `yaml:"max_age"`     // 0: never by age
	Keep     int           `yaml:"keep"`        // rotated files kept, 0: all
	Compress bool          `yaml:"compress"`    // gzip rotated files
}

// check refuses what makes no sense.
func (e *eventSetting) check() error {
	switch {
	case e.MaxSize < 0 || e.MaxSize > maxEventMB:
		return fmt.Errorf("alerts.max_size_mb: %d: want 0 to %d", e.MaxSize, maxEventMB)
	case e.MaxAge < 0:
		return fmt.Errorf("alerts.max_age: %v: must not be negative", e.MaxAge)
	case e.Keep < 0:
		return fmt.Errorf("alerts.keep: %d: must not be negative", e.Keep)
	}
	return nil
}

// maxEventMB is how large an event file can get, MiB.
const maxEventMB = 1 << 20

// zoneList is the zones in the order of the file.
type zoneList []zone.Zone

// UnmarshalYAML reads a mapping from names to lists of networks and keeps its order.
func (z *zoneList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: zones: want a mapping from names to lists of networks", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		item := zone.Zone{Name: n.Content[i].Value}
		if err := n.Content[i+1].Decode((*networkList)(&item.Prefixes)); err != nil {
			return fmt.Errorf("zone %s: %w", item.Name, err)
		}
		if len(item.Prefixes) == 0 {
			return fmt.Errorf("line %d: zone %s: no networks", n.Content[i].Line, item.Name)
		}
		*z = append(*z, item)
	}
	return nil
}

// defaults are the settings of a run that is told nothing.
func defaults() settings {
	return settings{Builtin: true}
}

// readConfig reads a configuration file over s. An unknown key is an error.
func (s *settings) readConfig(path string) error {
	text, err := input.Read(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err = dec.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration %s: %s", path, yamlFault(err))
	}
	if err = dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration %s: more than one YAML document", path)
	}
	if err = cmp.Or(checkCentralKeys(text), checkNumbers(text)); err != nil {
		return fmt.Errorf("configuration %s: %s", path, yamlFault(err))
	}
	return nil
}

// checkCentralKeys refuses unknown keys of central that have no value, which yaml's
// own check lets pass. Sinks are checked as they are read.
func checkCentralKeys(text []byte) error {
	var blocks struct {
		Central yaml.Node `yaml:"central"`
	}
	if err := yaml.Unmarshal(text, &blocks); err != nil {
		return err
	}
	return checkKeys(&blocks.Central, reflect.TypeFor[kafka.Central](), "central")
}

// flagValues are the flags of a command as they were given.
type flagValues struct {
	config, alerts, state  string
	scope, report          string
	feeds, internal, zones []string
	noBuiltin              bool
	filter                 string
	live                   *liveSetting      // flags of live, nil for other commands
	changed                func(string) bool // reports whether a flag was given; nil without flags
}

// addFlags adds the flags that every command which looks at traffic has.
func (v *flagValues) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	v.addStateFlags(cmd)
	f.StringArrayVar(&v.feeds, "feed", nil, "indicator file or folder `PATH`, repeatable; the format is recognised from the content")
	f.BoolVar(&v.noBuiltin, "no-builtin", false, "leave out the built-in WannaCry indicators")
	f.StringVar(&v.alerts, "alerts", "", "write events to `FILE`, one ECS JSON document a line; - for standard output")
	f.StringVar(&v.filter, "filter", "", "look only at traffic that matches `EXPR`, such as \"not host 192.0.2.1\": a part of tcpdump's syntax")
	v.addDocumentFlags(cmd)
}

// addDocumentFlags adds the flags that say where the whole scope goes.
func (v *flagValues) addDocumentFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.scope, "scope", "", "write the scope document (JSON) to `FILE`; - for standard output")
	f.StringVar(&v.report, "report", "", "write the incident report to `FILE`, one HTML page that needs no network; - for standard output")
}

// addStateFlags adds the flags that every command which looks at a ledger has.
func (v *flagValues) addStateFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&v.state, "state", "", "folder `DIR` that keeps the ledger between runs")
	v.addNetworkFlags(cmd)
}

// addNetworkFlags adds the flags that say where settings are, what is inside, and what
// its parts are.
func (v *flagValues) addNetworkFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	v.changed = f.Changed
	f.StringVar(&v.config, "config", "", "read settings from `FILE` (YAML); flags win")
	f.StringArrayVar(&v.internal, "internal", nil, "`CIDR` that counts as inside, repeatable (default RFC 1918, RFC 6598, fc00::/7 and link-local)")
	f.StringArrayVar(&v.zones, "zone", nil, "`NAME=CIDR,...` names a part of the network, repeatable")
}

// settings returns the settings that the configuration file and the flags make.
func (v *flagValues) settings() (settings, error) {
	s := defaults()
	s.configFile = v.config
	if v.config != "" {
		if err := s.readConfig(v.config); err != nil {
			return s, err
		}
	}
	if err := v.override(&s); err != nil {
		return s, err
	}
	if err := cmp.Or(v.blame(s.checkFile(), ""), v.blame(s.parseFilter(), v.filter)); err != nil {
		return s, err
	}
	s.ownNetwork = s.Internal != nil || s.Zones != nil
	if s.Internal == nil {
		s.Internal = zone.DefaultInside()
	}
	return s, v.blame(s.checkOutputs(), v.alerts+v.scope+v.report)
}

// checkFile refuses what makes no sense and only a configuration file can say, or zones
// that flags would have been refused for before.
func (s *settings) checkFile() error {
	for i := range s.Feeds {
		if s.Feeds[i].Path == "" {
			return fmt.Errorf("feeds: feed %d has no path", i+1)
		}
	}
	if slices.Contains(s.Lateral, 0) {
		return errors.New("lateral_ports: 0 is no port")
	}
	_, err := zone.New(nil, s.Zones)
	return cmp.Or(err, s.checkPolicy(), s.Alerts.check(), s.checkSinks())
}

// blame returns an error that blames the configuration file, unless the value came from
// a flag: then err stays one of how the program was called.
func (v *flagValues) blame(err error, flags string) error {
	if err == nil || flags != "" || v.config == "" {
		return err
	}
	return fmt.Errorf("configuration %s: %s", v.config, err.Error()) // no longer a usageError
}

// stdoutTaken reports whether something other than text goes to standard output.
func (s *settings) stdoutTaken() bool {
	return s.Alerts.File == "-" || s.Scope == "-" || s.Report == "-"
}

// given reports whether a flag was given, even with its default value.
func (v *flagValues) given(flag string) bool { return v.changed != nil && v.changed(flag) }

// flagOver replaces a setting by the value of a flag, unless that is the zero value and
// was not given.
func flagOver[T comparable](given bool, value T, setting *T) {
	var nothing T
	if given || value != nothing {
		*setting = value
	}
}

// override replaces settings by those of the flags. A list from flags replaces that of
// the file, except for feeds, which are added to them.
func (v *flagValues) override(s *settings) error {
	for _, p := range v.feeds {
		if p == "" {
			return usagef("--feed: the path is empty: want a file or a folder")
		}
		s.Feeds = append(s.Feeds, feedSetting{Path: p})
	}
	if v.given("no-builtin") {
		s.Builtin = !v.noBuiltin
	}
	flagOver(v.given("alerts"), v.alerts, &s.Alerts.File)
	flagOver(v.given("filter"), v.filter, &s.Filter)
	if v.live != nil {
		v.live.override(&s.Live, v.given)
	}
	flagOver(v.given("scope"), v.scope, &s.Scope)
	flagOver(v.given("report"), v.report, &s.Report)
	flagOver(v.given("state"), v.state, &s.State)
	if len(v.internal) > 0 {
		inside, err := parsePrefixes("--internal", strings.Join(v.internal, ","))
		if err != nil {
			return err
		}
		s.Internal = inside
	}
	return v.overrideZones(s)
}

// overrideZones replaces the zones of the file by those of the flags, if there are any.
func (v *flagValues) overrideZones(s *settings) error {
	if len(v.zones) > 0 {
		s.Zones = nil
	}
	for _, arg := range v.zones {
		name, list, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return usagef("--zone %q: want NAME=CIDR,…, such as office=10.10.0.0/16 (zones in a file: see --config)", arg)
		}
		prefixes, err := parsePrefixes("--zone "+name, list)
		if err != nil {
			return err
		}
		s.Zones = append(s.Zones, zone.Zone{Name: name, Prefixes: prefixes})
	}
	if len(v.zones) == 0 {
		return nil
	}
	if _, err := zone.New(nil, s.Zones); err != nil {
		return usagef("--zone: %w", err)
	}
	return nil
}

// parsePrefixes reads networks or single addresses, separated by commas.
func parsePrefixes(flag, list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for item := range strings.SplitSeq(list, ",") {
		p, err := parseNetwork(strings.TrimSpace(item))
		if err != nil {
			return nil, usagef("%s: %w", flag, err)
		}
		out = append(out, p)
	}
	return out, nil
}
