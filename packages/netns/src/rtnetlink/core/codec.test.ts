import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetnsError } from '../../errors.ts';
import { IFINFOMSG, NLMSGERR, NLMSGHDR } from '../../kernel-structs.ts';
import { decodeAddress, encodeAddressAddition, encodeAddressRemoval } from './address.ts';
import { decodeAttributes, encodeAttribute, encodeNested, encodeNumber, encodeText, readNested } from './attribute.ts';
import { parseIp, parsePrefix, renderIp, renderPrefix } from './ip-prefix.ts';
import { decodeLink, encodeLinkChange, encodeLinkCreation, encodeLinkDeletion } from './link.ts';
import type { Scope } from './named-number.ts';
import { decodeAcknowledgement, decodeDone, decodeMessages, encodeMessage } from './netlink-message.ts';
import { decodeRule, encodeRuleAddition, encodeRuleDump, encodeRuleRemoval } from './policy-rule.ts';
import { decodeRoute, encodeRouteAddition, encodeRouteDump, encodeRouteRemoval, type RouteType } from './route.ts';
import { FIB_RULE_HDR, IFADDRMSG, NLATTR, RTMSG, RTNEXTHOP, RTVIA } from './route-structs.ts';

/** Runs `action`; any error but this package's own is a failure of the test. */
function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof NetnsError) return error.code;
    throw error;
  }
}

// linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/fib_rules.h: fields in order with their widths in bytes.
test.each([
  { name: 'nlmsghdr', layout: NLMSGHDR, fields: { length: 4, type: 2, flags: 2, sequence: 4, portId: 4 } },
  { name: 'nlmsgerr', layout: NLMSGERR, fields: { error: 4, header: 16 } },
  { name: 'nlattr', layout: NLATTR, fields: { length: 2, type: 2 } },
  {
    name: 'ifinfomsg',
    layout: IFINFOMSG,
    fields: { family: 1, padding: 1, type: 2, index: 4, flags: 4, change: 4 },
  },
  { name: 'ifaddrmsg', layout: IFADDRMSG, fields: { family: 1, prefixLength: 1, flags: 1, scope: 1, index: 4 } },
  {
    name: 'rtmsg',
    layout: RTMSG,
    fields: { family: 1, dstLength: 1, srcLength: 1, tos: 1, table: 1, protocol: 1, scope: 1, type: 1, flags: 4 },
  },
  { name: 'rtnexthop', layout: RTNEXTHOP, fields: { length: 2, flags: 1, hops: 1, index: 4 } },
  { name: 'rtvia', layout: { ...RTVIA, size: 2 }, fields: { family: 2, address: 0 } },
  {
    name: 'fib_rule_hdr',
    layout: FIB_RULE_HDR,
    fields: { family: 1, dstLength: 1, srcLength: 1, tos: 1, table: 1, res1: 1, res2: 1, action: 1, flags: 4 },
  },
])('struct $name is laid out as in the kernel header', ({ layout, fields }) => {
  const offsets = new Map<string, number>();
  let at = 0;
  for (const [field, width] of Object.entries(fields)) {
    offsets.set(field, at);
    // Natural alignment: no field begins at an odd place, so that no machine pads.
    if (width > 0 && width <= 4) expect(at % width).toBe(0);
    at += width;
  }
  const { size, ...places } = layout;
  expect(size).toBe(at);
  for (const [field, offset] of Object.entries(places)) expect([field, offset]).toEqual([field, offsets.get(field)]);
});

test('the bytes of a request are those that `ip rule add fwmark 0x539/0xfff lookup 100 pref 32764` sends', () => {
  const rule = { family: 4, priority: 32_764, mark: { value: 0x539, mask: 0xfff }, table: 100 } as const;
  const bytes = encodeMessage(encodeRuleAddition(rule), 7);
  expect(bytes.toString('hex').match(/.{8}/g)?.join(' ')).toBe(
    [
      '3c000000 20000406 07000000 00000000', // nlmsghdr: 60 bytes, RTM_NEWRULE, ACK EXCL CREATE, 7
      '02000000 00000001 00000000', // fib_rule_hdr: AF_INET, FR_ACT_TO_TBL
      '08000600 fc7f0000', // FRA_PRIORITY
      '08000f00 64000000', // FRA_TABLE
      '08000a00 39050000', // FRA_FWMARK
      '08001000 ff0f0000', // FRA_FWMASK
    ].join(' '),
  );
});

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));

