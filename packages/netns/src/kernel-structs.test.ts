import koffi, { type TypeObject } from 'koffi';
import { describe, expect, test } from 'vitest';
import * as structs from './kernel-structs.ts';
import * as routeStructs from './rtnetlink/core/route-structs.ts';

/** Size and alignment in bytes; on both architectures they are equal for every fundamental type. */
type DataModel = Readonly<Record<string, number>>;

/** System V ABI, AMD64 supplement 1.0, figure 3.1 "Scalar Types". */
const X86_64: DataModel = {
  'unsigned char': 1,
  char: 1,
  short: 2,
  'unsigned short': 2,
  int: 4,
  'unsigned int': 4,
  long: 8,
  'unsigned long': 8,
  pointer: 8,
};
/** Procedure Call Standard for the Arm 64-bit Architecture, table 1 and section 10.1.1 (LP64 variant). */
const AARCH64: DataModel = {
  'unsigned char': 1,
  char: 1,
  short: 2,
  'unsigned short': 2,
  int: 4,
  'unsigned int': 4,
  long: 8,
  'unsigned long': 8,
  pointer: 8,
};

/** What the names of POSIX and of the kernel stand for, by include/uapi/asm-generic/posix_types.h and linux/types.h. */
const TYPEDEFS: Readonly<Record<string, string>> = {
  size_t: 'unsigned long',
  socklen_t: 'unsigned int',
  sa_family_t: 'unsigned short',
  in_port_t: 'unsigned short',
  uint32_t: 'unsigned int',
  __u16: 'unsigned short',
  __u32: 'unsigned int',
  __be16: 'unsigned short',
  nfds_t: 'unsigned long',
  pid_t: 'int',
  rlim_t: 'unsigned long',
  __kernel_sa_family_t: 'unsigned short',
};

type Field = readonly [name: string, type: string, count?: number];

