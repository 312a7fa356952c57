// The socket filter of wormscope: keeps a frame (returns all of it, or how many
// bytes its headers are) if any detector could need it, drops it (returns 0) if none
// does. In doubt it keeps, whole.
//
// docs/filter.md says why what is dropped can't matter. Whoever changes this
// changes that page, layout.go and needed_test.go too.
//
// Only helpers that are there since Linux 4.5 are called, and no header of the
// kernel or of libbpf is included: `make bpf` needs clang alone. The object is
// committed, so that building wormscope needs no clang at all.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define uint(name, value) int (*name)[value]
#define type(name, value) typeof(value) *name
#define array(name, value) typeof(value) *name[]

// Numbers of include/uapi/linux/bpf.h.
enum { MAP_ARRAY = 2, MAP_ARRAY_OF_MAPS = 12 };
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*load_bytes)(const void *frame, u32 offset, void *to, u32 n) = (void *)26;

enum { DROP = 0, KEEP = -1 };

// The layout of the indicators, all in one value of an array. layout.go has
// the same numbers.
enum {
	WORD_MASK = 0,   // u32: index mask of the words
	BUCKET_MASK = 4, // u32: index mask of the buckets
	NEAR4 = 64,      // bits by upper 16 bits of an IPv4 address: something is in this block
	NEAR6 = NEAR4 + 8192,
	NET6 = NEAR6 + 8192, // bits by a hash of the upper 32 bits of an IPv6 address: a network touches it
	NET4 = NET6 + 8192,  // bits by upper 24 bits of an IPv4 address: a network touches it
	WORDS = NET4 + (1 << 21),
	BUCKET = 8, // keys in a bucket
};

// Bounds of the masks, set before the program is loaded: the verifier wants to
// see constants.
const volatile u32 max_word_mask = 0;
const volatile u32 max_bucket_mask = 0;
const volatile u32 buckets_at = WORDS + 8;

// Ports of which every segment is kept, and those of tunnels (to which a
// datagram is sent), as bits by port number.
struct ports {
	u64 all[1024];
	u64 tunnel[1024];
};

struct {
	uint(type, MAP_ARRAY);
	uint(max_entries, 1);
	type(key, u32);
	type(value, struct ports);
} ports SEC(".maps");

// The indicators in force. Storing another map here is what renews them: each
// frame is judged by one of the two, whole.
struct {
	uint(type, MAP_ARRAY_OF_MAPS);
	uint(max_entries, 1);
	uint(key_size, 4);
	array(values, struct {
		uint(type, MAP_ARRAY);
		uint(max_entries, 1);
		uint(key_size, 4);
		uint(value_size, WORDS + 8 + BUCKET * 4);
	});
} indicators SEC(".maps");

// Connections that were opened a moment ago, by a hash of both ends: the next
// few segments of the originator are kept, because they tell that it was
// answered. An entry is overwritten by whichever comes next.
struct {
	uint(type, MAP_ARRAY);
	uint(max_entries, 1 << 20);
	type(key, u32);
	type(value, u32);
} handshakes SEC(".maps");

enum {
	HANDSHAKES_MASK = (1 << 20) - 1,
	COUNT = 7, // bits of an entry that count the segments still to keep
};

// The beginning of struct __sk_buff.
struct skb {
	u32 len;
};

// A frame, as far as it was read.
struct frame {
	const struct skb *skb;
	const u8 *set; // the indicators
	const struct ports *ports;
	u32 at;       // where the present header begins
	u32 body;     // where what IP carries begins
	u32 end;      // and where it ends
	u64 src, dst; // the addresses, or hashes of them
};

// HEAD is how much is read of a transport header: to TCP's flags.
enum { HEAD = 14 };

INLINE u16 net16(const u8 *p) { return (u16)p[0] << 8 | p[1]; }
INLINE u32 net32(const u8 *p) { return (u32)net16(p) << 16 | net16(p + 2); }
INLINE u64 net64(const u8 *p) { return (u64)net32(p) << 32 | net32(p + 4); }

// The hashes of layout.go.
INLINE u64 hash(u64 v)
{
	v *= 0x9e3779b97f4a7c15ULL;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93ULL;
	return v ^ v >> 32;
}

INLINE u64 hash6(u64 hi, u64 lo) { return hash(hash(hi) ^ lo); }

INLINE int bit(const u8 *bits, u32 n) { return *(const u64 *)(bits + (n >> 6) * 8) >> (n & 63) & 1; }