test('attributes: what was written is read, at any nesting', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 200 }), bytes(40)), { selector: ([type]) => type }),
      (all) => {
        const encoded = all.map(([type, value]) => encodeAttribute(type, value));
        expect(encoded.every(({ length }) => length % 4 === 0)).toBe(true);
        expect([...decodeAttributes(Buffer.concat(encoded))]).toEqual(all);
        const nested = decodeAttributes(encodeNested(300, [encodeNested(7, encoded)]));
        expect([...readNested(readNested(nested, 300), 7)]).toEqual(all);
      },
    ),
  );
});

test('messages: what was written is read, many in a datagram', () => {
  const request = fc.record({ type: fc.nat(0xffff), flags: fc.nat(0xffff), body: bytes(40) });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 5 }), (requests) => {
      const datagram = Buffer.concat(requests.map((one, index) => encodeMessage(one, index)));
      expect(decodeMessages(datagram)).toEqual(
        requests.map(({ type, flags, body }, sequence) => ({ type, flags, sequence, payload: body })),
      );
    }),
  );
});

test.each([
  { name: 'half a header', datagram: Buffer.alloc(8) },
  { name: 'length shorter than the header', datagram: Buffer.from('0f000000'.padEnd(40, '0'), 'hex') },
  { name: 'length longer than the datagram', datagram: Buffer.from('15000000'.padEnd(40, '0'), 'hex') },
])('a datagram with $name is NETNS_MALFORMED', ({ datagram }) => {
  expect(codeOf(() => decodeMessages(datagram))).toBe('NETNS_MALFORMED');
});

test.each(['03000100', '09000100', 'ffff0100', '00000000'])('attribute %s is NETNS_MALFORMED', (hex) => {
  expect(codeOf(() => decodeAttributes(Buffer.from(`${hex}00000000`, 'hex')))).toBe('NETNS_MALFORMED');
});

test('random bytes give data or NETNS_MALFORMED, never another error', () => {
  const decoders = [
    decodeMessages,
    decodeAttributes,
    decodeLink,
    decodeAddress,
    decodeRoute,
    decodeRule,
    (payload: Buffer) => decodeAcknowledgement({ type: 2, flags: payload[0] ?? 0, sequence: 0, payload }),
    (payload: Buffer) => decodeAcknowledgement({ type: 2, flags: 0x300, sequence: 0, payload }),
    (payload: Buffer) => decodeDone({ type: 3, flags: 0x200, sequence: 0, payload }),
  ];
  // Headers of a known family, then attributes with small lengths: deeper than pure chance would get.
  const likely = fc
    .tuple(fc.constantFrom(2, 10), bytes(16), fc.array(fc.tuple(fc.nat(40), fc.nat(30), bytes(20))))
    .map(([family, header, attributes]) =>
      Buffer.concat([
        Buffer.from([family]),
        header.subarray(0, 11),
        ...attributes.map(([length, type, value]) => Buffer.concat([Buffer.from([length, 0, type, 0]), value])),
      ]),
    );
  fc.assert(
    fc.property(fc.oneof(bytes(200), likely), (input) => {
      for (const decode of decoders) expect([undefined, 'NETNS_MALFORMED']).toContain(codeOf(() => decode(input)));
    }),
    { numRuns: 2_000 },
  );
});

test('an acknowledgement says errno and the kernel’s words, whether the request is repeated or not', () => {
  const words = encodeText(1, 'Invalid prefix');
  const request = encodeMessage({ type: 24, flags: 5, body: Buffer.alloc(9) }, 1);
  const error = Buffer.alloc(4);
  error.writeInt32LE(-22);
  const answer = (flags: number, ...parts: readonly Buffer[]) => ({
    type: 2,
    flags,
    sequence: 1,
    payload: Buffer.concat([error, ...parts]),
  });
  const expected = { errno: 22, text: 'Invalid prefix' };
  expect(decodeAcknowledgement(answer(0x200, request, words))).toEqual(expected);
  expect(decodeAcknowledgement(answer(0x300, request.subarray(0, NLMSGHDR.size), words))).toEqual(expected);
  expect(decodeAcknowledgement(answer(0x100, request.subarray(0, NLMSGHDR.size)))).toEqual({ errno: 22 });
  expect(decodeDone(answer(0x200, words))).toEqual(expected);
  expect(decodeDone({ type: 3, flags: 0, sequence: 1, payload: Buffer.alloc(0) })).toEqual({ errno: 0 });
});

