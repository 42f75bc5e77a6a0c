import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { baseOf } from '../client/surroundings.ts';
import type { LabStatus, ProcessStatus } from '../control-protocol.ts';
import type { PolicyReport, PolicyStatus } from '../policies/policy-report.ts';
import { controlSocketPath, labDirectory, mountNamespaceOf, writeRecord } from '../state/state-directory.ts';
import { listenControl, type Operation } from '../supervisor/control-server.ts';
import { buildProgram } from './program.ts';
import { Terminal } from './terminal.ts';

const none: Operation = () => Promise.resolve(null);

let temporary: string;
let server: Server;
let restarted: readonly string[];
let ztunnel: ProcessStatus;
let report: PolicyReport;
let policies: readonly PolicyStatus[];
let asked: Readonly<Record<string, unknown>>[];

/** A lab of which only the control socket is there; this process stands for its process 1. */
beforeEach(async () => {
  temporary = mkdtempSync(join(tmpdir(), 'lab-commands-'));
  restarted = [];
  ztunnel = { pid: 7, running: true, starts: 1, restarts: 0 };
  asked = [];
  report = { changes: [], refused: [], restarted: [] };
  policies = [];
  const base = baseOf({ TMPDIR: temporary });
  mkdirSync(labDirectory(base, 'default'), { recursive: true, mode: 0o700 });
  const mountNamespace = mountNamespaceOf(process.pid) ?? '';
  writeRecord(base, { name: 'default', starterPid: 0, starterStart: '', initPid: process.pid, mountNamespace });
  server = await listenControl(controlSocketPath(base, 'default'), operations());
});
afterEach(() => {
  server.close();
  rmSync(temporary, { recursive: true });
});

test.each(['enrol', 'unenrol'])('%s says which ztunnels were restarted and what that has ended', async (command) => {
  restarted = ['node1', 'node2'];
  expect(await run(command, 'sleep')).toMatch(
    /^restarted ztunnel@node1, ztunnel@node2: connections through them have ended\n/,
  );
  restarted = ['node1'];
  expect(await run(command, 'sleep')).toMatch(/^restarted ztunnel@node1: connections through it have ended\n/);
  restarted = [];
  expect(await run(command, 'sleep')).not.toContain('restarted');
});

test.each([
  { starts: 0, restarts: 0, shown: '0' },
  { starts: 1, restarts: 0, shown: '0' },
  { starts: 3, restarts: 0, shown: '2' },
  { starts: 3, restarts: 1, shown: '2 (1 after it died)' },
])('of $starts starts, $restarts of them after an end by itself, status shows $shown', async (row) => {
  ztunnel = { pid: 7, running: true, starts: row.starts, restarts: row.restarts };
  const line = (await run('status')).split('\n').find((text) => text.includes('node1'));
  expect(line?.split(/ {2,}/).at(-1)).toBe(row.shown);
});

test('status shows what data threads run on', async () => {
  ztunnel = { pid: 7, running: true, starts: 1, restarts: 0 };
  expect(await run('status')).toMatch(/ENGINE +PID .*\n.*node1 .* ready +reactor +7 /);
  expect(JSON.parse(await run('status', '--json'))).toMatchObject({ nodes: [{ name: 'node1', engine: 'reactor' }] });
});

test.each([
  { argv: ['logs', 'node1'], given: { name: 'node1' } },
  { argv: ['logs', 'node1', '-n', '3'], given: { name: 'node1', lines: 3 } },
  { argv: ['logs', 'node1', '-f'], given: { name: 'node1', follow: true, lines: 10 } },
  { argv: ['logs', 'node1', '-f', '--lines', '0'], given: { name: 'node1', follow: true, lines: 0 } },
])('$argv asks for $given', async ({ argv, given }) => {
  expect(await run(...argv)).toBe('said\n');
  expect(asked).toEqual([given]);
});

