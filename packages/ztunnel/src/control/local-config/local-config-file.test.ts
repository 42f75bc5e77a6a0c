import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { StateChange } from '../../data-plane/protocol.ts';
import { soon } from '../../data-plane/testing/soon.ts';
import { type Logger, silentLogger } from '../../log/logger.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { LocalConfigFile } from './local-config-file.ts';

const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const policy = (name: string, action = 'Allow'): string =>
  `- {name: ${name}, namespace: d, scope: Namespace, action: ${action}, dryRun: false, rules: []}\n`;
const workload = (name: string, ip: string): string =>
  `- {uid: ${name}, name: ${name}, namespace: d, workloadIps: [${ip}], services: {d/h: {80: 8080}}}\n`;
const one = `policies:\n${policy('a')}${policy('b')}workloads:\n${workload('w', '10.0.0.1')}`;
const two = `policies:\n${policy('b', 'Deny')}${policy('c')}workloads:\n${workload('w', '10.0.0.1')}${workload('x', '10.0.0.2')}`;

/** A file and what is made of it. `answers`: whether what is applied is taken at once. */
function world(text: string | undefined, answers = true) {
  const directory = mkdtempSync(join(tmpdir(), 'mesh-'));
  undos.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'mesh.yaml');
  const put = (content: string): void => {
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  };
  if (text !== undefined) put(text);
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = (level: string) => (fields: Parameters<Logger['info']>[0], message: string) =>
    void lines.push(
      [level, message, ...fields.flatMap(([key, value]) => (key === 'path' ? [] : [shown(key, value)]))].join('|'),
    );
  const logger: Logger = { ...silentLogger, info: log('info'), warn: log('warn'), error: log('error') };
  const file = new LocalConfigFile({ source: { kind: 'file', text: path }, clock, logger });
  undos.push(() => file.close());
  const applied: StateChange[][] = [];
  const pending: (() => void)[] = [];
  const start = async (): Promise<void> => {
    await file.start();
    const attached = file.attach((changes) => {
      applied.push([...changes]);
      return answers ? Promise.resolve() : new Promise((resolve) => pending.push(resolve));
    });
    if (answers) await attached;
  };
  return { file, path, put, clock, lines, applied, pending, start };
}

function shown(key: string, value: unknown): string {
  return `${key}=${typeof value === 'object' && value !== null && 'bare' in value ? String(value.bare) : String(value)}`;
}

/** `policy d/a`, `workload-removed w`. */
function brief(changes: readonly StateChange[] | undefined): string[] {
  return (changes ?? []).map((change) => {
    const { type } = change;
    if (type === 'policy') return `${type} ${change.policy.name} ${change.policy.action}`;
    if (type === 'workload') return `${type} ${change.workload.uid}`;
    if (type === 'service') return `${type} ${change.service.name}`;
    return `${type} ${type === 'workload-removed' ? change.uid : change.key}`;
  });
}

test('all of it at the start, then only what differs, as one', async () => {
  const { put, clock, lines, applied, start, file } = world(one);
  await start();
  expect(applied.map(brief)).toEqual([['policy a Allow', 'policy b Allow', 'workload w']]);
  put(two);
  await clock.elapse(100);
  await soon(() => expect(applied).toHaveLength(2));
  expect(brief(applied[1])).toEqual(['policy-removed d/a', 'policy b Deny', 'policy c Allow', 'workload x']);
  expect(lines).toEqual([
    'info|local config initialized|num_workloads=1|num_policies=2',
    'info|local config reloaded|num_workloads=2|num_policies=2|policies=-d/a ~d/b +d/c|other_changes=1',
  ]);
  expect([...file.snapshot.policies.keys()]).toEqual(['d/b', 'd/c']);
});

test('a bad version changes nothing, is told with line and column, and the next good one counts', async () => {
  const { put, clock, lines, applied, start, file } = world(one);
  await start();
  await soon(() => expect(file.status.inForce).toBeDefined());
  const { inForce } = file.status;
  lines.length = 0;
  put(two.replace('action: Deny', 'action: Forbid'));
  await clock.elapse(100);
  await soon(() => expect(file.status.refusals).toBe(1));
  const message = 'policies[0].action: unknown variant `Forbid`, expected `Allow` or `Deny` at line 2 column 53';
  expect(lines).toEqual([`error|local config is refused; the last good version stays in force|error=${message}`]);
  expect(file.status).toMatchObject({ inForce, refused: { message, sha256: expect.stringMatching(/^[\da-f]{64}$/) } });
  expect(applied).toHaveLength(1);
  expect([...file.snapshot.policies.keys()]).toEqual(['d/a', 'd/b']);
  put(one);
  await clock.elapse(100);
  await soon(() => expect(file.status.refused).toBeUndefined());
  expect(lines[1]).toBe('info|local config is good again|num_workloads=1|num_policies=2');
  expect(applied.map((changes) => changes.length)).toEqual([3, 0]);
});

