import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { EngineName } from './choose-engine.ts';
import { readHeartbeat } from './heartbeat.ts';
import type { FromDataThread } from './protocol.ts';
import { TEST_CONFIG } from './testing/test-pod.ts';
import { startDataThreads } from './threads.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const source = new URL('testing/test-thread.ts', import.meta.url);
/** Node itself resolves what the program imports: to sources, as Vitest does. */
const program = new URL(
  `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, { ...context, conditions: ['@ambientmesh/source', ...context.conditions] }),
});
await import(${JSON.stringify(source.href)});`)}`,
);

const undos: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of undos.splice(0).toReversed()) await undo();
});

interface Orders {
  readonly engine: EngineName;
  readonly orders?: readonly string[];
}

function start({ engine, orders = [] }: Orders) {
  const folder = mkdtempSync(join(tmpdir(), 'data-thread-'));
  const order = (name: string): void => writeFileSync(join(folder, name), '');
  for (const name of orders) order(name);
  const deaths: string[] = [];
  const said: FromDataThread[] = [];
  const [thread] = startDataThreads({
    config: { ...TEST_CONFIG, clusterId: folder },
    engine,
    count: 1,
    program,
    onDeath: (error) => deaths.push(error.message),
  });
  if (thread === undefined) throw new TypeError('no thread');
  thread.onMessage = (message) => said.push(message);
  undos.push(async () => {
    await thread.terminate();
    rmSync(folder, { recursive: true });
  });
  const types = (): string[] => said.map(({ type }) => type);
  const revoke = (name: string): void => rmSync(join(folder, name));
  const heartbeat = (): number => (thread.heartbeat === undefined ? 0 : readHeartbeat(thread.heartbeat));
  return { thread, said, types, deaths, order, revoke, heartbeat };
}

test.each(['reactor', 'node'] as const)(
  '%s: says its engine, obeys, beats, and ends in order',
  async (engine) => {
    const { thread, said, types, deaths, heartbeat } = start({ engine });
    thread.post({ type: 'report', id: 7 });
    await vi.waitFor(() => expect(types()).toEqual(['engine', 'report']), WAIT);
    expect(said).toMatchObject([{ engine, reason: '' }, { id: 7 }]);
    const before = heartbeat();
    expect(before).toBeGreaterThan(0);
    await vi.waitFor(() => expect(heartbeat()).toBeGreaterThan(before + 1), WAIT);
    await thread.terminate();
    expect(deaths).toEqual([]);
    const after = heartbeat();
    thread.post({ type: 'report', id: 8 });
    await thread.terminate();
    expect(heartbeat()).toBe(after);
    expect(types()).toEqual(['engine', 'report']);
  },
  30_000,
);

test('a thread that waits is woken for each message', async () => {
  const { thread, types, order } = start({ engine: 'reactor' });
  await vi.waitFor(() => expect(types()).toEqual(['engine']), WAIT);
  order('be-deaf');
  for (let id = 0; id < 3; id++) {
    thread.post({ type: 'report', id });
    await vi.waitFor(() => expect(types()).toHaveLength(id + 2), WAIT);
  }
}, 30_000);

test.each(['reactor', 'node'] as const)(
  '%s: tells where its time goes, and of its heap',
  async (engine) => {
    const { thread, said, types } = start({ engine });
    thread.post({ type: 'diagnose', id: 1, wanted: { kind: 'cpu-profile', durationMs: 20 } });
    thread.post({ type: 'diagnose', id: 2, wanted: { kind: 'heap' } });
    await vi.waitFor(() => expect(types()).toEqual(['engine', 'diagnosis', 'diagnosis']), WAIT);
    const texts = said.map((message) => (message.type === 'diagnosis' ? [message.id, JSON.stringify(message)] : []));
    expect(texts[1]).toEqual([2, expect.stringContaining('used_heap_size')]);
    expect(texts[2]).toEqual([1, expect.stringContaining('timeDeltas')]);
  },
  30_000,
);

test('a reactor that does not work is replaced, and its first words say why', async () => {
  const { thread, said, types } = start({ engine: 'reactor', orders: ['no-reactor'] });
  thread.post({ type: 'report', id: 1 });
  await vi.waitFor(() => expect(types()).toEqual(['engine', 'report']), WAIT);
  expect(said[0]).toEqual({ type: 'engine', engine: 'node', reason: 'no epoll here', wakeDescriptor: undefined });
}, 30_000);

test.each(['reactor', 'node'] as const)(
  '%s: stands still without a beat, goes on, and can be ended meanwhile',
  async (engine) => {
    const { thread, types, order, revoke, heartbeat } = start({ engine });
    await vi.waitFor(() => expect(types()).toEqual(['engine']), WAIT);
    order('stand-still');
    let last = heartbeat();
    await vi.waitFor(
      () => {
        const before = last;
        last = heartbeat();
        expect(last).toBe(before);
      },
      { timeout: 20_000, interval: 300 },
    );
    thread.post({ type: 'report', id: 1 });
    revoke('stand-still');
    await vi.waitFor(() => expect(types()).toEqual(['engine', 'report']), WAIT);
    await vi.waitFor(() => expect(heartbeat()).toBeGreaterThan(last), WAIT);
    order('stand-still');
    await thread.terminate();
  },
  60_000,
);

test.each(['reactor', 'node'] as const)(
  '%s: a thread that throws is told of once',
  async (engine) => {
    const { thread, types, deaths, order } = start({ engine });
    await vi.waitFor(() => expect(types()).toEqual(['engine']), WAIT);
    order('fail');
    await vi.waitFor(() => expect(deaths).toEqual(['failed as it was told']), WAIT);
    await thread.terminate();
    expect(deaths).toHaveLength(1);
  },
  30_000,
);

test.each([
  { engine: 'node', reason: '' },
  { engine: 'reactor', reason: 'the data plane runs in the main thread' },
] as const)('$engine in the main thread: the node engine', async ({ engine, reason }) => {
  const [thread] = startDataThreads({ config: TEST_CONFIG, engine, count: 0, program, onDeath: () => undefined });
  const said: FromDataThread[] = [];
  if (thread !== undefined) thread.onMessage = (message) => said.push(message);
  await vi.waitFor(() => expect(said).toMatchObject([{ type: 'engine', engine: 'node', reason }]));
  expect(thread?.heartbeat).toBeUndefined();
  await thread?.terminate();
});
