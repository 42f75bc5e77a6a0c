import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Terminal } from '../cli/terminal.ts';
import { baseOf } from '../client/surroundings.ts';
import { claimLab } from '../state/state-directory.ts';
import { completedConnections, parseAccessLogLine } from './access-log.ts';
import { Claims } from './claims.ts';
import { runDemo } from './demo.ts';
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

describe('the demo', () => {
  const taken = { name: 'mine', code: 'LAB_ALREADY_RUNNING', tells: /^$/ };
  const free = { name: 'other', code: 'LAB_START_FAILED', tells: /^Two pods talk .*\n\n1 {2}Two nodes/ };

  test.each([taken, free])('of lab $name while mine runs ends with $code and has told $tells', async (row) => {
    const folder = mkdtempSync(join(tmpdir(), 'lab-demo-'));
    try {
      // Programs that all say yes and do nothing: the machine is fit for a lab, but none comes up.
      for (const tool of ['unshare', 'nsenter', 'setpriv', 'mount', 'iptables-restore', 'sh'])
        addProgram(join(folder, tool));
      const environment = { PATH: folder, TMPDIR: folder };
      await claimLab(baseOf(environment), 'mine');
      let text = '';
      const write = (more: string): void => {
        text += more;
      };
      const out = new Terminal({ write, colour: false, columns: 80 });
      const demo = runDemo({ lab: { name: row.name, environment }, out, keep: false });
      await expect(demo).rejects.toMatchObject({ code: row.code });
      expect(text).toMatch(row.tells);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function addProgram(path: string): void {
  writeFileSync(path, '#!/bin/sh\nexit 0\n');
  chmodSync(path, 0o755);
}
