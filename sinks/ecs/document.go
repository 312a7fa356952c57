// Package ecs renders alerts and changes of state as documents of the Elastic
// Common Schema, version 9.4, one JSON document an event. What the schema has
// no field for stands under wormscope. docs/events.md is the reference.
package ecs

import (
	"time"

	"wormscope/sinks/detail"
)

// schemaVersion is the version of the schema that the documents follow.
const schemaVersion = "9.4.0"

// document is an event as it is written. Its fields are those of the schema, nested
// as there; a pointer is left out when nil.
type document struct {
	Timestamp   stamp         `json:"@timestamp"`
	ECS         version       `json:"ecs"`
	Message     string        `json:"message"`
	Tags        []string      `json:"tags"`
	Event       meta          `json:"event"`
	Rule        ruleField     `json:"rule"`
	Host        hostField     `json:"host"`
	Source      *endpoint     `json:"source,omitempty"`
	Destination *endpoint     `json:"destination,omitempty"`
	Network     *network      `json:"network,omitempty"`
	DNS         *dns          `json:"dns,omitempty"`
	Threat      *threat       `json:"threat,omitempty"`
	Flaw        *flaw         `json:"vulnerability,omitempty"`
	Related     related       `json:"related"`
	Observer    observer      `json:"observer"`
	Wormscope   detail.Detail `json:"wormscope"`
}

// A stamp is a time that encoding/json writes as it writes a time.Time, but at a
// fraction of the cost: it has MarshalText and no MarshalJSON, whose output
// encoding/json would check byte by byte.
type stamp time.Time

// MarshalText implements encoding.TextMarshaler.
func (s stamp) MarshalText() ([]byte, error) { return time.Time(s).MarshalText() }

type version struct {
	Version string `json:"version"`
}

// meta is the schema's event.*.
type meta struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Category  []string `json:"category"`
	Type      []string `json:"type"`
	Action    string   `json:"action"`
	Module    string   `json:"module"`
	Dataset   string   `json:"dataset"`
	Code      string   `json:"code,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Outcome   string   `json:"outcome,omitempty"`
	Severity  uint8    `json:"severity"`
	RiskScore float64  `json:"risk_score"`
	Start     *stamp   `json:"start,omitempty"`
	End       *stamp   `json:"end,omitempty"`
}

type ruleField struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Reference string `json:"reference,omitempty"`
}

type hostField struct {
	IP []string `json:"ip"`
}

// endpoint is source.* or destination.*.
type endpoint struct {
	Address string  `json:"address"`
	IP      string  `json:"ip"`
	Port    uint16  `json:"port,omitempty"`
	Bytes   *uint64 `json:"bytes,omitempty"`
}

type network struct {
	Transport   string  `json:"transport,omitempty"`
	Type        string  `json:"type,omitempty"`
	Protocol    string  `json:"protocol,omitempty"`
	Direction   string  `json:"direction,omitempty"`
	CommunityID string  `json:"community_id,omitempty"`
	Packets     *uint64 `json:"packets,omitempty"`
	VLAN        *vlan   `json:"vlan,omitempty"`
}

type vlan struct {
	ID string `json:"id"`
}

type dns struct {
	Type         string      `json:"type"`
	Question     dnsQuestion `json:"question"`
	ResponseCode string      `json:"response_code,omitempty"`
	ResolvedIP   []string    `json:"resolved_ip,omitempty"`
}

type dnsQuestion struct {
	Name             string `json:"name"`
	Type             string `json:"type,omitempty"`
	RegisteredDomain string `json:"registered_domain,omitempty"`
}

type threat struct {
	Framework string     `json:"framework,omitempty"`
	Tactic    *named     `json:"tactic,omitempty"`
	Technique *technique `json:"technique,omitempty"`
	Feed      *feed      `json:"feed,omitempty"`
	Indicator *indicator `json:"indicator,omitempty"`
}

type named struct {
	ID   []string `json:"id"`
	Name []string `json:"name"`
}

type technique struct {
	ID           []string `json:"id"`
	Name         []string `json:"name"`
	Subtechnique *named   `json:"subtechnique,omitempty"`
}

// flaw is vulnerability.*: the vulnerability that was exploited, or checked for.
type flaw struct {
	ID          string `json:"id"`
	Enumeration string `json:"enumeration"`
	Reference   string `json:"reference"`
}

type feed struct {
	Name string `json:"name"`
}

type indicator struct {
	Type        string    `json:"type"`
	Name        string    `json:"name"`
	IP          string    `json:"ip,omitempty"`
	Port        uint16    `json:"port,omitempty"`
	URL         *urlField `json:"url,omitempty"`
	Provider    string    `json:"provider,omitempty"`
	Description string    `json:"description,omitempty"`
	Reference   string    `json:"reference,omitempty"`
	FirstSeen   *stamp    `json:"first_seen,omitempty"`
	Confidence  string    `json:"confidence"`
	Marking     *marking  `json:"marking,omitempty"`
}

type urlField struct {
	Domain string `json:"domain"`
}

type marking struct {
	TLP string `json:"tlp"`
}

type related struct {
	IP    []string `json:"ip"`
	Hosts []string `json:"hosts,omitempty"`
}

type observer struct {
	Name    string     `json:"name,omitempty"`
	Product string     `json:"product"`
	Type    string     `json:"type"`
	Version string     `json:"version,omitempty"`
	Ingress *zoneField `json:"ingress,omitempty"`
	Egress  *zoneField `json:"egress,omitempty"`
}

type zoneField struct {
	Zone string `json:"zone"`
}