describe('policies', () => {
  const changes = [{ object: 'AuthorizationPolicy/default/a', change: 'created', notes: ['spec: look'] }] as const;
  const problems = [{ severity: 'error', path: 'spec.action', message: 'want ALLOW' }] as const;
  const object = { kind: 'AuthorizationPolicy', metadata: { name: 'a' }, spec: { action: 'X' } };
  let file: string;
  beforeEach(() => {
    file = join(temporary, 'a.yaml');
    writeFileSync(file, JSON.stringify(object));
    report = { changes, refused: [], restarted: [] };
  });

  test('apply sends what the file says and tells what became of it', async () => {
    expect(await run('policy', 'apply', file)).toBe('AuthorizationPolicy/default/a created\n  spec: look\n');
    expect(asked).toEqual([{ objects: [object] }]);
  });

  test('apply finds a file of the folder that npx was called from', async () => {
    await run('policy', 'apply', 'a.yaml');
    expect(asked).toEqual([{ objects: [object] }]);
  });

  test('apply takes folders, and -f as kubectl does', async () => {
    const folder = join(temporary, 'folder');
    mkdirSync(join(folder, 'b'), { recursive: true });
    mkdirSync(join(folder, '.git'));
    for (const name of ['b/c.yml', 'a.json', 'README.md', '.hidden.yaml', '.git/d.yaml'])
      writeFileSync(join(folder, name), JSON.stringify({ ...object, metadata: { name } }));
    await run('policy', 'apply', '-f', 'folder', file);
    const names = ['a.json', 'b/c.yml', 'a'].map((name) => ({ metadata: { name } }));
    expect(asked).toMatchObject([{ objects: names }]);
  });

  test('a file of the folder that npx was called in counts, not one of that name where npx works', async () => {
    // The tests work at the root of the workspace, where there is one.
    writeFileSync(join(temporary, 'package.json'), JSON.stringify(object));
    await run('policy', 'apply', 'package.json');
    expect(asked).toMatchObject([{ objects: [object] }]);
  });

  test('a folder without policies is refused', async () => {
    mkdirSync(join(temporary, 'empty'));
    await expect(run('policy', 'apply', 'empty')).rejects.toMatchObject({
      code: 'LAB_ARGUMENT_INVALID',
      message: expect.stringMatching(/^empty: no .yaml/),
    });
  });

  test('apply tells of ztunnels that had to be restarted', async () => {
    report = { changes, refused: [], restarted: ['node1'] };
    expect(await run('policy', 'apply', file)).toContain('\nrestarted ztunnel@node1: ');
  });

  test('apply fails with place and path of what was refused, and tells what was taken', async () => {
    report = { changes, refused: [{ object: 'x/y/z', index: 0, problems, previous: true }], restarted: [] };
    await expect(run('policy', 'apply', file)).rejects.toMatchObject({
      code: 'LAB_POLICY_INVALID',
      message: expect.stringMatching(
        /^1 of 1 policies refused: .*a\.yaml:1:\d+: x\/y\/z: spec\.action: want ALLOW; x\/y\/z: its previous version stays in force; .* created$/,
      ),
    });
  });

  test('delete sends names', async () => {
    report = { changes: [{ ...changes[0], change: 'deleted', notes: [] }], refused: [], restarted: [] };
    expect(await run('policy', 'delete', 'ap/default/a')).toBe('AuthorizationPolicy/default/a deleted\n');
    expect(asked).toEqual([{ names: ['ap/default/a'] }]);
  });

  test('list shows what is in force and what was refused', async () => {
    policies = [];
    expect(await run('policy', 'list')).toBe('no policies: everything is allowed\n');
    const one = { object: 'AuthorizationPolicy/default/a', effect: 'DENY', dryRun: true, generation: 3 };
    policies = [{ ...one, accepted: true, confirmed: true, pods: ['sleep'], notes: ['note'], refused: problems }];
    const text = await run('policy', 'list');
    expect(text).toMatch(/AuthorizationPolicy\/default\/a +DENY \(dry run\) +1 +2 +previous version in force\n/);
    expect(text).toContain('newer version refused: spec.action: want ALLOW\n');
    expect(text).toContain('    note\n');
    expect(JSON.parse(await run('policy', 'list', '--json'))).toEqual(policies);
  });

  test('list shows what was refused from the first', async () => {
    const never = { effect: '-', dryRun: false, generation: 0, accepted: false, confirmed: false, pods: [], notes: [] };
    policies = [{ ...never, object: 'AuthorizationPolicy/default/a', refused: problems }];
    const text = await run('policy', 'list');
    expect(text).toMatch(/AuthorizationPolicy\/default\/a +- +0 +0 +refused, never in force\n/);
    expect(text).toContain('    refused: spec.action: want ALLOW\n');
  });

  test.each([
    { accepted: true, dryRun: false, pods: ['sleep'], status: 'in force' },
    { accepted: true, confirmed: false, dryRun: false, pods: ['sleep'], status: 'not confirmed by every node' },
    { accepted: true, confirmed: false, dryRun: true, pods: ['sleep'], status: 'not confirmed by every node' },
    { accepted: true, dryRun: true, pods: ['sleep'], status: 'observed, not enforced' },
    { accepted: true, dryRun: false, pods: [], status: 'in force for no pod' },
    { accepted: false, dryRun: false, pods: [], status: 'not enforced' },
  ])('accepted $accepted, dry run $dryRun, for $pods: $status', async ({ status: shown, ...told }) => {
    policies = [{ object: 'a', effect: 'DENY', generation: 1, confirmed: true, notes: [], refused: [], ...told }];
    expect((await run('policy', 'list')).trimEnd().split(/ {2,}/).at(-1)).toBe(shown);
  });
});

async function run(...argv: readonly string[]): Promise<string> {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  const out = new Terminal({ write, colour: false, columns: 80 });
  const environment = { TMPDIR: temporary, INIT_CWD: temporary };
  const interrupted = new AbortController().signal;
  await buildProgram({ environment, out, write, warn: write, interrupted }, () => undefined).parseAsync(argv, {
    from: 'user',
  });
  return text;
}

function operations() {
  return {
    status: () => Promise.resolve(status()),
    enrol: () => Promise.resolve(restarted),
    unenrol: () => Promise.resolve(restarted),
    'ztunnel-signal': none,
    'ztunnel-stop': none,
    'ztunnel-start': none,
    'ztunnel-restart': none,
    logs: (context) => {
      asked.push(context.arguments);
      context.emit('said\n');
      return Promise.resolve(null);
    },
    'policy-apply': (context) => {
      asked.push(context.arguments);
      return Promise.resolve(report);
    },
    'policy-delete': (context) => {
      asked.push(context.arguments);
      return Promise.resolve(report);
    },
    'policy-list': () => Promise.resolve(policies),
    'capture-start': none,
    'capture-stop': none,
    metrics: () => Promise.resolve('ambientmesh_engine_info{engine="reactor",reason=""} 1\n'),
    certificates: none,
    down: none,
  } satisfies Readonly<Record<string, Operation>>;
}

function status(): LabStatus {
  const node = { name: 'node1', address: '172.30.0.11', ztunnel, agentConnections: 1, ready: true };
  return { name: 'default', startedAt: '', ipv6: false, ztunnelCommand: [], nodes: [node], pods: [], services: [] };
}
