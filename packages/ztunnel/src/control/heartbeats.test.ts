import { expect, test } from 'vitest';
import { beat, createHeartbeat } from '../data-plane/heartbeat.ts';
import { defaultFilter, LogRoot } from '../log/logger.ts';
import { CHECK_MS, Heartbeats } from './heartbeats.ts';
import { ManualClock } from './testing/manual-clock.ts';

const LIMIT_MS = 3000;

function start(limitMs = LIMIT_MS) {
  const lines: string[] = [];
  const sink = {
    write: (text: string) => lines.push(text.split('\t').slice(1).join('|').trim()),
    flush: () => Promise.resolve(),
  };
  const clock = new ManualClock();
  const cells = [createHeartbeat(), createHeartbeat()] as const;
  const heartbeats = new Heartbeats({
    threads: cells.map((heartbeat) => ({ heartbeat })),
    limitMs,
    clock,
    logger: new LogRoot({ format: 'plain', filter: defaultFilter(), sink }).logger('data_thread'),
  });
  /** Seconds in which only these threads beat. */
  const live = async (seconds: number, ...threads: number[]): Promise<void> => {
    for (let n = 0; n < seconds; n++) {
      for (const thread of threads) beat(cells[thread] ?? createHeartbeat());
      await clock.elapse(CHECK_MS);
    }
  };
  const gauge = (): unknown => [...heartbeats.family().samples].map(({ value }) => value);
  return { heartbeats, lines, clock, live, gauge };
}

test('a thread that is silent for longer than the limit is told of once an episode', async () => {
  const { heartbeats, lines, live, gauge } = start();
  await live(2, 0, 1);
  await live(3, 0);
  expect(heartbeats.stuck).toEqual([]);
  await live(5, 0);
  expect([heartbeats.stuck, gauge()]).toEqual([[1], [0, 1]]);
  expect(lines).toEqual([
    expect.stringMatching(/^warn\|data_thread\|data thread is stuck: .*restart this process\|thread=1 silent_ms=4000$/),
  ]);
  await live(1, 0, 1);
  expect([heartbeats.stuck, gauge()]).toEqual([[], [0, 0]]);
  expect(lines[1]).toBe('info|data_thread|data thread goes on again|thread=1');
  await live(4, 0);
  expect(heartbeats.stuck).toEqual([1]);
  expect(lines).toHaveLength(3);
  heartbeats.close();
});

test('a thread that has not begun is not stuck', async () => {
  const { heartbeats, lines, live } = start();
  await live(10, 0);
  expect(heartbeats.stuck).toEqual([]);
  expect(lines).toEqual([]);
});

test('time in which the process stood still does not count', async () => {
  const { heartbeats, clock, live } = start();
  await live(1, 0, 1);
  clock.pass(3_600_000);
  await live(1);
  expect(heartbeats.stuck).toEqual([]);
  await live(2);
  expect(heartbeats.stuck).toEqual([0, 1]);
});

test('nor does it with the lowest limit, where the process was stopped right after a look', async () => {
  const { heartbeats, clock, live } = start(CHECK_MS);
  await live(1, 0, 1);
  clock.pass(3_600_000);
  await live(1);
  expect(heartbeats.stuck).toEqual([]);
  await live(1);
  expect(heartbeats.stuck).toEqual([0, 1]);
});

test('nothing is watched where there is nothing to watch, and nothing after the end', () => {
  const clock = new ManualClock();
  const { logger } = {
    logger: new LogRoot({
      format: 'plain',
      filter: defaultFilter(),
      sink: { write: () => undefined, flush: () => Promise.resolve() },
    }).logger('data_thread'),
  };
  const none = new Heartbeats({ threads: [{}], limitMs: LIMIT_MS, clock, logger });
  expect(clock.scheduled).toBe(0);
  none.close();
  const { heartbeats, clock: other } = start();
  heartbeats.close();
  expect(other.timers.size).toBe(0);
});
