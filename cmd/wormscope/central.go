package main

import (
	"context"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wormscope/detect/zone"
	"wormscope/internal/plural"
	"wormscope/scope"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
	"wormscope/sinks/joint"
	"wormscope/sinks/kafka"
)

// centralFlags are the flags that say where the joint ledger is.
type centralFlags struct {
	brokers, jointTopic string
}

// add adds the flags that all commands have which read the joint ledger.
func (f *centralFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.brokers, "kafka", "", "take the joint ledger of several sensors from the Kafka at these `BROKERS` (host:port,…), rather than a state folder")
	cmd.Flags().StringVar(&f.jointTopic, "joint-topic", "", "`TOPIC` that keeps the joint ledger (default wormscope-joint)")
}

// override replaces settings of the file by those of the flags.
func (f *centralFlags) override(c *kafka.Central) {
	if f.brokers != "" {
		c.Brokers = nil
		for b := range strings.SplitSeq(f.brokers, ",") {
			c.Brokers = append(c.Brokers, strings.TrimSpace(b))
		}
	}
	if f.jointTopic != "" {
		c.JointTopic = f.jointTopic
	}
	c.Defaults()
}

// check refuses a joint ledger that makes no sense before anything is connected to.
// More are values of other flags that say where it is.
func (f *centralFlags) check(s *settings, more ...string) error {
	err := s.Central.Validate()
	switch {
	case err == nil:
		return nil
	case f.brokers+f.jointTopic+strings.Join(more, "") != "" || s.configFile == "":
		return usagef("--kafka: %s", oneLine(err))
	default:
		return fmt.Errorf("configuration %s: central: %s", s.configFile, oneLine(err))
	}
}

func newScope(std streams) *cobra.Command {
	var flags flagValues
	var central centralFlags
	var own kafka.Central
	cmd := &cobra.Command{
		Use:   "scope --kafka BROKERS [flags]",
		Short: "Keep the joint ledger of several sensors in Kafka",
		Long: `Scope reads what sensors send to a topic of Kafka (ledger_topic of their Kafka
sink), and keeps one ledger of it in another topic. What two sensors saw of the
same thing is one. Any number of these can run: each takes a share of the
partitions, and takes over those of one that died. It prints each change of a
host's state, and runs until it is told to stop.

Report and export read the joint ledger with --kafka.`,
		Example: `  wormscope scope --kafka kafka1:9092,kafka2:9092 --create
  wormscope scope --config central.yaml --zone office=10.10.0.0/16
  wormscope report --kafka kafka1:9092 --report incident.html`,
		Args: noFurther,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			central.override(&s.Central)
			overrideWorker(&s.Central, &own)
			if len(s.Central.Brokers) == 0 {
				return usagef("scope needs a Kafka: --kafka BROKERS, or central.brokers in the configuration")
			}
			if err := central.check(&s, own.LedgerTopic, own.StateTopic); err != nil {
				return err
			}
			return keepJoint(cmd.Context(), &s, std)
		},
	}
	f := cmd.Flags()
	flags.addNetworkFlags(cmd)
	central.add(cmd)
	f.Lookup("kafka").Usage = "keep the joint ledger in the Kafka at these `BROKERS` (host:port,…)" // the others read it
	f.StringVar(&own.LedgerTopic, "ledger-topic", "", "`TOPIC` that the sensors write to (default wormscope-ledger)")
	f.StringVar(&own.StateTopic, "state-topic", "", "`TOPIC` for the changes of hosts' joint states (default none)")
	f.StringVar(&own.Group, "group", "", "consumer `GROUP` of the workers (default wormscope)")
	f.BoolVar(&own.Create, "create", false, "make topics that are missing")
	return cmd
}

// overrideWorker replaces settings of the file by those of the flags of scope.
func overrideWorker(c, flags *kafka.Central) {
	for _, o := range []struct {
		to   *string
		flag string
	}{{&c.LedgerTopic, flags.LedgerTopic}, {&c.StateTopic, flags.StateTopic}, {&c.Group, flags.Group}} {
		if o.flag != "" {
			*o.to = o.flag
		}
	}
	c.Create = c.Create || flags.Create
}

// keepJoint keeps the joint ledger until a signal stops it.
func keepJoint(ctx context.Context, s *settings, std streams) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	zones, err := zone.New(s.Internal, s.Zones)
	if err != nil {
		return err
	}
	trust, err := s.trust()
	if err != nil {
		return err
	}
	s.warnOfClearCentral(std)
	worker, err := kafka.NewWorker(ctx, s.Central, kafka.WorkerOptions{
		Zones:  zones,
		Trust:  trust,
		Render: ecs.New(ecs.Options{Version: version(), Zones: zones}),
		OnChange: func(e event.Event) {
			c := e.Change
			_, _ = fmt.Fprintf(std.out, "%s %s (%s) is %s, was %s: %s\n", // a reader that is gone is no reason to stop
				c.Time.UTC().Format(time.RFC3339), c.Host, c.Zone, c.To, c.From, c.Why)
		},
		Warn: func(err error) { std.report("warning: %v", err) },
	})
	if err != nil {
		return err
	}
	std.report("keeping topic %s from topic %s, as one of group %s", s.Central.JointTopic, s.Central.LedgerTopic, s.Central.Group)
	err = worker.Run(ctx)
	read := worker.Tally()
	std.report("stopped: %s read, %s no words of a sensor", numbered(read.Words, "word"), plural.Count(read.Damaged, "message was", "messages were"))
	return err
}

// jointLedger returns a ledger of what all sensors found, its zones, and what the
// sensors captured.
func jointLedger(ctx context.Context, s *settings, std streams) (*scope.Ledger, *zone.Map, scope.Capture, error) {
	zones, err := zone.New(s.Internal, s.Zones)
	if err != nil {
		return nil, nil, scope.Capture{}, err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	s.warnOfClearCentral(std)
	set := joint.New()
	tally, err := s.Central.Read(ctx, set)
	if err != nil {
		return nil, nil, scope.Capture{}, err
	}
	about := scope.Capture{Sensors: set.Sensors(), Undecoded: map[string]uint64{}}
	about.First, about.Last = set.Span()
	if tally.Damaged > 0 {
		messages := plural.Count(tally.Damaged, "message of topic "+s.Central.JointTopic+" is no word", "messages of topic "+s.Central.JointTopic+" are no words")
		about.Warnings = append(about.Warnings, messages+" of a sensor, the first is "+tally.Example)
		std.report("warning: %s", about.Warnings[0])
	}
	ledger, err := newLedger(s, zones, nil)
	if err != nil {
		return nil, nil, scope.Capture{}, err
	}
	var files joint.Files
	set.Tell(ledger, &files)
	about.Files = files.Names()
	return ledger, zones, about, nil
}
