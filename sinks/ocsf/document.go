// Package ocsf renders alerts and changes of state as Detection Findings (class
// 2004) of the Open Cybersecurity Schema Framework 1.8.0
// (https://schema.ocsf.io/1.8.0/classes/detection_finding), one JSON document
// an event. What the schema has no field for stands under unmapped, as in ECS
// documents. docs/formats.md is the reference.
package ocsf

import (
	"wormscope/sinks/detail"
)

// The version of the schema, and the identifiers of the class.
const (
	schemaVersion = "1.8.0"
	categoryUID   = 2 // Findings
	classUID      = 2004
)

// document is a Detection Finding. Times are milliseconds of the Unix epoch.
type document struct {
	ActivityID   int             `json:"activity_id"`
	ActivityName string          `json:"activity_name"`
	CategoryUID  int             `json:"category_uid"`
	CategoryName string          `json:"category_name"`
	ClassUID     int             `json:"class_uid"`
	ClassName    string          `json:"class_name"`
	TypeUID      int             `json:"type_uid"`
	TypeName     string          `json:"type_name"`
	Time         int64           `json:"time"`
	StartTime    int64           `json:"start_time,omitempty"`
	EndTime      int64           `json:"end_time,omitempty"`
	SeverityID   int             `json:"severity_id"`
	Severity     string          `json:"severity"`
	RiskScore    int             `json:"risk_score"`
	StatusID     int             `json:"status_id"`
	Status       string          `json:"status"`
	IsAlert      bool            `json:"is_alert"`
	Confidence   *int            `json:"confidence_score,omitempty"` // per cent
	Count        uint64          `json:"count,omitempty"`
	Message      string          `json:"message"`
	Finding      finding         `json:"finding_info"`
	Metadata     metadata        `json:"metadata"`
	Device       device          `json:"device"`
	Evidences    []evidence      `json:"evidences,omitempty"`
	Flaws        []vulnerability `json:"vulnerabilities,omitempty"`
	OSINT        []osint         `json:"osint,omitempty"`
	Observables  []observable    `json:"observables"`
	Unmapped     unmapped        `json:"unmapped"`
}

type finding struct {
	UID       string   `json:"uid"`
	Title     string   `json:"title"`
	Types     []string `json:"types"`
	FirstSeen int64    `json:"first_seen_time,omitempty"`
	LastSeen  int64    `json:"last_seen_time,omitempty"`
	Analytic  analytic `json:"analytic"`
	Attacks   []attack `json:"attacks,omitempty"`
	Source    string   `json:"src_url,omitempty"`
}

type analytic struct {
	UID    string `json:"uid"`
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type attack struct {
	Tactic    named  `json:"tactic"`
	Technique named  `json:"technique"`
	Sub       *named `json:"sub_technique,omitempty"`
}

type named struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
}

type metadata struct {
	Version  string   `json:"version"`
	UID      string   `json:"uid"` // event id
	Product  product  `json:"product"`
	Profiles []string `json:"profiles,omitempty"`
	Provider string   `json:"log_provider,omitempty"` // name of the sensor
	Labels   []string `json:"labels,omitempty"`
	Sequence int      `json:"sequence,omitempty"`
}

type product struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor_name"`
	Version string `json:"version,omitempty"`
}

// device is the host that the finding is about.
type device struct {
	IP     string `json:"ip"`
	Zone   string `json:"zone"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type evidence struct {
	Source      *endpoint   `json:"src_endpoint,omitempty"`
	Destination *endpoint   `json:"dst_endpoint,omitempty"`
	Connection  *connection `json:"connection_info,omitempty"`
	Query       *query      `json:"query,omitempty"`
}

type endpoint struct {
	IP      string `json:"ip"`
	Port    uint16 `json:"port,omitempty"`
	Zone    string `json:"zone,omitempty"`
	VLAN    string `json:"vlan_uid,omitempty"`
	Service string `json:"svc_name,omitempty"`
}

type connection struct {
	DirectionID int    `json:"direction_id"`
	Direction   string `json:"direction"`
	Protocol    string `json:"protocol_name,omitempty"`
	ProtocolNum int    `json:"protocol_num,omitempty"`
	VersionID   int    `json:"protocol_ver_id"`
	CommunityID string `json:"community_uid,omitempty"`
}

type query struct {
	Hostname string `json:"hostname"`
	Type     string `json:"type,omitempty"`
}

type vulnerability struct {
	CVE        cve      `json:"cve"`
	References []string `json:"references"`
}

type cve struct {
	UID string `json:"uid"`
}

// osint is the indicator that was matched.
type osint struct {
	TypeID       int      `json:"type_id"`
	Type         string   `json:"type"`
	Value        string   `json:"value"`
	Subnet       string   `json:"subnet,omitempty"`
	Vendor       string   `json:"vendor_name,omitempty"`
	Description  string   `json:"desc,omitempty"`
	References   []string `json:"references,omitempty"`
	ConfidenceID int      `json:"confidence_id"`
	Confidence   string   `json:"confidence"`
	TLP          string   `json:"tlp,omitempty"`
	Created      int64    `json:"created_time,omitempty"`
	Expires      int64    `json:"expiration_time,omitempty"`
	Labels       []string `json:"labels,omitempty"`
}

type observable struct {
	Name   string `json:"name"` // the field that it is the value of
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

type unmapped struct {
	Wormscope detail.Detail `json:"wormscope"`
	DNS       *answer       `json:"dns,omitempty"`
}

// answer is what answered a lookup.
type answer struct {
	ResponseCode string   `json:"response_code,omitempty"`
	ResolvedIP   []string `json:"resolved_ip,omitempty"`
}
