package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"wormscope/internal/testnet"

	"github.com/segmentio/kafka-go"
)

// A Record is what a topic holds.
type Record struct {
	Partition  int
	Offset     int64
	Key, Value string
	Headers    map[string]string
}

// Client returns a client with all rights, until the test ends.
func (c *Cluster) Client() *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: time.Second}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(c.Brokers()...), Transport: transport}
}

// readLimit is how long a topic may take to be read to its end.
const readLimit = 2 * time.Minute

// Read returns all that a topic holds now, partition by partition, each in
// order.
func (c *Cluster) Read(topic string) []Record {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	client := c.Client()
	ends, err := c.ends(ctx, client, topic)
	for err != nil && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		ends, err = c.ends(ctx, client, topic)
	}
	if err != nil {
		c.t.Fatalf("read %s: %v", topic, err)
	}
	var all []Record
	for partition, end := range ends {
		all = readPartition(ctx, c.t, client, topic, partition, end, all)
	}
	return all
}

// ends returns where the partitions of a topic end. It fails where brokers do not
// know: one may not have heard of the topic, and a new leader does not know at
// once what was written before its time.
func (c *Cluster) ends(ctx context.Context, client *kafka.Client, topic string) ([]int64, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err == nil {
		err = meta.Topics[0].Error
	}
	if err != nil {
		return nil, err
	}
	ends := make([]int64, len(meta.Topics[0].Partitions))
	var wanted []kafka.OffsetRequest
	for p := range ends {
		wanted = append(wanted, kafka.LastOffsetOf(p))
	}
	r, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: wanted}})
	if err != nil {
		return nil, err
	}
	for _, p := range r.Topics[topic] {
		ends[p.Partition] = p.LastOffset
		err = errors.Join(err, p.Error)
	}
	return ends, err
}

// readPartition appends what a partition holds up to an end.
func readPartition(ctx context.Context, t testing.TB, client *kafka.Client, topic string, partition int, end int64, all []Record) []Record {
	t.Helper()
	for offset := kafka.FirstOffset; offset < end; {
		r, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 100 * time.Millisecond,
		})
		if err == nil {
			err = r.Error
		}
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, kafka.OffsetOutOfRange) {
				t.Fatalf("read %s/%d at %d: %v", topic, partition, offset, err)
			}
			time.Sleep(100 * time.Millisecond) // an election
			continue
		}
		var next int64
		if all, next, err = take(all, r.Records, partition, offset); err != nil {
			t.Fatalf("read %s/%d: %v", topic, partition, err)
		}
		if next == offset && r.HighWatermark >= end {
			return all // the last ones were compacted away
		}
		offset = next
	}
	return all
}

// take appends what a broker sent, and returns the offset after it.
func take(all []Record, from kafka.RecordReader, partition int, offset int64) ([]Record, int64, error) {
	next := offset
	for {
		m, err := from.ReadRecord()
		if errors.Is(err, io.EOF) {
			return all, next, nil
		}
		if err != nil {
			return all, next, err
		}
		if m.Offset < offset {
			continue // of the batch that the offset is in
		}
		r, err := recordOf(partition, m)
		if err != nil {
			return all, next, err
		}
		all = append(all, r)
		next = m.Offset + 1
	}
}

func recordOf(partition int, m *kafka.Record) (Record, error) {
	key, err := kafka.ReadAll(m.Key)
	if err != nil {
		return Record{}, err
	}
	value, err := kafka.ReadAll(m.Value)
	if err != nil {
		return Record{}, err
	}
	r := Record{Partition: partition, Offset: m.Offset, Key: string(key), Value: string(value), Headers: map[string]string{}}
	for _, h := range m.Headers {
		r.Headers[h.Key] = string(h.Value)
	}
	return r, nil
}

// Leader returns which node (1 is the first) leads a partition now.
func (c *Cluster) Leader(topic string, partition int) int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	client := c.Client()
	for {
		meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err == nil && meta.Topics[0].Error == nil && partition < len(meta.Topics[0].Partitions) {
			if id := meta.Topics[0].Partitions[partition].Leader.ID; id > 0 {
				return id
			}
		}
		if ctx.Err() != nil {
			c.t.Fatalf("%s/%d has no leader: %v", topic, partition, err)
		}
		time.Sleep(100 * time.Millisecond) // an election
	}
}

// Count returns how many records were ever written to a topic, 0 where it is
// not there yet or not to be had at the moment.
func (c *Cluster) Count(topic string) int64 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client := c.reader()
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil || meta.Topics[0].Error != nil {
		return 0
	}
	var wanted []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		wanted = append(wanted, kafka.LastOffsetOf(p.ID))
	}
	r, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: wanted}})
	if err != nil {
		return 0
	}
	var n int64
	for _, p := range r.Topics[topic] {
		if p.Error == nil {
			n += p.LastOffset
		}
	}
	return n
}

// Await waits until at least so many records were written to a topic.
func (c *Cluster) Await(topic string, records int64) {
	c.t.Helper()
	testnet.Eventually(c.t, "records in the topic "+topic, func() error {
		if n := c.Count(topic); n < records {
			return fmt.Errorf("only %d of %d", n, records)
		}
		return nil
	})
}

// reader returns the client that the cluster itself asks with.
func (c *Cluster) reader() *kafka.Client {
	if c.client == nil {
		c.client = c.Client()
	}
	return c.client
}
