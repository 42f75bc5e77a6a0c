import type { Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { createLogBacklog, droppedLines, endWaiting, MAX_BACKLOG_CHARS } from '../log/log-backlog.ts';
import { ThreadLog } from './thread-log.ts';

/** A log whose flush the test calls for; `written`: what has left, without the time. */
function createLog() {
  const due: (() => void)[] = [];
  const written: string[] = [];
  const engine: Pick<Engine, 'after'> = {
    after: (_ms, callback) => {
      due.push(callback);
      return { cancel: () => undefined };
    },
  };
  const backlog = createLogBacklog();
  const log = new ThreadLog({ engine, format: 'plain', backlog, write: (text) => written.push(text) });
  const line = (message: string): void => log.line({ level: 'info', scope: 'access', message, fields: [] });
  return { log, line, written, due, backlog };
}

const messagesOf = (texts: readonly string[]): (string | undefined)[] =>
  texts
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((text) => text.split('\t')[3]);

test('lines leave together, in order, after a time; then the next ones do', () => {
  const { line, written, due } = createLog();
  for (const message of ['a', 'é', '🦊']) line(message);
  expect([written, due.length]).toEqual([[], 1]);
  due[0]?.();
  line('b');
  due[1]?.();
  expect([written.length, messagesOf(written)]).toEqual([2, ['a', 'é', '🦊', 'b']]);
});

test('a lot does not wait for the time, and a line may be longer than what waits together', () => {
  const { log, line, written } = createLog();
  const messages = Array.from({ length: 100 }, (_, index) => `${index}${'x'.repeat(1000)}`);
  for (const message of messages) line(message);
  expect(written.length).toBeGreaterThan(0);
  const long = '€'.repeat(100_000);
  line(long);
  line('after');
  log.flush();
  expect(messagesOf(written)).toEqual([...messages, long, 'after']);
});

test('nothing to say: nothing is written', () => {
  const { log, written } = createLog();
  log.flush();
  expect(written).toEqual([]);
});

test('nobody takes the lines: whole ones are dropped beyond a limit, counted, and told of once when there is room', () => {
  const { line, written, due, backlog } = createLog();
  const message = 'x'.repeat(1000);
  const lineChars = 1000 + '2026-11-22T00:00:00.000000Z\tinfo\taccess\t\t\n'.length;
  const fitting = Math.ceil(MAX_BACKLOG_CHARS / lineChars);
  for (let n = 0; n < 2 * fitting; n++) line(message);
  due.pop()?.();
  const taken = written.join('');
  expect([taken.length / lineChars, droppedLines(backlog)]).toEqual([fitting, fitting]);
  // A little room is not enough: each batch that a slow reader takes would be a gap.
  endWaiting(backlog, MAX_BACKLOG_CHARS / 4);
  line(message);
  due.pop()?.();
  expect([written.join('').length, droppedLines(backlog)]).toEqual([taken.length, fitting + 1]);
  endWaiting(backlog, taken.length - MAX_BACKLOG_CHARS / 4);
  due.pop()?.();
  expect(due).toEqual([]);
  line('after');
  due.pop()?.();
  expect(written.join('').slice(taken.length).replaceAll(/\S+Z/g, 'TIME')).toBe(
    `TIME\twarn\tlog\t${fitting + 1} log lines were dropped: nobody read them in time\t\nTIME\tinfo\taccess\tafter\t\n`,
  );
});
