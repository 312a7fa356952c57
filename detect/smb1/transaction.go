package smb1

import "encoding/binary"

// Trans is a SMB_COM_TRANSACTION or SMB_COM_TRANSACTION2 request (MS-CIFS
// 2.2.4.33.1, 2.2.4.46.1). Counts are in bytes.
type Trans struct {
	TotalParam, TotalData uint16 // of the whole transaction
	MaxParam, MaxData     uint16 // the most the client takes in reply
	Timeout               uint32 // milliseconds
	ParamCount, DataCount uint16 // in this message
	SetupCount            uint8
	Setup                 [2]uint16 // the first setup words, 0 where there are fewer
}

// ParseTrans reads a transaction request. It returns false when b ends
// before its first setup words do, or has too few words.
func ParseTrans(b []byte) (Trans, bool) {
	const setup = HeaderSize + 29
	if len(b) < setup || b[HeaderSize] < 14 {
		return Trans{}, false
	}
	le := binary.LittleEndian
	t := Trans{
		TotalParam: le.Uint16(b[33:]), TotalData: le.Uint16(b[35:]),
		MaxParam: le.Uint16(b[37:]), MaxData: le.Uint16(b[39:]),
		Timeout:    le.Uint32(b[45:]),
		ParamCount: le.Uint16(b[51:]), DataCount: le.Uint16(b[55:]),
		SetupCount: b[59],
	}
	for i := range min(int(t.SetupCount), len(t.Setup)) {
		at := setup + 2*i
		if at+2 > len(b) {
			return Trans{}, false
		}
		t.Setup[i] = le.Uint16(b[at:])
	}
	return t, true
}

// Complete reports whether the message has all of the transaction, so that
// no secondary requests follow.
func (t *Trans) Complete() bool {
	return t.ParamCount >= t.TotalParam && t.DataCount >= t.TotalData
}

// Secondary is a secondary transaction request: SMB_COM_TRANSACTION_SECONDARY
// and SMB_COM_TRANSACTION2_SECONDARY (MS-CIFS 2.2.4.34.1, 2.2.4.47.1), or
// SMB_COM_NT_TRANSACT_SECONDARY (2.2.4.63.1). Counts are in bytes.
type Secondary struct {
	ParamCount, DataCount uint32 // in this message
}

// ParseSecondary reads a secondary request of Trans or Trans2.
func ParseSecondary(b []byte) (Secondary, bool) {
	if len(b) < HeaderSize+17 || b[HeaderSize] < 8 {
		return Secondary{}, false
	}
	le := binary.LittleEndian
	return Secondary{
		ParamCount: uint32(le.Uint16(b[37:])), DataCount: uint32(le.Uint16(b[43:])),
	}, true
}

// ParseNTSecondary reads a secondary request of NT_TRANS.
func ParseNTSecondary(b []byte) (Secondary, bool) {
	if len(b) < HeaderSize+36 || b[HeaderSize] < 18 {
		return Secondary{}, false
	}
	le := binary.LittleEndian
	return Secondary{
		ParamCount: le.Uint32(b[44:]), DataCount: le.Uint32(b[56:]),
	}, true
}

// NTTrans is a SMB_COM_NT_TRANSACT request (MS-CIFS 2.2.4.62.1). Counts are
// in bytes.
type NTTrans struct {
	TotalParam, TotalData uint32 // of the whole transaction
	ParamCount, DataCount uint32 // in this message
	Function              uint16 // NT_TRANSACT subcommand
}

// FunctionRename is NT_TRANSACT_RENAME, which no client has a use for: it is
// not implemented (MS-CIFS 2.2.7.5).
const FunctionRename = 5

// ParseNTTrans reads an NT_TRANS request.
func ParseNTTrans(b []byte) (NTTrans, bool) {
	if len(b) < HeaderSize+39 || b[HeaderSize] < 19 {
		return NTTrans{}, false
	}
	le := binary.LittleEndian
	return NTTrans{
		TotalParam: le.Uint32(b[36:]), TotalData: le.Uint32(b[40:]),
		ParamCount: le.Uint32(b[52:]), DataCount: le.Uint32(b[60:]),
		Function: le.Uint16(b[69:]),
	}, true
}

// Complete reports whether the message has all of the transaction.
func (t *NTTrans) Complete() bool {
	return t.ParamCount >= t.TotalParam && t.DataCount >= t.TotalData
}

// WriteAndX is a SMB_COM_WRITE_ANDX request (MS-CIFS 2.2.4.43.1).
type WriteAndX struct {
	FID  uint16 // of the file or pipe written to
	Mode uint16 // WriteMode
}

// Continues reports whether the request writes to a pipe what follows on another
// part of a message.
func (w *WriteAndX) Continues() bool {
	const raw, start = 0x0004, 0x0008
	return w.Mode&(raw|start) == raw
}

// ParseWriteAndX reads a WRITE_ANDX request.
func ParseWriteAndX(b []byte) (WriteAndX, bool) {
	if len(b) < HeaderSize+17 || b[HeaderSize] < 12 {
		return WriteAndX{}, false
	}
	le := binary.LittleEndian
	return WriteAndX{FID: le.Uint16(b[37:]), Mode: le.Uint16(b[47:])}, true
}
