package detail

import (
	"bytes"
	"encoding/json"
)

// Line encodes a document as JSON on one line without a newline. Names stay as
// they are: <, > and & are not escaped.
func Line(document any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
