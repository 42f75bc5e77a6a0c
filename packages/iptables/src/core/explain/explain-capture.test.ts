import { renderExplanation } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { ends, explain, fixture } from '../../testing/explain-save.ts';

const POD = '10.1.1.5';
const CLIENT = '10.1.1.9:4000';
const TO_15006 = `delivered to ${POD}:15006 on this machine`;

/** Spec section 7, with the rules of `redirect` and DNS. */
const MATRIX = [
  {
    who: 'app to outside',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:80 out eth0`,
    end: 'delivered to 127.0.0.1:15001 on this machine',
  },
  {
    who: 'proxy to outside',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:80 out eth0 mark 0x539`,
    end: `sent by eth0 from ${POD}:4000 to 1.2.3.4:80`,
  },
  {
    who: 'app to DNS over TCP',
    packet: `tcp src ${POD}:4000 dst 1.2.3.4:53 out eth0`,
    end: 'delivered to 127.0.0.1:15053 on this machine',
  },
  {
    who: 'app to DNS over UDP',
    packet: `udp src ${POD}:4000 dst 1.2.3.4:53 out eth0`,
    end: 'delivered to 127.0.0.1:15053 on this machine',
  },
  {
    who: 'proxy to DNS',
    packet: `udp src ${POD}:4000 dst 1.2.3.4:53 out eth0 mark 0x539`,
    end: `sent by eth0 from ${POD}:4000 to 1.2.3.4:53`,
  },
  {
    who: 'app to its own address',
    packet: `tcp src ${POD}:4000 dst ${POD}:8080 out lo`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
  {
    who: 'app to loopback',
    packet: 'tcp src 127.0.0.1:4000 dst 127.0.0.1:8080 local',
    end: 'delivered to 127.0.0.1:8080 on this machine',
  },
  { who: 'client', packet: `tcp src ${CLIENT} dst ${POD}:8080 in eth0 local`, end: TO_15006 },
  {
    who: 'client to 15008',
    packet: `tcp src ${CLIENT} dst ${POD}:15008 in eth0 local`,
    end: `delivered to ${POD}:15008 on this machine`,
  },
  { who: 'client to 15001', packet: `tcp src ${CLIENT} dst ${POD}:15001 in eth0 local`, end: TO_15006 },
  {
    who: 'probe',
    packet: `tcp src 169.254.7.127:4000 dst ${POD}:8080 in eth0 local`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
  {
    who: 'proxy as client',
    packet: `tcp src ${CLIENT} dst ${POD}:8080 out lo mark 0x539`,
    end: `delivered to ${POD}:8080 on this machine`,
  },
];

test.each(MATRIX)('redirect: $who', ({ packet, end }) => {
  const explanation = explain(fixture('redirect-dns.v4.save'), packet);
  expect(ends(explanation)).toEqual([end]);
  expect(explanation.decided).toBe(true);
});

const SOCKET_15006 = `delivered to the transparent socket at port 15006, its destination still ${POD}`;
const TPROXY_ENDS: { readonly [who: string]: string } = {
  client: `${SOCKET_15006}:8080`,
  'client to 15008': `delivered to the transparent socket at port 15008, its destination still ${POD}:15008`,
  'client to 15001': `${SOCKET_15006}:15001`,
};

test.each(MATRIX)('tproxy: $who', ({ who, packet, end }) => {
  const explanation = explain(fixture('tproxy-dns.v4.save'), packet);
  expect(ends(explanation)).toEqual([TPROXY_ENDS[who] ?? end]);
  expect(explanation.decided).toBe(true);
});

test('IPv6 goes the same way', () => {
  const save = fixture('redirect-dns.v6.save');
  expect(ends(explain(save, 'tcp src [fd00::5]:4000 dst [fd01::1]:80 out eth0'))).toEqual([
    'delivered to [::1]:15001 on this machine',
  ]);
  expect(ends(explain(save, 'tcp src [fd00::9]:4000 dst [fd00::5]:80 in eth0'))).toEqual([
    'delivered to port 15006 of this machine',
  ]);
  expect(ends(explain(fixture('tproxy.v6.save'), 'tcp src [fd00::9]:4000 dst [fd00::5]:80 in eth0'))).toEqual([
    'delivered to the transparent socket at port 15006, its destination still [fd00::5]:80',
  ]);
});

test('the proxy as client marks the connection, and the answer is routed by that mark', () => {
  const save = fixture('redirect-dns.v4.save');
  const [there] = explain(save, `tcp src ${CLIENT} dst ${POD}:8080 out lo mark 0x539`).ends;
  expect(there?.packet).toMatchObject({ mark: 0x539, connectionMark: 0x111 });
  const answer = explain(save, `tcp src ${POD}:8080 dst ${CLIENT} out eth0 connmark 0x111 state ESTABLISHED`);
  expect(answer.ends.map(({ end, packet }) => [end, packet.mark, packet.outInterface])).toEqual([
    ['delivered', 0x111, undefined],
    ['sent', 0x111, undefined],
  ]);
  expect(answer.notes.join()).toContain('policy routing');
  expect(answer.steps).toContainEqual({
    step: 'chain',
    table: 'nat',
    chain: 'OUTPUT',
    skipped: 'nat is asked for NEW connections only, and this is ESTABLISHED',
  });
});

test('REDIRECT without a known address of the interface says so', () => {
  const explanation = explain(fixture('redirect-dns.v4.save'), `tcp src ${CLIENT} dst ${POD}:8080 in eth0`);
  expect(ends(explanation)).toEqual(['delivered to port 15006 of this machine']);
  expect(renderExplanation(explanation)).toContain('? is that of the interface it came in by');
});
