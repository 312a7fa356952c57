#include "textflag.h"

// func line(p unsafe.Pointer)
TEXT ·line(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PLDL1KEEP
	RET

// func two(p, q unsafe.Pointer)
TEXT ·two(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD q+8(FP), R1
	PRFM (R0), PLDL1KEEP
	PRFM (R1), PLDL1KEEP
	RET

// func four(p, q, r, s unsafe.Pointer)
TEXT ·four(SB), NOSPLIT, $0-32
	MOVD p+0(FP), R0
	MOVD q+8(FP), R1
	MOVD r+16(FP), R2
	MOVD s+24(FP), R3
	PRFM (R0), PLDL1KEEP
	PRFM (R1), PLDL1KEEP
	PRFM (R2), PLDL1KEEP
	PRFM (R3), PLDL1KEEP
	RET

// func stream(p unsafe.Pointer, lines int)
TEXT ·stream(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD lines+8(FP), R1
next:
	PRFM (R0), PLDL1STRM
	ADD $64, R0
	SUBS $1, R1
	BNE next
	RET