// known reports whether a key with this hash is in the set: two bits of one
// word say no to nearly all that are not, then the keys are compared. A bucket
// that overflowed begins with all ones and holds everything.
INLINE int known(const u8 *set, u64 h, u32 key)
{
	u32 w = (u32)(h >> 12) & *(const u32 *)(set + WORD_MASK) & max_word_mask;
	u64 two = 1ULL << (h & 63) | 1ULL << (h >> 6 & 63);
	if ((*(const u64 *)(set + WORDS + w * 8) & two) != two)
		return 0;
	u32 b = (u32)(h >> 32) & *(const u32 *)(set + BUCKET_MASK) & max_bucket_mask;
	const u32 *bucket = (const u32 *)(set + buckets_at + b * BUCKET * 4);
	if (bucket[0] == ~0u)
		return 1;
#pragma unroll
	for (int i = 0; i < BUCKET; i++)
		if (bucket[i] == key)
			return 1;
	return 0;
}

INLINE int indicator4(const u8 *set, u32 a)
{
	if (!bit(set + NEAR4, a >> 16))
		return 0;
	return bit(set + NET4, a >> 8) || known(set, hash(a), a);
}

INLINE int indicator6(const u8 *set, u64 hi, u64 lo)
{
	u32 block = hash(hi >> 32) & 0xffff;
	if (!bit(set + NEAR6, block))
		return 0;
	u64 h = hash6(hi, lo);
	return bit(set + NET6, block) || known(set, h, (u32)(h >> 16) | 1);
}

// handshake notes the opening of a connection, or reports whether a segment may be what completes
// one. The entry is the rest of the hash, and a count.
INLINE int handshake(struct frame *f, u64 from, u64 to, u32 ports, int opens)
{
	u64 h = hash(from * 3 + to + hash(ports));
	u32 slot = (u32)h & HANDSHAKES_MASK;
	u32 tag = (u32)(h >> 32) & ~COUNT;
	u32 *e = map_lookup(&handshakes, &slot);
	if (!e)
		return 1;
	if (opens) {
		*e = tag | COUNT;
		return 1;
	}
	u32 v = *e;
	if ((v & ~COUNT) != tag || !(v & COUNT))
		return 0;
	*e = v - 1;
	return 1;
}

// headers keeps a segment's headers alone: its contents are for nobody. Where its
// packet is longer than the frame, that is told by how much of it was captured.
INLINE int headers(struct frame *f, const u8 *head)
{
	u32 size = (head[12] >> 4) * 4;
	return size < 20 || f->end > f->skb->len ? KEEP : f->body + size;
}

// tcp keeps what opens and closes connections, what completes a handshake, and
// everything on the ports that are read.
INLINE int tcp(struct frame *f, const u8 *head)
{
	enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
	u32 src = net16(head), dst = net16(head + 2);
	u8 flags = head[13];
	if (bit((const u8 *)f->ports->all, src) || bit((const u8 *)f->ports->all, dst))
		return KEEP;
	if (flags & SYN) {
		if (flags & ACK) // from the responder
			handshake(f, f->dst, f->src, dst << 16 | src, 1);
		else
			handshake(f, f->src, f->dst, src << 16 | dst, 1);
		return headers(f, head);
	}
	if (flags & (FIN | RST))
		return headers(f, head);
	if (flags & ACK && handshake(f, f->src, f->dst, src << 16 | dst, 0))
		return headers(f, head);
	return DROP;
}

INLINE int udp(struct frame *f, const u8 *head)
{
	enum { TEREDO = 3544 };
	u32 src = net16(head), dst = net16(head + 2);
	const struct ports *p = f->ports;
	if (bit((const u8 *)p->all, src) || bit((const u8 *)p->all, dst) || bit((const u8 *)p->tunnel, dst) || src == TEREDO)
		return KEEP;
	return DROP;
}

// transport judges a packet neither end of which is an indicator.
INLINE int transport(struct frame *f, u8 proto, const u8 *head)
{
	enum { ICMP = 1, IPIP = 4, TCP = 6, UDP = 17, IPV6 = 41, GRE = 47, AH = 51, ICMP6 = 58, ETHERIP = 97,
	       MPLS = 137, ETHERNET = 143 };
	switch (proto) {
	case IPIP: case IPV6: case GRE: case AH: case ETHERIP: case MPLS: case ETHERNET: // read on, inside
		return KEEP;
	case TCP:
		return tcp(f, head);
	case UDP:
		return udp(f, head);
	case ICMP: // an echo and its reply say nothing; errors quote a packet
		return head[0] == 0 || head[0] == 8 ? DROP : KEEP;
	case ICMP6: // errors are below 128 (RFC 4443)
		return head[0] & 0x80 ? DROP : KEEP;
	default: // no ports that anyone reads, nothing inside
		return DROP;
	}
}

