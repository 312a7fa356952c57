package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"wormscope/capture/ring"
	"wormscope/detect/alert"
)

// A metric is one name at /metrics. Its labels take few values: those of the
// configuration and of this program, never of the traffic.
type metric struct {
	name   string
	kind   prometheus.ValueType
	help   string // one sentence without a full stop
	labels []string
	// sample gives out the values, one for each set of labels.
	sample func(s *snapshot, emit emit)
}

// emit gives out one value, with the values of the labels in their order.
type emit func(value float64, labels ...string)

// one makes the sample of a metric that has one value.
func one(value func(s *snapshot) float64) func(*snapshot, emit) {
	return func(s *snapshot, emit emit) { emit(value(s)) }
}

// seconds is a time as Prometheus has it, Unix seconds; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

// allMetrics are the metrics of this program. docs/metrics.md has them, too.
func allMetrics() []metric {
	var all []metric
	for _, group := range [][]metric{
		runMetrics(), trafficMetrics(), interfaceMetrics(), findingMetrics(), tableMetrics(), feedMetrics(), eventMetrics(),
		outboxMetrics(), sinkMetrics(),
	} {
		all = append(all, group...)
	}
	return all
}

func runMetrics() []metric {
	return []metric{
		{
			"wormscope_build_info", prometheus.GaugeValue, "Always 1, with the version of the program",
			[]string{"version", "goversion"},
			func(_ *snapshot, emit emit) { emit(1, version(), runtime.Version()) },
		},
		{
			"wormscope_start_time_seconds", prometheus.GaugeValue, "When the run began, Unix time", nil,
			one(func(s *snapshot) float64 { return seconds(s.Started) }),
		},
		{
			"wormscope_snapshot_timestamp_seconds", prometheus.GaugeValue, "When the capture loop last published these values, Unix time: it does several times a second while it is alive", nil,
			one(func(s *snapshot) float64 { return seconds(s.At) }),
		},
		{
			"wormscope_config_refused", prometheus.GaugeValue, "1 while the configuration is of no use as it was last read, and the one before is in force", nil,
			one(func(s *snapshot) float64 { return number(s.Misconfigured) }),
		},
		{
			"wormscope_config_loaded_timestamp_seconds", prometheus.GaugeValue, "When the configuration in force was read, Unix time", nil,
			one(func(s *snapshot) float64 { return seconds(s.Configured) }),
		},
	}
}

func trafficMetrics() []metric {
	return []metric{
		{
			"wormscope_packets_total", prometheus.CounterValue, "Packets examined", nil,
			one(func(s *snapshot) float64 { return float64(s.Frames) }),
		},
		{
			"wormscope_bytes_total", prometheus.CounterValue, "Bytes on the wire of the packets examined", nil,
			one(func(s *snapshot) float64 { return float64(s.Bytes) }),
		},
		{
			"wormscope_last_packet_timestamp_seconds", prometheus.GaugeValue, "Packet time of the latest packet, Unix time; 0 before the first", nil,
			one(func(s *snapshot) float64 { return float64(s.Last) / 1e9 }),
		},
		{
			"wormscope_undecoded_packets_total", prometheus.CounterValue, "Packets that could not be decoded, by reason",
			[]string{"reason"},
			func(s *snapshot, emit emit) {
				for reason, n := range s.Undecoded {
					emit(float64(n), reason)
				}
			},
		},
		{
			"wormscope_time_reversals_total", prometheus.CounterValue, "Times that packets became more than a second older than one before them", nil,
			one(func(s *snapshot) float64 { return float64(s.WentBack) }),
		},
		{
			"wormscope_panics_total", prometheus.CounterValue, "Packets that this program failed on: mistakes of its own", nil,
			one(func(s *snapshot) float64 { return float64(s.Panics) }),
		},
	}
}