test('addresses: text and bytes are one, and only what Node takes for an address is one', () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV4().map((ip) => `::ffff:${ip}`),
    fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'f', ':', ':', ':', '.', '.'), maxLength: 24 }),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const isIp = isIPv4(candidate) || isIPv6(candidate);
      if (!isIp) expect(codeOf(() => parseIp(candidate))).toBe('NETNS_INVALID_ARGUMENT');
      else expect(parseIp(renderIp(parseIp(candidate).bytes))).toEqual(parseIp(candidate));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (array) => {
      const ip = renderIp(Buffer.from(array));
      expect(parseIp(ip).bytes).toEqual(Buffer.from(array));
      if (!ip.includes('.')) expect(`[${ip}]`).toBe(new URL(`http://[${ip}]`).hostname);
    }),
  );
});

test.each([
  { given: 'FD00:0:0:1::', rendered: 'fd00:0:0:1::/128' },
  { given: '1:0:0:2:0:0:0:3/48', rendered: '1:0:0:2::3/48' },
  { given: '1:0:2:3:4:5:6:7', rendered: '1:0:2:3:4:5:6:7/128' },
  { given: '::ffff:10.0.0.1', rendered: '::ffff:10.0.0.1/128' },
  { given: '::/0', rendered: '::/0' },
  { given: '10.0.0.1', rendered: '10.0.0.1/32' },
])('prefix $given is $rendered', ({ given, rendered }) => {
  const { family, bytes: address, length } = parsePrefix(given);
  expect(renderPrefix(family, address, length)).toBe(rendered);
});

test.each([
  '',
  '10.0.0.1/33',
  '::/129',
  '10.0.0.1/',
  '10.0.0.1/8/8',
  '10.0.0.01',
  '10.0.0/8',
  'fe80::1%eth0',
  ':::',
  '1::2::3',
])('prefix %j is refused', (text) => {
  expect(codeOf(() => parsePrefix(text))).toBe('NETNS_INVALID_ARGUMENT');
});

const number = fc.nat(0xffff_ffff);
const prefix = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, length]) => `${ip}/${length}`),
  fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, length]) => renderPrefix(6, parseIp(ip).bytes, length)),
);

test('a route is read as it was written', () => {
  const route = fc.record(
    {
      dst: prefix,
      type: fc.constantFrom<RouteType[]>('unicast', 'local', 'unreachable', 'blackhole', 'prohibit', 'throw', 200),
      via: fc.boolean(),
      src: fc.boolean(),
      table: number,
      scope: fc.constantFrom<Scope[]>('global', 'link', 'host', 'site', 'nowhere', 7),
      metric: number,
      onlink: fc.boolean(),
      protocol: fc.nat(255),
    },
    { requiredKeys: ['dst', 'scope'] },
  );
  fc.assert(
    fc.property(route, fc.integer({ min: 1, max: 0x7fff_ffff }), fc.ipV4(), ({ via, src, ...rest }, index, ip) => {
      const { family, length } = parsePrefix(rest.dst);
      // A router of IPv6 is one for both families.
      const one = {
        ...rest,
        ...(via === undefined ? {} : { via: via && family === 4 ? ip : 'fe80::1' }),
        ...(src === undefined ? {} : { src: family === 4 ? ip : 'fd00::9' }),
      };
      const dst = length === 0 ? renderPrefix(family, undefined, 0) : one.dst;
      expect(decodeRoute(encodeRouteAddition(one, index, true).body)).toEqual({
        family,
        type: 'unicast',
        table: 254,
        metric: 0,
        onlink: false,
        protocol: 3,
        more: false,
        index,
        ...one,
        dst,
      });
    }),
  );
});

test('a rule may be removed by each thing that tells rules apart', () => {
  for (const what of [
    { priority: 0 },
    { table: 100 },
    { mark: { value: 0, mask: 1 } },
    { from: '10.0.0.0/8' },
    { to: '10.0.0.0/8' },
    { iif: 'lo' },
    { oif: 'lo' },
  ])
    expect(codeOf(() => encodeRuleRemoval({ family: 4, ...what }))).toBeUndefined();
});

test('a rule is read as it was written', () => {
  const rule = fc.record(
    {
      priority: number,
      table: fc.integer({ min: 1, max: 0xffff_ffff }),
      mark: fc.record({ value: number, mask: number }),
      from: prefix,
      to: prefix,
      iif: fc.constantFrom('lo', 'eth0'),
      oif: fc.constant('fifteen-letters'),
    },
    { requiredKeys: ['priority', 'table'] },
  );
  fc.assert(
    fc.property(rule, fc.constantFrom(4, 6), ({ from, to, ...rest }, family) => {
      const whole = { ...rest, ...inFamily('from', from, family), ...inFamily('to', to, family), family };
      expect(decodeRule(encodeRuleAddition(whole).body)).toEqual({
        ...whole,
        action: 'lookup',
        inverted: false,
        more: false,
      });
    }),
  );
});