/** Declarations, as in the manual pages and include/uapi/linux; `struct X` and unions refer to others of this table. */
const DECLARATIONS: Readonly<Record<string, readonly Field[]>> = {
  // recvmsg(2)
  msghdr: [
    ['name', 'pointer'],
    ['nameLength', 'socklen_t'],
    ['vectors', 'pointer'],
    ['vectorCount', 'size_t'],
    ['control', 'pointer'],
    ['controlLength', 'size_t'],
    ['flags', 'int'],
  ],
  iovec: [
    ['base', 'pointer'],
    ['length', 'size_t'],
  ],
  // linux/socket.h: cmsg_len is __kernel_size_t there
  cmsghdr: [
    ['length', 'size_t'],
    ['level', 'int'],
    ['type', 'int'],
  ],
  // ip(7)
  in_addr: [['address', 'uint32_t']],
  sockaddr_in: [
    ['family', 'sa_family_t'],
    ['port', 'in_port_t'],
    ['address', 'struct in_addr'],
    ['padding', 'unsigned char', 8],
  ],
  // ipv6(7); linux/in6.h: the union has 32-bit members, so it is aligned to 4
  in6_addr: [['words', '__u32', 4]],
  sockaddr_in6: [
    ['family', 'sa_family_t'],
    ['port', 'in_port_t'],
    ['flowInfo', 'uint32_t'],
    ['address', 'struct in6_addr'],
    ['scopeId', 'uint32_t'],
  ],
  // unix(7)
  sockaddr_un: [
    ['family', 'sa_family_t'],
    ['path', 'char', 108],
  ],
  // packet(7)
  sockaddr_ll: [
    ['family', 'unsigned short'],
    ['protocol', '__be16'],
    ['interfaceIndex', 'int'],
    ['hardwareType', 'unsigned short'],
    ['packetType', 'unsigned char'],
    ['addressLength', 'unsigned char'],
    ['address', 'unsigned char', 8],
  ],
  // netlink(7)
  sockaddr_nl: [
    ['family', '__kernel_sa_family_t'],
    ['padding', 'unsigned short'],
    ['portId', '__u32'],
    ['groups', '__u32'],
  ],
  nlmsghdr: [
    ['length', '__u32'],
    ['type', '__u16'],
    ['flags', '__u16'],
    ['sequence', '__u32'],
    ['portId', '__u32'],
  ],
  nlmsgerr: [
    ['error', 'int'],
    ['header', 'struct nlmsghdr'],
  ],
  // rtnetlink(7)
  ifinfomsg: [
    ['family', 'unsigned char'],
    ['padding', 'unsigned char'],
    ['type', 'unsigned short'],
    ['index', 'int'],
    ['flags', 'unsigned int'],
    ['change', 'unsigned int'],
  ],
  // poll(2)
  pollfd: [
    ['fd', 'int'],
    ['events', 'short'],
    ['returnedEvents', 'short'],
  ],
  // getrlimit(2)
  rlimit: [
    ['soft', 'rlim_t'],
    ['hard', 'rlim_t'],
  ],
  // socket(7); __kernel_old_time_t and __kernel_suseconds_t are long
  timeval: [
    ['seconds', 'long'],
    ['microseconds', 'long'],
  ],
  // linux/netlink.h
  nlattr: [
    ['length', '__u16'],
    ['type', '__u16'],
  ],
  // linux/if_addr.h
  ifaddrmsg: [
    ['family', 'unsigned char'],
    ['prefixLength', 'unsigned char'],
    ['flags', 'unsigned char'],
    ['scope', 'unsigned char'],
    ['index', '__u32'],
  ],
  // rtnetlink(7)
  rtmsg: [
    ['family', 'unsigned char'],
    ['dstLength', 'unsigned char'],
    ['srcLength', 'unsigned char'],
    ['tos', 'unsigned char'],
    ['table', 'unsigned char'],
    ['protocol', 'unsigned char'],
    ['scope', 'unsigned char'],
    ['type', 'unsigned char'],
    ['flags', 'unsigned int'],
  ],
  // linux/rtnetlink.h
  rtnexthop: [
    ['length', 'unsigned short'],
    ['flags', 'unsigned char'],
    ['hops', 'unsigned char'],
    ['index', 'int'],
  ],
  // linux/fib_rules.h
  fib_rule_hdr: [
    ['family', 'unsigned char'],
    ['dstLength', 'unsigned char'],
    ['srcLength', 'unsigned char'],
    ['tos', 'unsigned char'],
    ['table', 'unsigned char'],
    ['reserved1', 'unsigned char'],
    ['reserved2', 'unsigned char'],
    ['action', 'unsigned char'],
    ['flags', '__u32'],
  ],
  // fcntl(2)
  f_owner_ex: [
    ['type', 'int'],
    ['pid', 'pid_t'],
  ],
  // netdevice(7); linux/if.h: the largest member of the union is struct ifmap
  ifmap: [
    ['memoryStart', 'unsigned long'],
    ['memoryEnd', 'unsigned long'],
    ['baseAddress', 'unsigned short'],
    ['irq', 'unsigned char'],
    ['dma', 'unsigned char'],
    ['port', 'unsigned char'],
  ],
  ifreq: [
    ['name', 'char', 16],
    ['index', 'struct ifmap'],
  ],
};

