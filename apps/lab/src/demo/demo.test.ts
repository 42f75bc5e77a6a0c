import { expect, test } from 'vitest';
import { Terminal } from '../cli/terminal.ts';
import { completedConnections, parseAccessLogLine } from './access-log.ts';
import { Claims } from './claims.ts';
import { compareHostState } from './host-state.ts';

const OUTBOUND =
  '2026-08-20T10:00:00.123456Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.0.24:46238 src.workload="sleep" src.identity="spiffe://cluster.local/ns/default/sa/sleep" dst.addr=10.244.0.42:15008 dst.hbone_addr=10.244.0.42:80 direction="outbound" bytes_sent=67 bytes_recv=490 duration="13ms"';

test('a line of the access log', () => {
  const line = parseAccessLogLine(OUTBOUND);
  expect(line).toMatchObject({ level: 'info', message: 'connection complete' });
  expect(line?.fields.get('dst.hbone_addr')).toBe('10.244.0.42:80');
  expect(line?.fields.get('src.identity')).toBe('spiffe://cluster.local/ns/default/sa/sleep');
  expect(line?.fields.get('duration')).toBe('13ms');
});

test('other lines are not of the access log', () => {
  const lines = [
    '',
    'text',
    '2026-08-20T10:00:00Z\tinfo\tapp\tready',
    OUTBOUND.replace('complete', 'opened'),
    OUTBOUND,
  ];
  expect(completedConnections(lines, 'outbound')).toHaveLength(1);
  expect(completedConnections(lines, 'inbound')).toHaveLength(0);
});

test('a claim that does not hold says why, and is counted', () => {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  const claims = new Claims(new Terminal({ write, colour: false, columns: 80 }));
  claims.check('one', true, () => 'never called');
  expect(claims.allHold).toBe(true);
  claims.check('two', false, () => 'because');
  expect(claims.allHold).toBe(false);
  expect(text).toBe('  ✔ one\n  ✘ two\n    because\n');
});

test('what a lab would leave on the machine is seen', () => {
  const before = { interfaces: ['lo', 'eth0'], namespaces: [] };
  expect(compareHostState(before, before)).toEqual([]);
  expect(compareHostState(before, { interfaces: ['lo', 'veth1'], namespaces: ['a'] })).toEqual([
    'interfaces: veth1 is new',
    'interfaces: eth0 is gone',
    'namespaces: a is new',
  ]);
});