func interfaceMetrics() []metric {
	each := func(value func(f *ring.Interface) float64) func(*snapshot, emit) {
		return func(s *snapshot, emit emit) {
			for i := range s.Interfaces {
				emit(value(&s.Interfaces[i]), s.Interfaces[i].Name)
			}
		}
	}
	label := []string{"interface"}
	return []metric{
		{
			"wormscope_interface_packets_total", prometheus.CounterValue, "Packets captured", label,
			each(func(f *ring.Interface) float64 { return float64(f.Received) }),
		},
		{
			"wormscope_interface_bytes_total", prometheus.CounterValue, "Bytes on the wire of the packets captured", label,
			each(func(f *ring.Interface) float64 { return float64(f.Bytes) }),
		},
		{
			"wormscope_interface_dropped_packets_total", prometheus.CounterValue, "Packets lost because the ring was full", label,
			each(func(f *ring.Interface) float64 { return float64(f.Dropped) }),
		},
		{
			"wormscope_interface_freezes_total", prometheus.CounterValue, "Times that the ring was full", label,
			each(func(f *ring.Interface) float64 { return float64(f.Freezes) }),
		},
		{
			"wormscope_interface_truncated_packets_total", prometheus.CounterValue, "Packets captured in part, but for those whose headers are enough", label,
			each(func(f *ring.Interface) float64 { return float64(f.Truncated) }),
		},
		{
			"wormscope_interface_up", prometheus.GaugeValue, "1 while the interface is there and up", label,
			each(func(f *ring.Interface) float64 { return number(f.Up) }),
		},
		{
			"wormscope_ring_blocks", prometheus.GaugeValue, "Blocks of the ring", label,
			each(func(f *ring.Interface) float64 { return float64(f.Blocks) }),
		},
		{
			"wormscope_ring_used_blocks", prometheus.GaugeValue, "Blocks of the ring that wait to be read", label,
			each(func(f *ring.Interface) float64 { return float64(f.InUse) }),
		},
	}
}

// number returns 1 for true and 0 for false.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func findingMetrics() []metric {
	return []metric{
		{
			"wormscope_alerts_total", prometheus.CounterValue, "Alerts raised, by rule; updates and ends are not counted",
			[]string{"rule"},
			func(s *snapshot, emit emit) {
				for _, rule := range alert.Rules() {
					emit(float64(s.Alerts[rule]), string(rule))
				}
			},
		},
		{
			"wormscope_hosts", prometheus.GaugeValue, "Inside hosts, by state",
			[]string{"state"},
			func(s *snapshot, emit emit) {
				for state, n := range s.Hosts {
					emit(float64(n), state)
				}
			},
		},
	}
}

func tableMetrics() []metric {
	label := []string{"table"}
	return []metric{
		{
			"wormscope_table_entries", prometheus.GaugeValue, "Entries of a table", label,
			func(s *snapshot, emit emit) {
				for i := range s.Tables {
					emit(float64(s.Tables[i].Entries), s.Tables[i].Name)
				}
			},
		},
		{
			"wormscope_table_limit_entries", prometheus.GaugeValue, "Entries that a table can have, for tables bounded by number", label,
			func(s *snapshot, emit emit) {
				for i := range s.Tables {
					if s.Tables[i].Limit > 0 {
						emit(float64(s.Tables[i].Limit), s.Tables[i].Name)
					}
				}
			},
		},
		{
			"wormscope_table_evictions_total", prometheus.CounterValue, "Entries let go early to make room", label,
			func(s *snapshot, emit emit) {
				for i := range s.Tables {
					emit(float64(s.Tables[i].Evicted), s.Tables[i].Name)
				}
			},
		},
	}
}