test('a file that is emptied or deleted leaves everything in force', async () => {
  const { path, put, clock, lines, applied, start, file } = world(one);
  await start();
  writeFileSync(path, '');
  await clock.elapse(100);
  await soon(() => expect(lines[1]).toContain('error=the file says nothing (is it being written?'));
  unlinkSync(path);
  await clock.elapse(100);
  await vi.waitFor(() =>
    expect(lines[2]).toContain('cannot be read; the last good version stays in force|error=ENOENT'),
  );
  await clock.elapse(5000);
  expect(file.status).toMatchObject({ refusals: 2, refused: { sha256: undefined } });
  expect(applied).toHaveLength(1);
  put('{}\n');
  await clock.elapse(100);
  await vi.waitFor(() => expect(file.status.refused).toBeUndefined());
  expect(brief(applied[1])).toEqual(['policy-removed d/a', 'policy-removed d/b', 'workload-removed w']);
  expect(lines).toHaveLength(4);
});

test('a writer that stops in the middle opens nothing: policies that are not told of stay', async () => {
  const { path, clock, start, file } = world(one);
  await start();
  // As written in pieces, workloads first.
  const text = `# the mesh\nworkloads:\n${workload('w', '10.0.0.1')}services: []\npolicies:\n${policy('a')}${policy('b')}`;
  const ends = [
    text.indexOf('workloads'),
    text.indexOf('services'),
    text.indexOf('policies'),
    text.indexOf('- {name: a'),
  ];
  for (const [index, end] of ends.entries()) {
    writeFileSync(path, text.slice(0, end));
    await clock.elapse(100);
    await soon(() => expect(file.status.refusals).toBe(index + 1));
    expect([...file.snapshot.policies.keys()]).toEqual(['d/a', 'd/b']);
  }
  writeFileSync(path, text);
  await clock.elapse(100);
  await soon(() => expect(file.status.refused).toBeUndefined());
  expect(file.snapshot.policies.size).toBe(2);
});

test('two policies with one name: the log warns and the status says so', async () => {
  const { lines, start, file } = world(`policies:\n${policy('a')}${policy('b')}${policy('a', 'Deny')}`);
  await start();
  expect(file.snapshot.policies.get('d/a')?.action).toBe('Deny');
  const message = 'replaces policies[0] (line 2), which has the same name';
  expect(lines).toEqual([
    'info|local config initialized|num_workloads=0|num_policies=2',
    `warn|local config has policies of the same name: the last one counts|count=1|first=policies[2]: d/a ${message}`,
  ]);
  expect(file.status.repeated).toEqual([{ policy: 'd/a', index: 2, message }]);
});

test('a version is in force when all threads have taken it; late answers to older ones do not bring these back', async () => {
  const { path, put, clock, applied, pending, start, file } = world(one, false);
  await start();
  put(two);
  await clock.elapse(100);
  await soon(() => expect(applied).toHaveLength(2));
  expect(file.status.inForce).toBeUndefined();
  pending[1]?.();
  await soon(() => expect(file.status.inForce).toBeDefined());
  const { inForce } = file.status;
  pending[0]?.();
  await new Promise(setImmediate);
  expect(file.status.inForce).toBe(inForce);
  expect(readFileSync(path, 'utf8')).toBe(two);
});

test('threads that take nothing any more: some versions are given, then the latest waits, with all that differs', async () => {
  const { put, clock, applied, pending, start, file } = world(`policies:\n${policy('p0')}`, false);
  await start();
  const versions = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
  for (const name of versions) {
    put(`policies:\n${policy(name)}`);
    await clock.elapse(100);
    await soon(() => expect([...file.snapshot.policies.keys()]).toEqual([`d/${name}`]));
  }
  expect(applied).toHaveLength(4);
  pending[0]?.();
  await soon(() => expect(applied).toHaveLength(5));
  expect(brief(applied[4])).toEqual(['policy-removed d/p3', 'policy p6 Allow']);
  for (const taken of pending) taken();
  const { sha256 } = file.status.inForce ?? {};
  await soon(() => expect(file.status.inForce?.sha256).not.toBe(sha256));
  put(`policies:\n${policy('p7')}`);
  await clock.elapse(100);
  await soon(() => expect(applied).toHaveLength(6));
  expect(brief(applied[5])).toEqual(['policy-removed d/p6', 'policy p7 Allow']);
});

test.each([
  { text: 'nonsense: 1\n', message: /^unknown field `nonsense`/ },
  { text: undefined, message: /^LOCAL_XDS_PATH: ENOENT/ },
])('bad at the start: $message', async ({ text, message }) => {
  const { file, clock } = world(text);
  await expect(file.start()).rejects.toMatchObject({
    code: 'ZTUNNEL_LOCAL_CONFIG_INVALID',
    message: expect.stringMatching(message),
  });
  expect(clock.timers.size).toBe(0);
});

test('closed during the start: no fault, and nothing is told', async () => {
  const { file, clock } = world(undefined);
  const started = file.start();
  file.close();
  await started;
  expect([file.status.refused, clock.timers.size]).toEqual([undefined, 0]);
});

test('one in the environment is read once', async () => {
  const clock = new ManualClock();
  const file = new LocalConfigFile({ source: { kind: 'inline', text: one }, clock, logger: silentLogger });
  await file.start();
  const applied: string[][] = [];
  await file.attach((changes) => Promise.resolve(void applied.push(brief(changes))));
  expect(applied).toHaveLength(1);
  expect(file.status.path).toBeUndefined();
  file.close();
});