// ipv4 and ipv6 keep what is shorter than they want to read: cards pad frames
// to more than that, and what is cut short is for the decoder to count.
INLINE int ipv4(struct frame *f)
{
	u8 h[20 + HEAD];
	if (load_bytes(f->skb, f->at, h, sizeof h))
		return KEEP;
	u32 src = net32(h + 12), dst = net32(h + 16);
	if (h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return KEEP;
	if (net16(h + 6) & 0x3fff) // a fragment
		return KEEP;
	if (indicator4(f->set, src) || indicator4(f->set, dst))
		return KEEP;
	f->src = src;
	f->dst = dst;
	f->body = f->at + (h[0] & 15) * 4;
	f->end = f->at + net16(h + 2);
	if ((h[0] & 15) > 5 && load_bytes(f->skb, f->body, h + 20, HEAD))
		return KEEP;
	return transport(f, h[9], h + 20);
}

// mapped reports whether an IPv6 address stands for an IPv4 one.
INLINE int mapped(u64 hi, u64 lo) { return hi == 0 && lo >> 32 == 0xffff; }

INLINE int ipv6(struct frame *f)
{
	enum { HOPS = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, OPTIONS = 60, MOBILITY = 135, HIP = 139, SHIM6 = 140 };
	u8 h[40 + HEAD];
	if (load_bytes(f->skb, f->at, h, sizeof h))
		return KEEP;
	if (h[0] >> 4 != 6)
		return KEEP;
	switch (h[6]) { // extension headers are rare: keep whatever follows
	case HOPS: case ROUTING: case FRAGMENT: case AH: case OPTIONS: case MOBILITY: case HIP: case SHIM6:
		return KEEP;
	}
	u64 sh = net64(h + 8), sl = net64(h + 16), dh = net64(h + 24), dl = net64(h + 32);
	if (mapped(sh, sl) || mapped(dh, dl) || indicator6(f->set, sh, sl) || indicator6(f->set, dh, dl))
		return KEEP;
	f->src = hash6(sh, sl);
	f->dst = hash6(dh, dl);
	f->body = f->at + 40;
	f->end = f->body + net16(h + 4);
	return transport(f, h[6], h + 40);
}

// other judges a frame that holds neither IPv4 nor IPv6 directly: what the
// decoder looks into is kept, and so is an EtherType that is not known here.
INLINE int other(struct frame *f, u16 t)
{
	u8 sap;
	switch (t) {
	case 0x0806: case 0x8035: // ARP, RARP
	case 0x88cc:              // LLDP
	case 0x888e:              // 802.1X
	case 0x8863:              // PPPoE discovery
	case 0x8808: case 0x8809: // pause, slow protocols
	case 0x88f7:              // precision time
	case 0x8906: case 0x8914: // Fibre Channel over Ethernet
	case 0x9000:              // loop test
		return DROP;
	}
	if (t >= 0x0600)
		return KEEP;
	if (load_bytes(f->skb, f->at, &sap, 1))
		return KEEP;
	return sap == 0xaa || sap == 0x06 ? KEEP : DROP; // SNAP, IP; not spanning tree and the like
}

SEC("socket")
int wormscope(const struct skb *skb)
{
	u32 zero = 0;
	struct frame f = {.skb = skb, .at = 14};
	void *set = map_lookup(&indicators, &zero);
	u8 b[4];
	if (!set)
		return KEEP;
	f.set = map_lookup(set, &zero);
	f.ports = map_lookup(&ports, &zero);
	if (!f.set || !f.ports)
		return KEEP;
	if (load_bytes(skb, 12, b, 2))
		return KEEP;
	u16 t = net16(b);
	// Tags in the frame. The outermost one may be beside it, in the skb: then
	// the frame reads as if it had never been there.
#pragma unroll
	for (int i = 0; i < 4; i++) {
		if (t != 0x8100 && t != 0x88a8 && t != 0x9100)
			break;
		if (load_bytes(skb, f.at, b, sizeof b))
			return KEEP;
		t = net16(b + 2);
		f.at += 4;
	}
	switch (t) {
	case 0x0800:
		return ipv4(&f);
	case 0x86dd:
		return ipv6(&f);
	default: // a fifth tag among them
		return other(&f, t);
	}
}

char licence[] SEC("license") = "Dual MIT/GPL";
