import koffi, { type TypeObject } from 'koffi';
import { describe, expect, test } from 'vitest';
import * as layouts from './kernel-layout.ts';

/**
 * Size and alignment in bytes of the fundamental types; those of System V ABI, AMD64 supplement 1.0, figure 3.1, and of the
 * Procedure Call Standard for the Arm 64-bit Architecture, table 1 and section 10.1.1 (LP64), which agree.
 */
const LP64: Readonly<Record<string, number>> = {
  uint8_t: 1,
  uint16_t: 2,
  uint32_t: 4,
  int: 4,
  uint64_t: 8,
  size_t: 8,
  'void *': 8,
};

interface Declaration {
  readonly fields: Readonly<Record<string, string | readonly [type: string, count: number]>>;
  /** By `__attribute__((packed))`. */
  readonly packed?: boolean;
}

/** linux/eventpoll.h: EPOLL_PACKED is defined for __x86_64__, and empty otherwise. */
const EPOLL_EVENT: Declaration['fields'] = { events: 'uint32_t', data: 'uint64_t' };

const DECLARATIONS: Readonly<Record<string, Declaration>> = {
  // readv(2)
  iovec: { fields: { base: 'void *', length: 'size_t' } },
  // ip(7)
  sockaddr_in: { fields: { family: 'uint16_t', port: 'uint16_t', address: 'uint32_t', padding: ['uint8_t', 8] } },
  // ipv6(7); linux/in6.h: the union in the address has 32-bit members
  sockaddr_in6: {
    fields: {
      family: 'uint16_t',
      port: 'uint16_t',
      flowInfo: 'uint32_t',
      address: ['uint32_t', 4],
      scopeId: 'uint32_t',
    },
  },
  // socket(7)
  linger: { fields: { onOff: 'int', seconds: 'int' } },
  epoll_event_x64: { fields: EPOLL_EVENT, packed: true },
  epoll_event_arm64: { fields: EPOLL_EVENT },
};

const LAYOUTS: Readonly<Record<string, Readonly<Record<string, number>> & { readonly size: number }>> = {
  iovec: layouts.IOVEC,
  sockaddr_in: layouts.SOCKADDR_IN,
  sockaddr_in6: layouts.SOCKADDR_IN6,
  linger: layouts.LINGER,
  epoll_event_x64: { ...layouts.epollEventLayout('x64')! },
  epoll_event_arm64: { ...layouts.epollEventLayout('arm64')! },
};

/** The rule that both documents share: members in order, each at a multiple of its alignment, the whole rounded up. */
function layOut({ fields, packed = false }: Declaration): Record<string, number> {
  const offsets: Record<string, number> = {};
  let at = 0;
  let strictest = 1;
  for (const [name, field] of Object.entries(fields)) {
    const [type, count] = typeof field === 'string' ? [field, 1] : field;
    const bytes = LP64[type]!;
    const alignment = packed ? 1 : bytes;
    at = Math.ceil(at / alignment) * alignment;
    offsets[name] = at;
    at += bytes * count;
    strictest = Math.max(strictest, alignment);
  }
  return { ...offsets, size: Math.ceil(at / strictest) * strictest };
}

/** The same declaration, for the compiler's rules that koffi follows on this machine. */
function koffiType({ fields, packed = false }: Declaration): TypeObject {
  const members = Object.entries(fields).map(([name, field]) => [
    name,
    typeof field === 'string' ? field : koffi.array(field[0], field[1]),
  ]);
  return packed ? koffi.pack(Object.fromEntries(members)) : koffi.struct(Object.fromEntries(members));
}

describe.each(Object.entries(LAYOUTS))('struct %s', (name, layout) => {
  const declaration = DECLARATIONS[name]!;

  test('is laid out as its declaration says', () => {
    expect(layOut(declaration)).toMatchObject(layout);
  });

  test('is what koffi makes of the declaration on this machine', () => {
    const type = koffiType(declaration);
    const { size, ...offsets } = layout;
    expect(koffi.sizeof(type)).toBe(size);
    for (const [field, offset] of Object.entries(offsets))
      expect([field, koffi.offsetof(type, field)]).toEqual([field, offset]);
  });
});

test('every exported layout is in the table', () => {
  const exported = Object.values(layouts).filter((value) => typeof value === 'object');
  expect(exported.length).toBe(Object.keys(LAYOUTS).length - 2);
  for (const layout of exported) expect(Object.values(LAYOUTS)).toContain(layout);
});

test('int and socklen_t', () => {
  expect(koffi.sizeof('int')).toBe(layouts.INT_BYTES);
});

test.each(['ia32', 'arm', 'riscv64', 's390x', 'toString', ''])('of %o nothing is known', (architecture) => {
  expect(layouts.epollEventLayout(architecture)).toBeUndefined();
});
