import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import { listenControl, type Operation } from '../supervisor/control-server.ts';
import { ControlClient } from './control-client.ts';
import { buildEnterCommand, substituteCurl, unknownPlace } from './enter.ts';
import { LogView } from './log-view.ts';

const none: Operation = () => Promise.resolve(null);

describe('entering a pod', () => {
  test('goes through the user namespace only if there is one', () => {
    const command = buildEnterCommand({ initPid: 7, userNamespace: true }, 'sleep', ['id']);
    expect(command.join(' ')).toBe(
      'nsenter --target=7 --user --preserve-credentials --mount --pid --ipc --net=/proc/7/root/run/netns/sleep -- setpriv --pdeathsig KILL -- id',
    );
    expect(buildEnterCommand({ initPid: 7, userNamespace: false }, 'sleep', ['id'])).not.toContain('--user');
  });

  test('curl is replaced only where there is none', () => {
    expect(substituteCurl(['curl', 'x'], '/nonexistent').slice(2)).toEqual(['x']);
    expect(substituteCurl(['wget', 'x'], '/nonexistent')).toEqual(['wget', 'x']);
  });
});

test.each([
  { place: 'httpbin', known: 'httpbin-1, httpbin-2' },
  { place: 'web', known: 'httpbin-1, httpbin-2, sleep' },
])('where there is no $place there are $known', ({ place, known }) => {
  const { code, message } = unknownPlace(place, ['sleep', 'httpbin-2', 'httpbin-1']);
  expect([code, message]).toEqual(['LAB_NAME_UNKNOWN', `${place}: no pod or node of the name (there are ${known})`]);
});

describe('a log', () => {
  const options = { timeoutMs: 1_000, from: 0 };

  test('gives lines that are there and lines that come', async () => {
    const view = new LogView('x');
    view.push('one\ntwo\n');
    expect(await view.waitFor((line) => line === 'two', options)).toBe('two');
    const later = view.waitFor((line) => line.startsWith('th'), options);
    view.push('three\n');
    expect(await later).toBe('three');
  });

  test('counts from a line on, also if that has not come', async () => {
    const view = new LogView('x');
    view.push('same\n');
    const later = view.waitFor(() => true, { ...options, from: 2 });
    view.push('same\nother\n');
    expect(await later).toBe('other');
  });

  test('tells who waits when time is up or the log ends', async () => {
    const view = new LogView('x');
    await expect(view.waitFor(() => true, { timeoutMs: 1, from: 0 })).rejects.toMatchObject({ code: 'LAB_TIMEOUT' });
    const waiting = view.waitFor(() => true, options);
    view.end(new LabError('LAB_CLOSED', 'over'));
    await expect(waiting).rejects.toMatchObject({ code: 'LAB_CLOSED' });
    await expect(view.waitFor(() => true, options)).rejects.toMatchObject({ code: 'LAB_CLOSED' });
  });
});

describe('the control socket', () => {
  const operations = {
    status: none,
    enrol: ({ arguments: given }) => Promise.reject(new LabError('LAB_ENROL_FAILED', JSON.stringify(given))),
    unenrol: none,
    'ztunnel-signal': none,
    'ztunnel-stop': none,
    'ztunnel-start': none,
    'ztunnel-restart': none,
    logs: (context) => {
      context.emit('a\n');
      context.emit('b\n');
      return Promise.resolve(null);
    },
    'policy-apply': none,
    'policy-delete': none,
    'policy-list': none,
    'capture-start': none,
    'capture-stop': none,
    metrics: () => Promise.resolve('text'),
    certificates: none,
    down: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
  } satisfies Readonly<Record<string, Operation>>;

  async function withServer(work: (client: ControlClient, path: string) => Promise<void>): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'lab-control-'));
    const path = join(directory, 'control.sock');
    const server = await listenControl(path, operations);
    const client = await ControlClient.open(path);
    try {
      await work(client, path);
    } finally {
      client.close();
      server.close();
      rmSync(directory, { recursive: true });
    }
  }

  test('answers, streams and fails by code', () =>
    withServer(async (client) => {
      const events: unknown[] = [];
      const [text, , failure] = await Promise.all([
        client.request('metrics'),
        client.request('logs', {}, (event) => events.push(event)),
        client.request('enrol', { names: ['a'] }).catch((error: unknown) => error),
      ]);
      expect(text).toBe('text');
      expect(events).toEqual(['a\n', 'b\n']);
      expect(failure).toMatchObject({ code: 'LAB_ENROL_FAILED', message: '{"names":["a"]}' });
    }));

  test('what is under way fails when the connection ends', () =>
    withServer(async (client) => {
      const pending = client.request('down');
      client.close();
      await expect(pending).rejects.toMatchObject({ code: 'LAB_CLOSED' });
      await expect(client.request('status')).rejects.toMatchObject({ code: 'LAB_CLOSED' });
    }));

  test('nobody there is LAB_NOT_RUNNING', async () => {
    await expect(ControlClient.open('/nonexistent/control.sock')).rejects.toMatchObject({ code: 'LAB_NOT_RUNNING' });
  });
});