interface Layout {
  readonly size: number;
  readonly alignment: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** The rule that both documents share: members in order, each at a multiple of its alignment, the whole rounded up to the strictest. */
function layOut(name: string, model: DataModel): Layout {
  const offsets: Record<string, number> = {};
  let at = 0;
  let strictest = 1;
  for (const [field, type, count = 1] of DECLARATIONS[name] ?? []) {
    const { size, alignment } = measure(type, model);
    at = Math.ceil(at / alignment) * alignment;
    offsets[field] = at;
    at += size * count;
    strictest = Math.max(strictest, alignment);
  }
  return { size: Math.ceil(at / strictest) * strictest, alignment: strictest, offsets };
}

function measure(type: string, model: DataModel): { readonly size: number; readonly alignment: number } {
  if (type.startsWith('struct ')) return layOut(type.slice('struct '.length), model);
  const size = model[TYPEDEFS[type] ?? type];
  if (size === undefined) throw new Error(`no such type: ${type}`);
  return { size, alignment: size };
}

/** The same declaration, for the compiler's rules that koffi follows on this machine. */
function koffiType(type: string, count: number): string | TypeObject {
  const base =
    type === 'pointer' ? 'void *' : type.startsWith('struct ') ? koffiStruct(type.slice(7)) : (TYPEDEFS[type] ?? type);
  return count === 1 ? base : koffi.array(base, count);
}

function koffiStruct(name: string): TypeObject {
  const fields = (DECLARATIONS[name] ?? []).map(([field, type, count = 1]) => [field, koffiType(type, count)] as const);
  return koffi.struct(Object.fromEntries(fields));
}

const LAYOUTS: Readonly<Record<string, { readonly size: number } & Readonly<Record<string, number>>>> = {
  msghdr: structs.MSGHDR,
  iovec: structs.IOVEC,
  cmsghdr: structs.CMSGHDR,
  sockaddr_in: structs.SOCKADDR_IN,
  sockaddr_in6: structs.SOCKADDR_IN6,
  sockaddr_un: structs.SOCKADDR_UN,
  sockaddr_ll: structs.SOCKADDR_LL,
  sockaddr_nl: structs.SOCKADDR_NL,
  nlmsghdr: structs.NLMSGHDR,
  nlmsgerr: structs.NLMSGERR,
  ifinfomsg: structs.IFINFOMSG,
  pollfd: structs.POLLFD,
  rlimit: structs.RLIMIT,
  f_owner_ex: structs.F_OWNER_EX,
  ifreq: structs.IFREQ,
  timeval: structs.TIMEVAL,
  nlattr: routeStructs.NLATTR,
  ifaddrmsg: routeStructs.IFADDRMSG,
  rtmsg: routeStructs.RTMSG,
  rtnexthop: routeStructs.RTNEXTHOP,
  fib_rule_hdr: routeStructs.FIB_RULE_HDR,
};

describe.each(Object.entries(LAYOUTS))('struct %s', (name, { size, ...offsets }) => {
  test.each([
    { architecture: 'x86-64', model: X86_64 },
    { architecture: 'arm64', model: AARCH64 },
  ])('is laid out as its declaration says on $architecture', ({ model }) => {
    const computed = layOut(name, model);
    expect(computed.size).toBe(size);
    expect(computed.offsets).toMatchObject(offsets);
  });

  test('is what koffi makes of the declaration on this machine', () => {
    const type = koffiStruct(name);
    expect(koffi.sizeof(type)).toBe(size);
    for (const [field, offset] of Object.entries(offsets))
      expect([field, koffi.offsetof(type, field)]).toEqual([field, offset]);
  });
});

test('every exported layout is in the table', () => {
  // Of `struct rtvia`, whose last member has no length, only the offsets are used.
  const all = Object.values({ ...structs, ...routeStructs });
  const objects = all.filter((value) => typeof value === 'object' && 'size' in value);
  expect(new Set(Object.values(LAYOUTS))).toEqual(new Set(objects));
});

test.each([
  { name: 'in_addr', type: 'struct in_addr', bytes: structs.IN_ADDR_BYTES },
  { name: 'in6_addr', type: 'struct in6_addr', bytes: structs.IN6_ADDR_BYTES },
  { name: 'int', type: 'int', bytes: structs.INT_BYTES },
  { name: 'CMSG_ALIGN', type: 'size_t', bytes: structs.CMSG_ALIGNMENT },
])('$name has $bytes bytes on both', ({ type, bytes }) => {
  expect([X86_64, AARCH64].map((model) => measure(type, model).size)).toEqual([bytes, bytes]);
});
