import { IptablesError, parsePacket } from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const NOTHING = {
  hostAddresses: [],
  mark: 0,
  connectionMark: 0,
  state: 'NEW',
  translated: [],
  source: {},
  destination: {},
};

test.each([
  { text: 'tcp', packet: { protocol: 'tcp', origin: 'incoming' } },
  { text: '  UDP  ', packet: { protocol: 'udp', origin: 'incoming' } },
  { text: '6', packet: { protocol: 'tcp', origin: 'incoming' } },
  { text: '253', packet: { protocol: '253', origin: 'incoming' } },
  {
    text: 'tcp src 10.0.0.1:1234 dst 10.0.0.2:80 in eth0 mark 0x0 connmark 0x111 state ESTABLISHED',
    packet: {
      protocol: 'tcp',
      family: 'ipv4',
      source: { address: '10.0.0.1', port: 1234 },
      destination: { address: '10.0.0.2', port: 80 },
      origin: 'incoming',
      inInterface: 'eth0',
      connectionMark: 0x111,
      state: 'ESTABLISHED',
    },
  },
  {
    text: 'udp dst [fd00::1]:53 src fd00::2 local uid 0 gid 7 out lo',
    packet: {
      protocol: 'udp',
      family: 'ipv6',
      source: { address: 'fd00::2' },
      destination: { address: 'fd00::1', port: 53 },
      origin: 'local',
      outInterface: 'lo',
      userId: 0,
      groupId: 7,
    },
  },
  {
    text: 'tcp dst [fd00::1]',
    packet: { protocol: 'tcp', family: 'ipv6', destination: { address: 'fd00::1' }, origin: 'incoming' },
  },
  {
    text: 'tcp in eth0 local',
    packet: { protocol: 'tcp', origin: 'incoming', inInterface: 'eth0', toThisMachine: true },
  },
  { text: 'tcp out eth0', packet: { protocol: 'tcp', origin: 'local', outInterface: 'eth0' } },
  {
    text: 'tcp in eth0 out eth1',
    packet: { protocol: 'tcp', origin: 'incoming', inInterface: 'eth0', outInterface: 'eth1' },
  },
  { text: 'icmp type 8/0', packet: { protocol: 'icmp', origin: 'incoming', icmp: { type: 8, code: 0 } } },
  { text: 'icmpv6 type 128', packet: { protocol: 'ipv6-icmp', origin: 'incoming', icmp: { type: 128 } } },
  { text: 'icmp type Echo-Request', packet: { protocol: 'icmp', origin: 'incoming', icmp: { type: 8 } } },
  {
    text: 'icmp type port-unreachable',
    packet: { protocol: 'icmp', origin: 'incoming', icmp: { type: 3, code: 3 } },
  },
  { text: 'icmpv6 type echo-request', packet: { protocol: 'ipv6-icmp', origin: 'incoming', icmp: { type: 128 } } },
  { text: 'tcp dport 80', packet: { protocol: 'tcp', origin: 'incoming', destination: { port: 80 } } },
  { text: 'tcp src :80', packet: { protocol: 'tcp', origin: 'incoming', source: { port: 80 } } },
  {
    text: 'tcp sport 9 src fd00::1 dst [fd00::2] dport 80',
    packet: {
      protocol: 'tcp',
      family: 'ipv6',
      origin: 'incoming',
      source: { address: 'fd00::1', port: 9 },
      destination: { address: 'fd00::2', port: 80 },
    },
  },
  { text: 'tcp flags syn,ACK', packet: { protocol: 'tcp', origin: 'incoming', tcpFlags: ['SYN', 'ACK'] } },
  { text: 'tcp flags NONE', packet: { protocol: 'tcp', origin: 'incoming', tcpFlags: [] } },
  {
    text: 'tcp host 10.0.0.1 host 10.0.0.2',
    packet: { protocol: 'tcp', family: 'ipv4', origin: 'incoming', hostAddresses: ['10.0.0.1', '10.0.0.2'] },
  },
  {
    text: 'tcp state established,DNAT',
    packet: { protocol: 'tcp', origin: 'incoming', state: 'ESTABLISHED', translated: ['DNAT'] },
  },
  { text: 'tcp mark 4294967295', packet: { protocol: 'tcp', origin: 'incoming', mark: 0xffff_ffff } },
])('a packet: $text', ({ text, packet }) => {
  expect(parsePacket(text)).toEqual({ ...NOTHING, ...packet });
});

