package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"wormscope/sinks/outbox"
)

func outboxMetrics() []metric {
	whole := func(value func(o *outbox.Stats) float64) func(*snapshot, emit) {
		return func(s *snapshot, emit emit) {
			if s.Outbox != nil {
				emit(value(s.Outbox))
			}
		}
	}
	return []metric{
		{
			"wormscope_outbox_up", prometheus.GaugeValue, "1 while events for sinks can be made durable", nil,
			whole(func(o *outbox.Stats) float64 { return number(o.Error == "") }),
		},
		{
			"wormscope_outbox_events_total", prometheus.CounterValue, "Events made durable for sinks", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Appended) }),
		},
		{
			"wormscope_outbox_queued_events", prometheus.GaugeValue, "Events that wait to be made durable", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Queued) }),
		},
		{
			"wormscope_outbox_bytes", prometheus.GaugeValue, "Bytes of the events that are kept for sinks", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Bytes) }),
		},
		{
			"wormscope_outbox_lost_events_total", prometheus.CounterValue, "Events given up, at the bound or because the disk took none", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Lost) }),
		},
		{
			"wormscope_outbox_errors_total", prometheus.CounterValue, "Failed writes of the outbox", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Errors) }),
		},
		{
			"wormscope_outbox_damaged_total", prometheus.CounterValue, "Damaged places in the outbox, passed over at the start", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Damaged) }),
		},
		{
			"wormscope_outbox_torn_bytes_total", prometheus.CounterValue, "Bytes at the end of the outbox that were not whole, cut off at the start", nil,
			whole(func(o *outbox.Stats) float64 { return float64(o.Torn) }),
		},
	}
}

func sinkMetrics() []metric {
	each := func(value func(s *snapshot, k *outbox.SinkStats) float64) func(*snapshot, emit) {
		return func(s *snapshot, emit emit) {
			if s.Outbox == nil {
				return
			}
			for i := range s.Outbox.Sinks {
				emit(value(s, &s.Outbox.Sinks[i]), s.Outbox.Sinks[i].Name)
			}
		}
	}
	label := []string{"sink"}
	return []metric{
		{
			"wormscope_sink_up", prometheus.GaugeValue, "1 while the sink gets on", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return number(k.Error == "") }),
		},
		{
			"wormscope_sink_waiting_events", prometheus.GaugeValue, "Events that wait for the sink", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Waiting) }),
		},
		{
			"wormscope_sink_lag_seconds", prometheus.GaugeValue, "Age of the oldest event that waits for the sink, 0 when none does", label,
			each(func(s *snapshot, k *outbox.SinkStats) float64 {
				if k.Oldest.IsZero() {
					return 0
				}
				return max(s.At.Sub(k.Oldest).Seconds(), 0)
			}),
		},
		{
			"wormscope_sink_delivered_events_total", prometheus.CounterValue, "Events that have arrived", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Delivered) }),
		},
		{
			"wormscope_sink_repeated_events_total", prometheus.CounterValue, "Events handed over again after a failure", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Repeated) }),
		},
		{
			"wormscope_sink_refused_events_total", prometheus.CounterValue, "Events that the receiver will never take: dead letters", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Refused) }),
		},
		{
			"wormscope_sink_lost_events_total", prometheus.CounterValue, "Events given up before the sink had them", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Lost) }),
		},
		{
			"wormscope_sink_retries_total", prometheus.CounterValue, "Failed attempts to deliver", label,
			each(func(_ *snapshot, k *outbox.SinkStats) float64 { return float64(k.Retries) }),
		},
	}
}
