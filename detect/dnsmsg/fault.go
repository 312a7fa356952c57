package dnsmsg

// Fault is what is wrong with a message. It is a small number, so that faults
// can be counted in an array and cost nothing on the way.
type Fault uint8

// The faults.
const (
	OK            Fault = iota
	ShortHeader         // less than a header
	ShortQuestion       // the message ends within a question
	ShortName           // the message ends within a name
	ShortRecord         // the message ends within a record
	LongName            // a name of more than 255 bytes
	BadName             // a reserved kind of label, or a name longer than its record
	PointerLoop         // compression pointers in a circle, or far too many

	NumFaults = 8
)

// Short reports whether the message may be sound and only cut short, as it is
// in a capture with a small snapshot length or in a first fragment.
func (f Fault) Short() bool { return f >= ShortHeader && f <= ShortRecord }

// String says in a few words what is wrong.
func (f Fault) String() string {
	if f >= NumFaults {
		return "unknown fault"
	}
	return [NumFaults]string{
		"sound", "header cut short", "question cut short", "name cut short",
		"record cut short", "name too long", "bad label", "compression loop",
	}[f]
}
