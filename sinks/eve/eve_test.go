package eve_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"regexp"
	"testing"
	"unicode/utf8"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/sinks/eve"
	"wormscope/sinks/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

func renderer(t testing.TB, live bool) *eve.Renderer {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return eve.New(eve.Options{Sensor: "tap-1", Zones: zones, Live: live})
}

func TestGolden(t *testing.T) { samples.Golden(t, *update, renderer(t, false).Event) }

// keys are those of an alert record in the published schema of Suricata
// (etc/schema.json) that events use, with their types. Keys of our own stand
// under wormscope, and in metadata, where rules may put what they like.
func keys() map[string]string {
	return map[string]string{
		"timestamp": "time", "flow_id": "integer", "in_iface": "string", "event_type": "string", "vlan": "[]integer",
		"src_ip": "string", "src_port": "integer", "dest_ip": "string", "dest_port": "integer", "proto": "string",
		"app_proto": "string", "community_id": "string", "host": "string", "pcap_cnt": "integer", "pcap_filename": "string",
		"alert": "object", "alert.action": "string", "alert.gid": "integer", "alert.signature_id": "integer", "alert.rev": "integer",
		"alert.signature": "string", "alert.category": "string", "alert.severity": "integer", "alert.metadata": "metadata",
		"dns": "object", "dns.query": "[]object", "dns.query.type": "string", "dns.query.rrname": "string", "dns.query.rrtype": "string",
		"wormscope": "own",
	}
}

var stamp = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}[+-]\d{4}$`)

// faults holds a record against the keys.
func faults(line []byte) (list []string) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var record map[string]any
	if err := dec.Decode(&record); err != nil {
		return []string{err.Error()}
	}
	for _, must := range []string{"timestamp", "event_type", "alert"} {
		if record[must] == nil {
			list = append(list, must+" is missing")
		}
	}
	return append(list, objectFaults("", record)...)
}

func objectFaults(prefix string, object map[string]any) (list []string) {
	for k, v := range object {
		path := prefix + k
		want, ok := keys()[path]
		if !ok {
			list = append(list, path+" is no key of EVE")
			continue
		}
		if want == "own" {
			continue
		}
		list = append(list, valueFaults(path, want, v)...)
	}
	return list
}

func valueFaults(path, want string, v any) (list []string) {
	got := "?"
	switch v := v.(type) {
	case string:
		got = "string"
		if want == "time" && stamp.MatchString(v) {
			got = "time"
		}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			got = "integer"
		}
	case map[string]any:
		got = "object"
		if want == "metadata" {
			return metadataFaults(v)
		}
		list = objectFaults(path+".", v)
	case []any:
		if len(want) < 2 || want[:2] != "[]" {
			got = "array"
			break
		}
		for _, item := range v {
			list = append(list, valueFaults(path, want[2:], item)...)
		}
		got = want
	}
	if got != want {
		list = append(list, fmt.Sprintf("%s is %s, want %s", path, got, want))
	}
	return list
}

// metadataFaults: each value is a list of strings.
func metadataFaults(m map[string]any) (list []string) {
	for k, v := range m {
		values, ok := v.([]any)
		for _, item := range values {
			if _, is := item.(string); !is {
				ok = false
			}
		}
		if !ok {
			list = append(list, "alert.metadata."+k+" is no list of strings")
		}
	}
	return list
}

func TestFollowsTheSchema(t *testing.T) {
	for _, live := range []bool{false, true} {
		r := renderer(t, live)
		for _, s := range samples.All() {
			b, err := r.Event(&s.Event)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faults(b) {
				t.Errorf("%s: %s", s.Name, fault)
			}
		}
	}
	if _, err := renderer(t, true).Event(&event.Event{Fact: &alert.Fact{}}); err == nil {
		t.Error("a fact is rendered")
	}
}

// TestFaultsAreFound plants faults: the check is worth only what it finds.
func TestFaultsAreFound(t *testing.T) {
	for _, bad := range []string{
		`{"event_type":"alert","alert":{}}`,
		`{"timestamp":"2026-01-05T08:00:00Z","event_type":"alert","alert":{}}`,
		`{"timestamp":"2026-01-05T08:00:00.000000+0000","event_type":"alert","alert":{},"src_port":"1"}`,
		`{"timestamp":"2026-01-05T08:00:00.000000+0000","event_type":"alert","alert":{"sid":1}}`,
		`{"timestamp":"2026-01-05T08:00:00.000000+0000","event_type":"alert","alert":{"metadata":{"a":"b"}}}`,
		`{"timestamp":"2026-01-05T08:00:00.000000+0000","event_type":"alert","alert":{},"vlan":3}`,
		`{"timestamp":"2026-01-05T08:00:00.000000+0000","event_type":"alert","alert":{},"dns":{"query":[{"name":"a"}]}}`,
	} {
		if len(faults([]byte(bad))) == 0 {
			t.Errorf("no fault in %s", bad)
		}
	}
}

// TestSignatureIDs: ids are for ever.
func TestSignatureIDs(t *testing.T) {
	for rule, want := range map[string]int{
		"ioc-domain": 1445001, "ioc-ip": 1445002, "scan": 1445003, "flood": 1445004, "smb-exposed": 1445005,
		"ms17-010-check": 1445006, "smb-exploit": 1445007, "doublepulsar": 1445008, "zone-crossing": 1445009, "host-state": 1445010,
		"unheard-of": 1445000,
	} {
		if got := eve.SignatureID(rule); got != want {
			t.Errorf("%s has signature id %d, want %d", rule, got, want)
		}
	}
}

// FuzzNames: whatever is asked for, a record is one line of valid JSON.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"evil.example", "a\nb.example", "\xff\xfe.example", `"quoted"\\`, "<script>", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e := samples.Alert(alert.Alert{
			Rule: alert.RuleDomain, Proto: 17,
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: name, Matched: name, ResponseCode: "NXDOMAIN"}},
		})
		b, err := renderer(t, true).Event(&e)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b) || !utf8.Valid(b) || bytes.ContainsAny(b, "\n\r") || len(faults(b)) > 0 {
			t.Errorf("%q leads to %q: %v", name, b, faults(b))
		}
	})
}