// label makes a label of a file's name. A metric whose label is not valid UTF-8 would be
// left out, and nobody would notice that the feed is missing.
func label(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

func feedMetrics() []metric {
	each := func(value func(f *feedSnapshot) float64) func(*snapshot, emit) {
		return func(s *snapshot, emit emit) {
			for i := range s.Feeds {
				emit(value(&s.Feeds[i]), label(s.Feeds[i].Name), label(s.Feeds[i].Path))
			}
		}
	}
	labels := []string{"feed", "path"}
	return []metric{
		{
			"wormscope_indicators", prometheus.GaugeValue, "Indicators in use, by type",
			[]string{"type"},
			func(s *snapshot, emit emit) {
				emit(float64(s.Indicators.Names), "name")
				emit(float64(s.Indicators.Addresses), "address")
				emit(float64(s.Indicators.Networks), "network")
			},
		},
		{
			"wormscope_feed_indicators", prometheus.GaugeValue, "Indicators in use of a feed file", labels,
			each(func(f *feedSnapshot) float64 { return float64(f.Entries) }),
		},
		{
			"wormscope_feed_loaded_timestamp_seconds", prometheus.GaugeValue, "When the indicators in use of a feed file were read, Unix time", labels,
			each(func(f *feedSnapshot) float64 { return seconds(f.Loaded) }),
		},
		{
			"wormscope_feed_refusals_total", prometheus.CounterValue, "Times that a feed file was of no use when it was read again, so that what it was stayed in use", labels,
			each(func(f *feedSnapshot) float64 { return float64(f.Refused) }),
		},
		{
			"wormscope_feed_refused", prometheus.GaugeValue, "1 while a feed file is of no use and what it was is in use", labels,
			each(func(f *feedSnapshot) float64 { return number(f.Reason != "") }),
		},
		{
			"wormscope_feed_reloads_total", prometheus.CounterValue, "Times that feeds were read again and used", nil,
			one(func(s *snapshot) float64 { return float64(s.Reloads) }),
		},
		{
			"wormscope_feed_reload_timestamp_seconds", prometheus.GaugeValue, "When new feeds were last used, the start included, Unix time", nil,
			one(func(s *snapshot) float64 { return seconds(s.Reloaded) }),
		},
	}
}

func eventMetrics() []metric {
	return []metric{
		{
			"wormscope_event_file_events_total", prometheus.CounterValue, "Events taken for the event file", nil,
			one(func(s *snapshot) float64 { return float64(s.Events.Events) }),
		},
		{
			"wormscope_event_file_lost_events_total", prometheus.CounterValue, "Events that the event file lost, because too many waited for a disk that took none", nil,
			one(func(s *snapshot) float64 { return float64(s.Events.Lost) }),
		},
		{
			"wormscope_event_file_errors_total", prometheus.CounterValue, "Failed writes, rotations and compressions of the event file", nil,
			one(func(s *snapshot) float64 { return float64(s.Events.Errors) }),
		},
		{
			"wormscope_state_errors_total", prometheus.CounterValue, "Seconds in which the state folder could not be written", nil,
			one(func(s *snapshot) float64 { return float64(s.StateErrors) }),
		},
		{
			"wormscope_event_file_rotations_total", prometheus.CounterValue, "Rotations of the event file", nil,
			one(func(s *snapshot) float64 { return float64(s.Events.Rotations) }),
		},
	}
}

// A metricSource gives out what the capture loop last published. It is safe for
// use by several goroutines.
type metricSource struct {
	board   *board
	metrics []metric
	descs   []*prometheus.Desc
	turned  *prometheus.Desc
}

// turnedName is the metric that shows whether the capture loop hangs. It is not part
// of the snapshot, which a loop that hangs does not renew.
const turnedName, turnedHelp = "wormscope_capture_turn_timestamp_seconds", "When the capture loop last turned, Unix time: it does several times a second, with traffic or without"

func newMetricSource(b *board) *metricSource {
	c := &metricSource{board: b, metrics: allMetrics(), turned: prometheus.NewDesc(turnedName, turnedHelp, nil, nil)}
	for _, m := range c.metrics {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *metricSource) Describe(to chan<- *prometheus.Desc) {
	to <- c.turned
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector. Before the capture loop began there
// is nothing to give out.
func (c *metricSource) Collect(to chan<- prometheus.Metric) {
	s := c.board.snapshot()
	if s == nil {
		return
	}
	to <- prometheus.MustNewConstMetric(c.turned, prometheus.GaugeValue, seconds(c.board.lastTurn()))
	for i := range c.metrics {
		m := &c.metrics[i]
		m.sample(s, func(value float64, labels ...string) {
			v, err := prometheus.NewConstMetric(c.descs[i], m.kind, value, labels...)
			if err != nil {
				v = prometheus.NewInvalidMetric(c.descs[i], err)
			}
			to <- v
		})
	}
}

// newRegistry returns what /metrics shows: the metrics of this program, of its
// process and of the Go runtime.
func newRegistry(b *board) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	err := errors.Join(r.Register(newMetricSource(b)), r.Register(collectors.NewGoCollector()),
		r.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return r, nil
}