test.each([
  { text: '', column: 1, says: 'protocol' },
  { text: '   ', column: 1, says: 'protocol' },
  { text: 'src 10.0.0.1', column: 1, says: 'no protocol' },
  { text: '256', column: 1, says: 'no protocol' },
  { text: 'tcp from 10.0.0.1', column: 5, says: 'no field' },
  { text: 'tcp from 10.0.0.1', column: 5, says: 'src, dst, sport, dport, in, out, host, mark' },
  { text: 'tcp dst 10.0.0.1:80 dport 81', column: 27, says: 'destination port is there already' },
  { text: 'tcp sport 81 src :80', column: 18, says: 'source port is there already' },
  { text: 'tcp src :', column: 10, says: '65535' },
  { text: 'tcp src []:80', column: 9, says: 'no address' },
  { text: 'tcp sport http', column: 11, says: '65535' },
  { text: 'icmp dport 80', column: 6, says: 'no ports' },
  { text: 'icmp type packet-too-big', column: 11, says: 'a number or echo-reply (0), pong (0)' },
  { text: 'tcp type echo-request', column: 5, says: 'no type' },
  { text: 'tcp constructor 1', column: 5, says: 'no field' },
  { text: 'tcp src', column: 8, says: 'needs a value' },
  { text: 'tcp src 10.0.0.256', column: 9, says: 'no address' },
  { text: 'tcp src fd00::1:80:x', column: 9, says: 'no address' },
  { text: 'tcp src 10.0.0.1:x', column: 18, says: '65535' },
  { text: 'tcp src 10.0.0.1:65536', column: 18, says: '65535' },
  { text: 'tcp src 10.0.0.1 dst fd00::1', column: 22, says: 'ipv4' },
  { text: 'tcp mark 0x100000000', column: 10, says: '4294967295' },
  { text: 'tcp mark -1', column: 10, says: 'number' },
  { text: 'tcp state OLD', column: 11, says: 'NEW' },
  { text: 'tcp state NEW,OLD', column: 11, says: 'SNAT' },
  { text: 'tcp in eth0 in eth1', column: 13, says: 'already' },
  { text: 'tcp local local', column: 11, says: 'already' },
  { text: 'tcp in averyveryverylongname', column: 8, says: 'interface' },
  { text: 'tcp in eth0 out eth1 local', column: 22, says: 'does not leave' },
  { text: 'tcp in eth0 uid 5', column: 13, says: 'uid' },
  { text: 'icmp dst 10.0.0.1:80', column: 6, says: 'no ports' },
  { text: 'tcp type 8', column: 5, says: 'no type' },
  { text: 'icmp type 8/0/1', column: 11, says: 'TYPE/CODE' },
  { text: 'icmp type 256', column: 11, says: '255' },
  { text: 'udp flags SYN', column: 5, says: 'no flags' },
  { text: 'tcp flags ECE', column: 11, says: 'SYN' },
])('no packet: $text', ({ text, column, says }) => {
  const error = fails(() => parsePacket(text));
  expect(error?.code).toBe('IPTABLES_PACKET_INVALID');
  expect(error?.message).toContain(`packet, column ${column}: `);
  expect(error?.message).toContain(says);
});

test('any text is a packet or a typed error on one line', () => {
  const word = fc.constantFrom(
    'tcp',
    'src',
    'dst',
    'in',
    'out',
    'local',
    'mark',
    '10.0.0.1:80',
    '[::1]:1',
    '[',
    ']:',
    'eth0',
    'state',
    'NEW,',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(word, fc.string()), { maxLength: 8 }).map((words) => words.join(' ')),
  );
  fc.assert(
    fc.property(text, (input) => {
      const error = fails(() => parsePacket(input));
      if (error === undefined) return;
      expect(error.code).toBe('IPTABLES_PACKET_INVALID');
      expect(error.message).not.toContain('\n');
    }),
  );
});

function fails(run: () => unknown): IptablesError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof IptablesError) return error;
    throw error;
  }
}