function inFamily(name: 'from' | 'to', text: string | undefined, family: 4 | 6): { from?: string; to?: string } {
  if (text === undefined) return {};
  const parsed = parsePrefix(text);
  // 0 bits is the same as nothing.
  return parsed.family === family && parsed.length > 0 ? { [name]: text } : {};
}

test('a link is read as it was written', () => {
  const link = { name: 'eth0', kind: 'veth', mtu: 1_400, mac: '02:00:00:00:00:01', up: true, peer: { name: 'eth1' } };
  expect(decodeLink(encodeLinkCreation({ ...link, masterIndex: 9 }).body)).toEqual({
    index: 0,
    name: 'eth0',
    kind: 'veth',
    mtu: 1_400,
    mac: '02:00:00:00:00:01',
    up: true,
    masterIndex: 9,
    loopback: false,
    carrier: false,
  });
});

test('an address is read as it was written', () => {
  expect(decodeAddress(encodeAddressAddition({ dev: 'd', address: 'fd00::1/64', nodad: true }, 5).body)).toEqual({
    index: 5,
    family: 6,
    address: 'fd00::1/64',
    scope: 'global',
    nodad: true,
    permanent: false,
    tentative: false,
    duplicate: false,
  });
  expect(decodeAddress(encodeAddressAddition({ dev: 'd', address: '127.0.0.1/8' }, 1).body)?.scope).toBe('host');
});

test.each([
  () => encodeNumber(1, -1, 'table'),
  () => encodeNumber(1, 2 ** 32, 'table'),
  () => encodeNumber(1, 1.5, 'table'),
  () => encodeAttribute(1, Buffer.alloc(0x1_0000)),
  () => encodeLinkDeletion(''),
  () => encodeLinkDeletion('a/b'),
  () => encodeLinkDeletion('sixteen-letters-'),
  () => encodeLinkChange({ index: 1, mac: '02:00' }),
  () => encodeLinkChange({ index: 1, mtu: Number.NaN }),
  () => encodeAddressRemoval('10.0.0.1/64', 1),
  () => encodeRouteAddition({ dst: 'default' }, 1, false),
  () => encodeRouteAddition({ dst: '10.0.0.0/8', via: 'router' }, 1, false),
  () => encodeRouteRemoval({ dst: '10.0.0.0/8', type: 256 }, 1),
  () => encodeRouteRemoval({ dst: '10.0.0.0/8', protocol: -1 }, 1),
  () => encodeRuleRemoval({ family: 4, from: 'fd00::/8' }),
  () => encodeRuleAddition({ family: 4, table: 9, mark: { value: 0x1_0000_0000, mask: 1 } }),
  // Of the wrong family: the kernel reads the bytes it has room for.
  () => encodeRouteAddition({ dst: '10.0.0.0/8', src: 'fd00::1' }, 1, false),
  () => encodeRouteAddition({ dst: 'fd00::/8', src: '10.0.0.1' }, 1, false),
  () => encodeRouteAddition({ dst: 'fd00::/8', via: '10.0.0.1' }, 1, false),
  () => encodeAddressAddition({ dev: 'd', address: '10.0.0.1/24', broadcast: 'fd00::1' }, 1),
  () => encodeAddressAddition({ dev: 'd', address: 'fd00::1/64', broadcast: '10.0.0.255' }, 1),
  () => encodeAddressAddition({ dev: 'd', address: 'fd00::1/64', broadcast: 'fd00::2' }, 1),
  // The kernel would choose a table, and remove the first rule there is.
  () => encodeRuleAddition({ family: 4, priority: 5 }),
  () => encodeRuleAddition({ family: 4, priority: 5, table: 0 }),
  () => encodeRuleRemoval({ family: 4 }),
  () => encodeRuleRemoval({ family: 4, action: 'lookup', table: 0 }),
  () => encodeRuleRemoval({ family: 4, from: '0.0.0.0/0', to: '10.0.0.0/0' }),
  () => encodeRuleRemoval({ family: 4, mark: { value: 0, mask: 0 } }),
  // Families that are none, from callers without types.
  () => encodeRuleRemoval(JSON.parse('{ "family": 5, "priority": 1 }')),
  () => encodeRuleDump(JSON.parse('5')),
  () => encodeRouteDump(JSON.parse('null'), undefined),
])('%s is NETNS_INVALID_ARGUMENT', (encode) => {
  expect(codeOf(encode)).toBe('NETNS_INVALID_ARGUMENT');
});
