package splunk

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"wormscope/sinks/web"
)

// Codes of the collector (Splunk, Troubleshoot HTTP Event Collector, "Possible
// error codes").
const (
	codeTokenDisabled  = 1
	codeTokenMissing   = 2
	codeAuthorization  = 3
	codeTokenUnknown   = 4
	codeNoData         = 5
	codeInvalidData    = 6
	codeIndex          = 7
	codeServer         = 8
	codeBusy           = 9
	codeChannelMissing = 10
	codeEventMissing   = 12
	codeEventBlank     = 13
	codeAckDisabled    = 14
	codeFields         = 15
)

// aboutEvents reports whether a code is about the event itself, so that trying again
// is of no use.
func aboutEvents(code int) bool {
	return slices.Contains([]int{codeInvalidData, codeEventMissing, codeEventBlank, codeFields}, code)
}

// problem puts an answer into words.
func (k *Sink) problem(a web.Answer, r reply) error {
	words := ""
	switch {
	case r.Code == codeTokenDisabled:
		words = "the token is disabled there"
	case r.Code == codeTokenMissing, r.Code == codeAuthorization, r.Code == codeTokenUnknown:
		words = "it does not know the token: check token"
	case r.Code == codeIndex:
		words = fmt.Sprintf("the index %q is not there or not one of the token's: check index", k.config.Index)
	case r.Code == codeChannelMissing:
		words = "the token wants acknowledgement: set ack"
	case r.Code == codeAckDisabled:
		words = "acknowledgement is off for the token: turn it on there, or ack off here"
	case r.Code == codeServer, r.Code == codeBusy, a.Status == http.StatusServiceUnavailable, a.Status == http.StatusTooManyRequests:
		words = "it is overloaded or stopping"
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		words = "it does not let this sensor in"
	case a.Status == http.StatusNotFound:
		words = "there is no event collector: check url (port 8088 by default), and that it is enabled"
	case a.Status/100 == 3:
		words = "it sends elsewhere: set url to where it is"
	case a.Status == http.StatusOK:
		words = "no answer of an event collector: check url"
	}
	if words == "" {
		return fmt.Errorf("%s: %s", k.client.Host(), a.Excerpt())
	}
	return fmt.Errorf("%s: %s (%s)", k.client.Host(), words, a.Excerpt())
}

// indexed waits until all pending documents are indexed. Those that are not within
// AckTimeout stay unsettled.
func (k *Sink) indexed(ctx context.Context, pending map[uint64][]web.Document) error {
	pause := 50 * time.Millisecond
	for begin := time.Now(); len(pending) > 0; pause = min(2*pause, maxPause) {
		if err := k.poll(ctx, pending); err != nil {
			return err
		}
		if len(pending) == 0 {
			return nil
		}
		if time.Since(begin) > k.config.AckTimeout {
			return fmt.Errorf("%s: %d requests are accepted, but not indexed in %v: its queues are full, or a load balancer sends questions to another indexer", k.client.Host(), len(pending), k.config.AckTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// poll asks once, and settles what is indexed.
func (k *Sink) poll(ctx context.Context, pending map[uint64][]web.Document) error {
	question, err := json.Marshal(map[string][]uint64{"acks": slices.Sorted(maps.Keys(pending))})
	if err != nil {
		return err
	}
	a, err := k.client.Do(ctx, http.MethodPost, "/services/collector/ack?channel="+k.channel, "application/json", question)
	if err != nil {
		return err
	}
	var r struct {
		reply
		Acks map[string]bool `json:"acks"`
	}
	if json.Unmarshal(a.Body, &r) != nil || a.Status != http.StatusOK {
		return k.problem(a, r.reply)
	}
	for id, list := range pending {
		if !r.Acks[strconv.FormatUint(id, 10)] {
			continue
		}
		for i := range list {
			k.settled.Arrive(&list[i])
		}
		delete(pending, id)
	}
	return nil
}
