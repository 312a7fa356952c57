package syslog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/sinks/event"
)

// facilities are the names of the facility codes 0 to 23 (RFC 5424, table 1),
// as syslog daemons write them.
func facilities() []string {
	return []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
}

// header is the part of the header that all messages have in common.
type header struct {
	facility int
	name     string // HOSTNAME SP APP-NAME SP PROCID
	sdID     string // empty for no structured data
}

func newHeader(c Config) (header, error) {
	h := header{facility: 16, sdID: c.SDID}
	if c.Facility != "" {
		h.facility = slices.Index(facilities(), strings.ToLower(c.Facility))
		if n, err := strconv.Atoi(c.Facility); err == nil && n >= 0 && n < len(facilities()) {
			h.facility = n
		}
		if h.facility < 0 {
			return h, fmt.Errorf("facility: %q: want 0 to 23 or one of %s", c.Facility, strings.Join(facilities(), ", "))
		}
	}
	if c.SDID != "" && !regexp.MustCompile(`^[!#-<>?A-\\^-~]{1,26}@[0-9]{1,5}(\.[0-9]+)*$`).MatchString(c.SDID) || len(c.SDID) > 32 {
		return h, fmt.Errorf("sd_id: %q: want NAME@NUMBER, NUMBER being the private enterprise number of your organisation, at most 32 characters", c.SDID)
	}
	host, app := c.Hostname, c.AppName
	if host == "" {
		host = hostname()
	}
	if app == "" {
		app = "wormscope"
	}
	// PROCID is left out: it would make the same event another message after a restart.
	h.name = field(host, 255) + " " + field(app, 48) + " -"
	return h, nil
}

// field returns text without what a header field can't have (PRINTUSASCII, at most
// limit characters), or the nil value "-" if nothing is left.
func field(text string, limit int) string {
	b := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if c > ' ' && c < 0x7f {
			b = append(b, c)
		}
	}
	if len(b) == 0 {
		return "-"
	}
	return string(b[:min(len(b), limit)])
}

// message returns the message for an event (RFC 5424), without framing. The body is
// its MSG part as it is, without a byte order mark.
func (h header) message(e *event.Event, body []byte) []byte {
	rule := "host-state"
	if e.Alert != nil {
		rule = string(e.Alert.Rule)
	}
	b := h.begin(severity(e.Severity()), e.Time(), rule)
	if h.sdID == "" {
		b = append(b, '-')
	} else {
		b = fmt.Appendf(b, `[%s id="%s"]`, h.sdID, paramValue(e.ID()))
	}
	b = append(b, ' ')
	return append(b, body...)
}

// test returns the message with which Check tests the receiver.
func (h header) test(now time.Time) []byte {
	return append(h.begin(6, now, "check"), "- wormscope tests the way to this receiver; nothing was found"...)
}

func (h header) begin(severity int, at time.Time, msgID string) []byte {
	b := make([]byte, 0, 1024)
	b = fmt.Appendf(b, "<%d>1 ", h.facility*8+severity)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z") // at most six digits
	return fmt.Appendf(b, " %s %s ", h.name, field(msgID, 32))
}

// severity maps to the codes of RFC 5424, table 2: critical 2, error 3,
// warning 4, notice 5, informational 6.
func severity(s alert.Severity) int {
	switch {
	case s >= alert.Critical:
		return 2
	case s >= alert.High:
		return 3
	case s >= alert.Medium:
		return 4
	case s >= alert.Low:
		return 5
	default:
		return 6
	}
}

// paramValue escapes the value of a structured data parameter.
func paramValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(s)
}
